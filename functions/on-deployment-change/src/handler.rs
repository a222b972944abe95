//! Maps the event to the use case and logs what became of it.

use lambda_runtime::tracing;
use perch_app::deployment::changed;
use perch_aws::codedeploy::Deployments;
use perch_aws::diagnostic::Failed;
use perch_aws::events::{self, Delivered};
use perch_aws::executions::Executions;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) deployments: Deployments,
    pub(crate) executions: Executions,
}

impl Handler {
    pub(crate) async fn handle(&self, event: Delivered) -> Result<(), Failed> {
        let Some(changed) = events::deployment_of(&event)? else {
            tracing::info!(event.id = event.id, "The deployment has not ended; nothing to do");
            return Ok(());
        };
        let Self { store, deployments, executions } = self;
        let answer = changed::run(store, deployments, executions, &changed).await?;
        tracing::info!(event.id = event.id, %changed, ?answer, "Deployment ended");
        Ok(())
    }
}
