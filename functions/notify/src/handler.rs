//! Maps stream records to journal entries and notices, tells people, and reports the records to try again.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::tracing;
use perch_app::notify;
use perch_aws::diagnostic::Failed;
use perch_aws::events::{self, Told};
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
                tracing::error!(error = %error, "An entry or notice could not be told");
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = number;
                response.batch_item_failures.push(failure);
                break;
            }
        }
        Ok(response)
    }

    async fn tell(&self, record: EventRecord) -> Result<(), Failed> {
        let (store, topic, slack) = (&self.store, &self.topic, &self.slack);
        match events::told_of(record)? {
            None => {}
            Some(Told::Entry(entry)) => notify::run(store, topic, slack, &entry).await?,
            Some(Told::Notice(notice)) => notify::notice::run(store, topic, slack, &notice).await?,
        }
        Ok(())
    }
}
