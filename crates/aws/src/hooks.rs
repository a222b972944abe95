//! The events of hooks, and what is returned to who asks.
//!
//! CodeDeploy User Guide, "`AppSpec` 'hooks' section for an Amazon ECS deployment": `DeploymentId` and
//! `LifecycleEventHookExecutionId`; the answer is a call. ECS Developer Guide, "Lifecycle hooks for Amazon
//! ECS service deployments": the answer is returned as `hookStatus`.

use perch_app::deployment::hook::Hook;
use perch_app::deployment::stage::{Answer, Stage};
use perch_app::ports::PortError;
use perch_app::step::StepError;
use perch_core::names::DeploymentId;
use serde::{Deserialize, Serialize};

/// Seconds after which ECS asks again.
const AGAIN: u32 = 10;

/// What a function is asked as a hook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Event")]
pub enum Asked {
    /// By CodeDeploy.
    CodeDeploy(Hook),
    /// By ECS.
    Ecs(Stage),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    #[serde(rename_all = "PascalCase")]
    CodeDeploy { deployment_id: DeploymentId, lifecycle_event_hook_execution_id: String },
    #[serde(rename_all = "camelCase")]
    Ecs { resource_arn: DeploymentId, lifecycle_stage: String },
}

impl From<Event> for Asked {
    fn from(event: Event) -> Self {
        match event {
            Event::CodeDeploy { deployment_id, lifecycle_event_hook_execution_id } => {
                let execution = lifecycle_event_hook_execution_id;
                Asked::CodeDeploy(Hook { deployment: deployment_id, execution })
            }
            Event::Ecs { resource_arn, lifecycle_stage } => {
                Asked::Ecs(Stage { deployment: resource_arn, name: lifecycle_stage })
            }
        }
    }
}

/// What the function returns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_back_delay: Option<u32>,
}

impl Reply {
    /// Nothing: CodeDeploy does not look at it.
    pub fn none() -> Self {
        Self::default()
    }

    /// The answer to a stage. What may pass with time is no answer yet.
    ///
    /// # Errors
    /// The error, where trying again does not help.
    pub fn of(answer: Result<Answer, StepError>) -> Result<Self, StepError> {
        let status = match answer {
            Ok(Answer::Succeeded) => "SUCCEEDED",
            Ok(Answer::Failed) => "FAILED",
            Ok(Answer::InProgress)
            | Err(StepError::Port(PortError::Unavailable { .. } | PortError::Conflict { .. })) => {
                "IN_PROGRESS"
            }
            Err(error) => return Err(error),
        };
        let call_back_delay = (status == "IN_PROGRESS").then_some(AGAIN);
        Ok(Self { hook_status: Some(status), call_back_delay })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_kinds_of_hooks_are_told_apart() {
        let asked: Asked = serde_json::from_value(json!({
            "DeploymentId": "d-ABC", "LifecycleEventHookExecutionId": "eyJ",
        }))
        .unwrap();
        let Asked::CodeDeploy(hook) = asked else { panic!("{asked:?}") };
        assert_eq!((hook.deployment.as_str(), hook.execution.as_str()), ("d-ABC", "eyJ"));
        let arn = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/main/news/abc_1";
        let asked: Asked = serde_json::from_value(json!({
            "executionDetails": { "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/main/news" },
            "executionId": "1", "lifecycleStage": "PRE_PRODUCTION_TRAFFIC_SHIFT", "resourceArn": arn,
        }))
        .unwrap();
        let Asked::Ecs(stage) = asked else { panic!("{asked:?}") };
        assert_eq!(
            (stage.deployment.as_str(), stage.name.as_str()),
            (arn, "PRE_PRODUCTION_TRAFFIC_SHIFT")
        );
        assert!(serde_json::from_value::<Asked>(json!({ "DeploymentId": "d-ABC" })).is_err());
    }

    #[test]
    fn what_may_pass_is_asked_again() {
        let reply = |answer| serde_json::to_value(Reply::of(answer).unwrap()).unwrap();
        assert_eq!(reply(Ok(Answer::Succeeded)), json!({ "hookStatus": "SUCCEEDED" }));
        assert_eq!(reply(Ok(Answer::Failed)), json!({ "hookStatus": "FAILED" }));
        let again = json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 10 });
        assert_eq!(reply(Ok(Answer::InProgress)), again);
        let lost = || PortError::Unavailable { what: "table".to_owned(), source: "lost".into() };
        assert_eq!(reply(Err(lost().into())), again);
        let denied = PortError::Denied { what: "table".to_owned(), message: "no".to_owned() };
        assert!(Reply::of(Err(denied.into())).is_err());
        assert_eq!(serde_json::to_value(Reply::none()).unwrap(), json!({}));
    }
}
