//! Maps the rollback machine's input to the use case and its answer back.

use jiff::Timestamp;
use perch_app::deployment::unwind;
use perch_app::step::{RoundInput, StepOutput};
use perch_aws::codedeploy::Deployments;
use perch_aws::diagnostic::Failed;
use perch_aws::lambda::Functions;
use perch_aws::services::Services;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) lambda: Functions,
    pub(crate) services: Services,
    pub(crate) deployments: Deployments,
}

impl Handler {
    pub(crate) async fn handle(&self, input: RoundInput) -> Result<StepOutput, Failed> {
        let Self { store, lambda, services, deployments } = self;
        let now = Timestamp::now();
        Ok(unwind::run(store, (lambda, services), deployments, &input, now).await?)
    }
}
