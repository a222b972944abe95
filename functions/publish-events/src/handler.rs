//! Maps stream records to events, publishes them, and names the first record to try again.

use aws_lambda_events::event::dynamodb::Event;
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::tracing;
use perch_app::publish_events;
use perch_aws::bus::Bus;
use perch_aws::diagnostic::Failed;
use perch_aws::events::{self, Told};
use perch_core::outgoing::Outgoing;

pub(crate) struct Handler {
    pub(crate) bus: Bus,
}

impl Handler {
    /// A record that can't be read stops the batch where it stands: what comes before it is published,
    /// it and what follows are delivered again.
    pub(crate) async fn handle(&self, event: Event) -> Result<DynamoDbEventResponse, Failed> {
        let (mut numbers, mut outgoing, mut failed) = (Vec::new(), Vec::new(), None);
        for record in event.records {
            numbers.push(record.change.sequence_number.clone());
            match events::told_of(record) {
                Ok(None) => outgoing.push(None),
                Ok(Some(Told::Entry(entry))) => outgoing.push(Outgoing::of_entry(&entry)),
                Ok(Some(Told::Notice(notice))) => outgoing.push(Some(Outgoing::of_notice(&notice))),
                Err(error) => {
                    tracing::error!(error = %Failed::from(error), "A record could not be read");
                    failed = Some(numbers.len() - 1);
                    break;
                }
            }
        }
        if let Err(error) = publish_events::run(&self.bus, &outgoing).await {
            // It stands before the one that could not be read, if there is one.
            failed = Some(error.at);
            tracing::error!(error = %Failed::from(error), "An event could not be published");
        }
        let mut response = DynamoDbEventResponse::default();
        if let Some(number) = failed.and_then(|at| numbers.get(at)) {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = number.clone();
            response.batch_item_failures.push(failure);
        }
        Ok(response)
    }
}
