//! Maps the state machine's input to the use case and its answer back.

use jiff::Timestamp;
use perch_app::reload::{self, PrepareInput};
use perch_app::step::StepOutput;
use perch_aws::cloudwatch::CloudWatch;
use perch_aws::diagnostic::Failed;
use perch_aws::models::Models;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) models: Models,
    pub(crate) cloudwatch: CloudWatch,
}

impl Handler {
    pub(crate) async fn handle(&self, input: PrepareInput) -> Result<StepOutput, Failed> {
        let Self { store, models, cloudwatch } = self;
        let watching = (cloudwatch, cloudwatch);
        Ok(reload::prepare(store, models, watching, &input, Timestamp::now()).await?)
    }
}
