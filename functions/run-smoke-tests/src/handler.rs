//! Maps the state machine's input to the use case and its answer back.

use jiff::Timestamp;
use perch_app::smoke;
use perch_app::step::{StepInput, StepOutput};
use perch_aws::diagnostic::Failed;
use perch_aws::lambda::Functions;
use perch_aws::store::Table;
use perch_serving::SmokeClient;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) lambda: Functions,
    pub(crate) web: SmokeClient,
}

impl Handler {
    pub(crate) async fn handle(&self, input: StepInput) -> Result<StepOutput, Failed> {
        let asks = (&self.lambda, &self.web);
        Ok(smoke::run(&self.store, asks, &input, Timestamp::now).await?)
    }
}
