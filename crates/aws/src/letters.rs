//! SQS and Lambda: the queues of dead letters, and the functions that take their events again.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName,
};
use jiff::Timestamp;
use perch_app::ports::{
    CallFunction, DeleteLetter, Letter, PortError, Queue, ReadFleet, ReceiveLetters, Tidings,
};
use perch_app::reload::FleetOutput;
use perch_core::names::{FunctionName, TargetName};
use perch_core::reload::Fleet;
use serde_json::{Value, json};

use crate::error::port_error;
use crate::store::stream_image;

/// As many messages as one call takes (API Reference, `ReceiveMessage`, and the limit of a batch).
const PAGE: i32 = 10;
/// A call that waits asks every server of the queue; one that does not asks some of them, and may
/// find nothing where there is something (SQS Developer Guide, "Short and long polling").
const WAIT_SECONDS: i32 = 1;
/// Longer than the function's own time-out of 30 seconds, so that its answer is awaited.
const ANSWER: Duration = Duration::from_secs(35);

/// The two queues of a stack.
#[derive(Debug, Clone)]
pub struct DeadLetterQueues {
    client: aws_sdk_sqs::Client,
    undelivered: String,
    failed: String,
}

impl DeadLetterQueues {
    /// The queues of this stack.
    ///
    /// # Errors
    /// [`PortError`] when one does not exist or may not be used.
    pub async fn of(sdk: &SdkConfig, stack: &str) -> Result<Self, PortError> {
        let client = aws_sdk_sqs::Client::new(sdk);
        let undelivered = url(&client, format!("{stack}-undelivered-events")).await?;
        let failed = url(&client, format!("{stack}-failed-events")).await?;
        Ok(Self { client, undelivered, failed })
    }

    fn url(&self, queue: Queue) -> &str {
        match queue {
            Queue::Undelivered => &self.undelivered,
            Queue::Failed => &self.failed,
        }
    }
}

async fn url(client: &aws_sdk_sqs::Client, name: String) -> Result<String, PortError> {
    let what = format!("queue {name}");
    let found = client.get_queue_url().queue_name(name).send().await;
    let found = found.map_err(|error| port_error(what.as_str(), error))?;
    found.queue_url.ok_or(PortError::NotFound { what })
}

fn what(queue: Queue) -> String {
    format!("the queue of {} events", queue.name())
}

impl ReceiveLetters for DeadLetterQueues {
    async fn receive(&self, queue: Queue, hold: Duration) -> Result<Vec<Letter>, PortError> {
        let received = self
            .client
            .receive_message()
            .queue_url(self.url(queue))
            .max_number_of_messages(PAGE)
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(i32::try_from(hold.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|error| port_error(what(queue), error))?;
        let messages = received.messages.unwrap_or_default();
        Ok(messages.into_iter().map(|message| letter(queue, message)).collect())
    }

    async fn give_back(&self, letters: &[Letter]) -> Result<(), PortError> {
        for queue in Queue::ALL {
            let receipts: Vec<&str> = letters
                .iter()
                .filter(|letter| letter.queue == queue)
                .map(|letter| letter.receipt.as_str())
                .collect();
            for page in receipts.chunks(PAGE as usize) {
                let entries = page.iter().enumerate().map(|(n, receipt)| {
                    ChangeMessageVisibilityBatchRequestEntry::builder()
                        .id(n.to_string())
                        .receipt_handle(*receipt)
                        .visibility_timeout(0)
                        .build()
                });
                let entries: Result<Vec<_>, _> = entries.collect();
                let entries = entries.map_err(|error| PortError::Invalid {
                    what: what(queue),
                    message: error.to_string(),
                })?;
                // A letter that this does not take was deleted, or its hold is over already.
                self.client
                    .change_message_visibility_batch()
                    .queue_url(self.url(queue))
                    .set_entries(Some(entries))
                    .send()
                    .await
                    .map_err(|error| port_error(what(queue), error))?;
            }
        }
        Ok(())
    }
}

impl DeleteLetter for DeadLetterQueues {
    async fn delete(&self, letter: &Letter) -> Result<(), PortError> {
        self.client
            .delete_message()
            .queue_url(self.url(letter.queue))
            .receipt_handle(&letter.receipt)
            .send()
            .await
            .map_err(|error| port_error(format!("dead letter {}", letter.id), error))?;
        Ok(())
    }
}

fn letter(queue: Queue, message: Message) -> Letter {
    let sent = message.attributes.unwrap_or_default();
    let sent = sent.get(&MessageSystemAttributeName::SentTimestamp);
    let sent = sent.and_then(|text| text.parse().ok()).map(Timestamp::from_millisecond);
    let attributes = message.message_attributes.unwrap_or_default();
    let attributes: BTreeMap<String, String> = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    Letter {
        id: message.message_id.unwrap_or_default(),
        queue,
        // SQS gives every message a time.
        sent_at: sent.and_then(Result::ok).unwrap_or(Timestamp::UNIX_EPOCH),
        attributes,
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
    }
}

/// Lambda functions, as callers see them.
#[derive(Debug, Clone)]
pub struct FunctionCalls {
    client: aws_sdk_lambda::Client,
    region: String,
}

impl FunctionCalls {
    /// Functions of the account and region.
    pub fn new(sdk: &SdkConfig) -> Self {
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        Self { client: aws_sdk_lambda::Client::new(sdk), region }
    }
}

impl FunctionCalls {
    /// What a function answers to an event; `what` is asked for.
    async fn ask(
        &self,
        function: &FunctionName,
        event: &Value,
        what: &str,
    ) -> Result<Value, PortError> {
        let patient = TimeoutConfig::builder()
            .operation_attempt_timeout(ANSWER)
            .operation_timeout(ANSWER)
            .build();
        let answer = self
            .client
            .invoke()
            .function_name(function.as_str())
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(event.to_string()))
            .customize()
            .config_override(aws_sdk_lambda::config::Builder::new().timeout_config(patient))
            .send()
            .await
            .map_err(|error| port_error(format!("function {function}"), error))?;
        let text = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let said: Value = serde_json::from_slice(&text).unwrap_or_default();
        if answer.function_error.is_some() {
            let why = said["errorMessage"].as_str().unwrap_or("it ended without an answer");
            let (what, message) = (what.to_owned(), format!("{function} failed: {why}"));
            return Err(PortError::Invalid { what, message });
        }
        Ok(said)
    }
}

impl CallFunction for FunctionCalls {
    async fn hand_over(&self, function: &FunctionName, event: &Value) -> Result<(), PortError> {
        self.client
            .invoke()
            .function_name(function.as_str())
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|error| port_error(format!("function {function}"), error))?;
        Ok(())
    }

    /// The function says in its answer which records it could not tell, and nobody reads the answer
    /// to an asynchronous invocation: so this one is awaited.
    async fn tell(&self, function: &FunctionName, tidings: &Tidings) -> Result<(), PortError> {
        let what = format!("notification {}", tidings.id());
        let said = self.ask(function, &inserted(tidings, &self.region)?, &what).await?;
        match said["batchItemFailures"].as_array() {
            Some(failures) if failures.is_empty() => Ok(()),
            _ => Err(PortError::Invalid {
                what,
                message: format!("{function} could not tell it; its log says why"),
            }),
        }
    }
}

impl ReadFleet for FunctionCalls {
    async fn fleet(
        &self,
        function: &FunctionName,
        target: &TargetName,
    ) -> Result<Fleet, PortError> {
        let what = format!("the replicas of target {target}");
        let said = self.ask(function, &json!({ "target": target }), &what).await?;
        let found: Result<FleetOutput, _> = serde_json::from_value(said);
        found.map(|found| found.fleet).map_err(|error| PortError::Invalid {
            what,
            message: format!("{function} answered something else: {error}"),
        })
    }
}

/// The event with which the table's stream tells that this was written (DynamoDB Developer
/// Guide, "DynamoDB Streams and AWS Lambda triggers").
fn inserted(tidings: &Tidings, region: &str) -> Result<Value, PortError> {
    let image = stream_image(tidings)?;
    Ok(json!({ "Records": [{
        "eventID": tidings.id(),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": {
            "ApproximateCreationDateTime": tidings.at().as_second(),
            "Keys": { "pk": image["pk"], "sk": image["sk"] },
            "NewImage": image,
            "SequenceNumber": "1",
            "SizeBytes": 0,
            "StreamViewType": "NEW_IMAGE",
        },
    }] }))
}
