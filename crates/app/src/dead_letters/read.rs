//! The kinds of message in the queues, as one shape.
//!
//! `EventBridge` sends the event, and says in attributes what became of it (EventBridge User Guide,
//! "Using dead-letter queues"; Scheduler User Guide, "Configuring a dead-letter queue"). Lambda sends
//! a record around the event of an asynchronous invocation (Lambda Developer Guide, "Capturing
//! records of Lambda asynchronous invocations"), and for a stream a record with the place of the
//! batch but without its content ("Retain discarded records for a DynamoDB event source").

use jiff::Timestamp;
use perch_core::names::FunctionName;
use serde::Deserialize;
use serde_json::Value;

use super::subject::subject;
use super::{Batch, DeadLetter, Remedy};
use crate::ports::Letter;

/// What Lambda writes about an event that it gave up.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    request_context: RequestContext,
    #[serde(default)]
    request_payload: Value,
    #[serde(default)]
    response_payload: Value,
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: Option<BatchInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    function_arn: String,
    condition: String,
    approximate_invoke_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo {
    approximate_arrival_of_first_record: Timestamp,
    approximate_arrival_of_last_record: Timestamp,
    batch_size: u64,
}

/// What a letter says. Every letter can be read: one of no known kind says that it is.
pub fn read(letter: &Letter) -> DeadLetter {
    if let Some(target) = letter.attributes.get("TARGET_ARN") {
        return undelivered(letter, target);
    }
    match serde_json::from_str::<Record>(&letter.body) {
        Ok(record) => failed(letter, record),
        Err(error) => unknown(letter, &error),
    }
}

fn undelivered(letter: &Letter, target: &str) -> DeadLetter {
    let attribute = |name: &str| letter.attributes.get(name).map(String::as_str);
    let named = |kind: &str, arn: &str| format!("{kind} {}", last_part(arn));
    let rule = attribute("RULE_ARN").map(|arn| named("rule", arn));
    let source = rule.or_else(|| attribute("SCHEDULE_ARN").map(|arn| named("schedule", arn)));
    let event = serde_json::from_str(&letter.body).unwrap_or(Value::Null);
    let function = function_of(target);
    let mut error = [attribute("ERROR_CODE"), attribute("ERROR_MESSAGE")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ");
    if let Some(limit) = attribute("EXHAUSTED_RETRY_CONDITION") {
        error += &format!(" ({limit} reached)");
    }
    let cut = attribute("IS_PAYLOAD_TRUNCATED").is_some_and(|cut| cut.eq_ignore_ascii_case("true"));
    let remedy = match (&function, &event) {
        (None, _) => none(format!("its target {target} is no Lambda function")),
        (_, Value::Null) => none("its event is not JSON"),
        _ if cut => none("its event was cut off: it was too long for the queue"),
        (Some(function), event) => {
            Remedy::HandOver { function: function.clone(), event: event.clone() }
        }
    };
    DeadLetter {
        // Retries come on top of the first attempt.
        attempts: attribute("RETRY_ATTEMPTS").and_then(|n| n.parse::<u64>().ok()).map(|n| n + 1),
        source,
        function,
        event: event["id"].as_str().map(str::to_owned),
        subject: attribute("SCHEDULED_TIME")
            .map_or_else(|| subject(&event), |time| format!("scheduled run of {time}")),
        error,
        remedy,
        ..blank(letter)
    }
}

fn failed(letter: &Letter, record: Record) -> DeadLetter {
    let RequestContext { function_arn, condition, approximate_invoke_count } =
        record.request_context;
    let function = function_of(&function_arn);
    let event = record.request_payload;
    let (subject, remedy) = match (&function, record.batch) {
        (None, _) => (subject(&event), none(format!("{function_arn} is no Lambda function"))),
        (Some(function), Some(info)) => {
            let batch = Batch {
                first: info.approximate_arrival_of_first_record,
                last: info.approximate_arrival_of_last_record,
                size: info.batch_size,
            };
            (batch.to_string(), Remedy::TellAgain { function: function.clone(), batch })
        }
        (Some(_), None) if event.is_null() => {
            ("an event of unknown kind".to_owned(), none("the record has no `requestPayload`"))
        }
        (Some(function), None) => {
            (subject(&event), Remedy::HandOver { function: function.clone(), event: event.clone() })
        }
    };
    DeadLetter {
        source: function.as_ref().map(|function| format!("function {function}")),
        function,
        event: event["id"].as_str().map(str::to_owned),
        subject,
        error: answer(&record.response_payload).unwrap_or(condition),
        attempts: approximate_invoke_count,
        remedy,
        ..blank(letter)
    }
}

/// The error that the function answered with.
fn answer(payload: &Value) -> Option<String> {
    let text = |name: &str| payload[name].as_str().filter(|text| !text.is_empty());
    match (text("errorType"), text("errorMessage")) {
        (Some(kind), Some(message)) => Some(format!("{kind}: {message}")),
        (kind, message) => message.or(kind).map(str::to_owned),
    }
}

fn unknown(letter: &Letter, error: &serde_json::Error) -> DeadLetter {
    let event = serde_json::from_str(&letter.body).unwrap_or(Value::Null);
    DeadLetter {
        event: event["id"].as_str().map(str::to_owned),
        subject: subject(&event),
        error: format!("neither EventBridge nor Lambda wrote this message: {error}"),
        remedy: none("the message does not say which function should have had it"),
        ..blank(letter)
    }
}

fn blank(letter: &Letter) -> DeadLetter {
    DeadLetter {
        id: letter.id.clone(),
        queue: letter.queue,
        at: letter.sent_at,
        source: None,
        function: None,
        event: None,
        subject: String::new(),
        error: String::new(),
        attempts: None,
        remedy: none("it was not read"),
    }
}

fn none(why: impl Into<String>) -> Remedy {
    Remedy::None { why: why.into() }
}

/// The name in `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`. Perch's functions are called
/// without a qualifier: `$LATEST` says the same.
fn function_of(arn: &str) -> Option<FunctionName> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "lambda", _, _, "function", name]
        | ["arn", _, "lambda", _, _, "function", name, _] => name.parse().ok(),
        _ => None,
    }
}

fn last_part(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

impl std::fmt::Display for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Batch { first, last, size } = self;
        let records = if *size == 1 { "notification" } else { "notifications" };
        if first == last {
            return write!(f, "{size} {records} of {first:.0}");
        }
        write!(f, "{size} {records} of {first:.0} to {last:.0}")
    }
}
