//! Maps the state machine's input to the use case and its answer back.

use jiff::Timestamp;
use perch_app::judge_canary::{self, JudgeInput};
use perch_app::step::StepOutput;
use perch_aws::cloudwatch::CloudWatch;
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
    pub(crate) cloudwatch: CloudWatch,
}

impl Handler {
    pub(crate) async fn handle(&self, input: JudgeInput) -> Result<StepOutput, Failed> {
        let (metrics, alarms) = (&self.cloudwatch, &self.cloudwatch);
        let moving = (&self.lambda, &self.services, &self.deployments);
        let now = Timestamp::now();
        Ok(judge_canary::run_with(&self.store, moving, (metrics, alarms), &input, now).await?)
    }
}
