//! Maps the event to the use case and logs what became of it.

use lambda_runtime::tracing;
use perch_app::on_alarm;
use perch_aws::diagnostic::Failed;
use perch_aws::events::{self, Delivered};
use perch_aws::executions::Executions;
use perch_aws::lambda::Functions;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) lambda: Functions,
    pub(crate) executions: Executions,
}

impl Handler {
    pub(crate) async fn handle(&self, event: Delivered) -> Result<(), Failed> {
        let Some(alarm) = events::alarm_of(&event)? else {
            tracing::info!(event.id = event.id, "Not a change to ALARM; nothing to do");
            return Ok(());
        };
        let answers = on_alarm::run(&self.store, &self.lambda, &self.executions, &alarm).await?;
        for (target, answer) in answers {
            tracing::info!(
                event.id = alarm.event,
                alarm.name = %alarm.name,
                target.name = %target,
                ?answer,
                "Guard in ALARM"
            );
        }
        Ok(())
    }
}
