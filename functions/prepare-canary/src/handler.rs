//! Maps the state machine's input to the use case and its answer back.

use jiff::Timestamp;
use perch_app::prepare_canary;
use perch_app::step::{StepInput, StepOutput};
use perch_aws::cloudwatch::CloudWatch;
use perch_aws::diagnostic::Failed;
use perch_aws::images::Images;
use perch_aws::lambda::Functions;
use perch_aws::models::Models;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) lambda: Functions,
    pub(crate) images: Images,
    pub(crate) models: Models,
    pub(crate) cloudwatch: CloudWatch,
}

impl Handler {
    pub(crate) async fn handle(&self, input: StepInput) -> Result<StepOutput, Failed> {
        let reads = (&self.images, &self.models, &self.cloudwatch, &self.cloudwatch);
        Ok(prepare_canary::run(&self.store, &self.lambda, reads, &input, Timestamp::now()).await?)
    }
}
