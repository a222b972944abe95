//! Maps the event to the use case and logs what became of it.

use jiff::Timestamp;
use lambda_runtime::tracing;
use perch_app::announce;
use perch_app::ports::KeepNote;
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
        let Some(announcement) = events::image_of(&event)? else {
            return Ok(self.store.note(&events::not_a_push(&event)).await?);
        };
        let answers =
            announce::run(&self.store, &self.executions, &announcement, Timestamp::now()).await?;
        for (target, answer) in answers {
            let target = target.as_ref().map_or("none", |target| target.as_str());
            tracing::info!(
                event.id = announcement.event,
                target.name = target,
                artifact = %announcement.artifact,
                ?answer,
                "Artifact announced"
            );
        }
        Ok(())
    }
}
