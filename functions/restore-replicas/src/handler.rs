//! Maps the state machine's input to the use case and its answer back.

use jiff::Timestamp;
use perch_app::reload::{self, Reach};
use perch_app::step::{RoundInput, StepOutput};
use perch_aws::diagnostic::Failed;
use perch_aws::models::Models;
use perch_aws::secrets::Secrets;
use perch_aws::store::Table;
use perch_serving::{Caches, Servers};

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) models: Models,
    pub(crate) servers: Servers,
    pub(crate) caches: Caches<Secrets>,
}

impl Handler {
    pub(crate) async fn handle(&self, input: RoundInput) -> Result<StepOutput, Failed> {
        let reach = Reach::new(&self.servers, &self.caches, &self.models);
        Ok(reload::restore(&self.store, reach, &input, Timestamp::now()).await?)
    }
}
