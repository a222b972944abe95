//! Maps the event to the use case.

use jiff::Timestamp;
use perch_app::announce;
use perch_aws::diagnostic::Failed;
use perch_aws::events::{self, Delivered};
use perch_aws::executions::Executions;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) executions: Executions,
}

impl Handler {
    pub(crate) async fn handle(&self, event: Delivered) -> Result<(), Failed> {
        let announcement = events::package_of(&event)?;
        announce::run(&self.store, &self.executions, &announcement, Timestamp::now()).await?;
        Ok(())
    }
}
