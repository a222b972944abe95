//! Maps the event to the use case.

use jiff::Timestamp;
use perch_app::announce_model;
use perch_aws::diagnostic::Failed;
use perch_aws::events::{self, Delivered};
use perch_aws::executions::Executions;
use perch_aws::models::Models;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) models: Models,
    pub(crate) executions: Executions,
}

impl Handler {
    pub(crate) async fn handle(&self, event: Delivered) -> Result<(), Failed> {
        let uploaded = events::model_of(&event)?;
        let Self { store, models, executions } = self;
        announce_model::run(store, models, executions, &uploaded, Timestamp::now()).await?;
        Ok(())
    }
}
