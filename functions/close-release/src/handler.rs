//! Maps the state machines' last input to the use case and its answer back.

use jiff::Timestamp;
use perch_app::close_release::{self, CloseInput};
use perch_app::step::StepOutput;
use perch_aws::diagnostic::Failed;
use perch_aws::executions::Executions;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) executions: Executions,
}

impl Handler {
    pub(crate) async fn handle(&self, input: CloseInput) -> Result<StepOutput, Failed> {
        Ok(close_release::run(&self.store, &self.executions, &input, Timestamp::now()).await?)
    }
}
