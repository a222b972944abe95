//! Maps stream records to journal entries, tells people, and reports the records to try again.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::tracing;
use perch_app::notify;
use perch_aws::diagnostic::Failed;
use perch_aws::events;
use perch_aws::slack::Slack;
use perch_aws::store::Table;
use perch_aws::topic::Topic;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) topic: Topic,
    pub(crate) slack: Slack,
}

impl Handler {
    /// Stops at the first record that can't be told: the stream delivers it and those after it
    /// again, so that people read them in order.
    pub(crate) async fn handle(&self, event: Event) -> Result<DynamoDbEventResponse, Failed> {
        let mut response = DynamoDbEventResponse::default();
        for record in event.records {
            let number = record.change.sequence_number.clone();
            if let Err(error) = self.tell(record).await {
                tracing::error!(error = %error, "A journal entry could not be told");
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = number;
                response.batch_item_failures.push(failure);
                break;
            }
        }
        Ok(response)
    }

    async fn tell(&self, record: EventRecord) -> Result<(), Failed> {
        let Some(entry) = events::entry_of(record)? else {
            return Ok(());
        };
        Ok(notify::run(&self.store, &self.topic, &self.slack, &entry).await?)
    }
}
