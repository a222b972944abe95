//! The answer of a hook (CodeDeploy API Reference, `PutLifecycleEventHookExecutionStatus`).

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use aws_sdk_codedeploy::types::LifecycleEventStatus;
use perch_app::deployment::hook::{Answer, Hook};
use perch_app::ports::PortError;

use crate::error::port_error;

/// Says whether the deployment goes on. A first answer counts.
pub(super) async fn answer(client: &Client, hook: &Hook, answer: Answer) -> Result<(), PortError> {
    let status = match answer {
        Answer::Succeeded => LifecycleEventStatus::Succeeded,
        Answer::Failed => LifecycleEventStatus::Failed,
    };
    let answered = client
        .put_lifecycle_event_hook_execution_status()
        .deployment_id(hook.deployment.as_str())
        .lifecycle_event_hook_execution_id(&hook.execution)
        .status(status)
        .send()
        .await;
    match answered {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("LifecycleEventAlreadyCompletedException") => Ok(()),
        Err(error) => Err(port_error(format!("a hook of deployment {}", hook.deployment), error)),
    }
}
