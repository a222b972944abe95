//! Maps the event of a hook to its use case, and the answer to what the asker takes.

use jiff::Timestamp;
use lambda_runtime::tracing;
use perch_app::deployment::{hook, stage};
use perch_aws::codedeploy::Deployments;
use perch_aws::diagnostic::Failed;
use perch_aws::hooks::{Asked, Reply};
use perch_aws::lambda::Functions;
use perch_aws::services::Services;
use perch_aws::store::Table;
use perch_serving::SmokeClient;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) deployments: Deployments,
    pub(crate) lambda: Functions,
    pub(crate) services: Services,
    pub(crate) web: SmokeClient,
}

impl Handler {
    pub(crate) async fn handle(&self, event: Asked) -> Result<Reply, Failed> {
        let Self { store, deployments, lambda, services, web } = self;
        match event {
            Asked::CodeDeploy(asked) => {
                let asks = (lambda, web);
                let answer = hook::run(store, deployments, asks, &asked, Timestamp::now).await?;
                tracing::info!(deployment.id = %asked.deployment, ?answer, "Hook answered");
                Ok(Reply::none())
            }
            Asked::Ecs(asked) => {
                let moving = (lambda, services);
                let answer =
                    stage::run(store, deployments, moving, web, &asked, Timestamp::now).await;
                tracing::info!(deployment.id = %asked.deployment, stage = asked.name, ?answer, "Stage answered");
                // ECS takes a failure of the function for a no. What passes is asked again.
                Ok(Reply::of(answer)?)
            }
        }
    }
}
