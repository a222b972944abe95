//! The queues of dead letters, and the calls that send their events again.

use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event;
use perch_app::ports::{
    CallFunction, DeleteLetter, Letter, PortError, Queue, ReceiveLetters, Tidings,
};
use perch_aws::events::{Told, told_of};
use perch_aws::letters::{DeadLetterQueues, FunctionCalls};
use perch_core::journal::{Notice, What};
use perch_core::names::FunctionName;
use serde_json::{Value, json};

use crate::samples::{at, entry};
use crate::support::{Answer, Recorded, Sent, aws, read};

const UNDELIVERED: &str =
    "https://sqs.eu-west-1.amazonaws.com/123456789012/perch-undelivered-events";
const FAILED: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/perch-failed-events";
const NOTIFY: &str = "/2015-03-31/functions/perch-notify/invocations";

/// The queues of stack `perch`, answering with these once they were found.
async fn queues(answers: impl IntoIterator<Item = Answer>) -> (DeadLetterQueues, Recorded) {
    let found = [UNDELIVERED, FAILED].map(|url| Answer::json(&json!({ "QueueUrl": url })));
    let (sdk, sent) = aws(found.into_iter().chain(answers));
    (DeadLetterQueues::of(&sdk, "perch").await.unwrap(), sent)
}

/// The requests after those that found the queues.
fn requests(sent: &Recorded) -> Vec<Sent> {
    sent.requests().split_off(2)
}

fn done() -> Answer {
    Answer::json(&json!({}))
}

fn letter(queue: Queue, receipt: &str) -> Letter {
    Letter {
        id: "19dd0b57-b21e-4ac1-bd88-01bbb068cb78".into(),
        queue,
        sent_at: at("2026-11-21T12:00:00.123Z"),
        attributes: [("ERROR_CODE".to_owned(), "NO_PERMISSIONS".to_owned())].into(),
        body: "{\"id\": \"e-1\"}".into(),
        receipt: receipt.into(),
    }
}

fn function(name: &str) -> FunctionName {
    name.parse().unwrap()
}

#[tokio::test]
async fn queues_are_found_by_their_names() {
    let (_, sent) = queues([]).await;
    let expected = ["perch-undelivered-events", "perch-failed-events"]
        .map(|name| Sent { operation: "GetQueueUrl".into(), body: json!({ "QueueName": name }) });
    assert_eq!(sent.requests(), expected);
}

#[tokio::test]
async fn a_stack_without_queues_is_not_found() {
    let gone = Answer::error(400, "com.amazonaws.sqs#QueueDoesNotExist", "The queue is not there.")
        .with_header("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender");
    let (sdk, _) = aws([gone]);
    let error = DeadLetterQueues::of(&sdk, "other").await.unwrap_err();
    assert_eq!(error.to_string(), "queue other-undelivered-events does not exist");
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn a_page_of_letters_is_held_for_as_long_as_asked() {
    let message = json!({
        "MessageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78",
        "ReceiptHandle": "r-1",
        "MD5OfBody": "5c9a0a8b9f6f9a2f2f5f4fd2a0f6a3a1",
        "Body": "{\"id\": \"e-1\"}",
        "Attributes": { "SentTimestamp": "1795262400123" },
        "MessageAttributes": { "ERROR_CODE": { "DataType": "String", "StringValue": "NO_PERMISSIONS" } },
    });
    let (queues, sent) = queues([Answer::json(&json!({ "Messages": [message] })), done()]).await;
    let hold = Duration::from_secs(30);
    let page = queues.receive(Queue::Undelivered, hold).await.unwrap();
    assert_eq!(page, [letter(Queue::Undelivered, "r-1")]);
    assert_eq!(queues.receive(Queue::Failed, hold).await.unwrap(), [], "the end of the queue");
    let expected = [UNDELIVERED, FAILED].map(|url| Sent {
        operation: "ReceiveMessage".into(),
        body: json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 1,
            "VisibilityTimeout": 30,
            "MessageSystemAttributeNames": ["SentTimestamp"],
            "MessageAttributeNames": ["All"],
        }),
    });
    assert_eq!(requests(&sent), expected);
}

#[tokio::test]
async fn letters_are_given_back_ten_at_a_time_to_their_queues() {
    let letters: Vec<Letter> = (0..12)
        .map(|n| letter(Queue::Failed, &format!("r-{n}")))
        .chain([letter(Queue::Undelivered, "u-1")])
        .collect();
    let (queues, sent) = queues([done(), done(), done()]).await;
    queues.give_back(&letters).await.unwrap();
    let entries = |receipts: &[String]| -> Vec<Value> {
        let numbered = receipts.iter().enumerate();
        let entry = |(n, receipt): (usize, &String)| json!({ "Id": n.to_string(), "ReceiptHandle": receipt, "VisibilityTimeout": 0 });
        numbered.map(entry).collect()
    };
    let failed: Vec<String> = (0..12).map(|n| format!("r-{n}")).collect();
    let expected = [
        (UNDELIVERED, entries(&["u-1".to_owned()])),
        (FAILED, entries(&failed[..10])),
        (FAILED, entries(&failed[10..])),
    ]
    .map(|(url, entries)| Sent {
        operation: "ChangeMessageVisibilityBatch".into(),
        body: json!({ "QueueUrl": url, "Entries": entries }),
    });
    assert_eq!(requests(&sent), expected);
}

#[tokio::test]
async fn a_letter_is_deleted_by_its_receipt() {
    let (queues, sent) = queues([done()]).await;
    queues.delete(&letter(Queue::Failed, "r-9")).await.unwrap();
    let expected = Sent {
        operation: "DeleteMessage".into(),
        body: json!({ "QueueUrl": FAILED, "ReceiptHandle": "r-9" }),
    };
    assert_eq!(requests(&sent), [expected]);
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let message = "User: x is not authorized to perform: sqs:receivemessage";
    let (queues, _) = queues([Answer::error(403, "AccessDeniedException", message)]).await;
    let error = queues.receive(Queue::Failed, Duration::from_secs(1)).await.unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn an_event_is_handed_over_to_the_function_s_own_retries() {
    let (sdk, sent) = aws([done().with_status(202)]);
    let event = json!({ "id": "e-1", "detail": { "image-tag": "v2" } });
    let functions = FunctionCalls::new(&sdk);
    functions.hand_over(&function("perch-on-image-push"), &event).await.unwrap();
    let path = "POST /2015-03-31/functions/perch-on-image-push/invocations as Event";
    assert_eq!(sent.only(), (path.to_owned(), event));
}

#[tokio::test]
async fn an_event_that_is_not_accepted_is_an_error() {
    for (status, code) in [
        (404, "ResourceNotFoundException"),
        (413, "RequestTooLargeException"),
        (429, "TooManyRequestsException"),
        (403, "AccessDeniedException"),
    ] {
        let (sdk, _) = aws([Answer::error(status, code, "no")]);
        let handed = FunctionCalls::new(&sdk).hand_over(&function("perch-x"), &json!({})).await;
        let error = handed.unwrap_err();
        let as_expected = match code {
            "ResourceNotFoundException" => matches!(error, PortError::NotFound { .. }),
            "RequestTooLargeException" => matches!(error, PortError::Invalid { .. }),
            "TooManyRequestsException" => matches!(error, PortError::Unavailable { .. }),
            _ => matches!(error, PortError::Denied { .. }),
        };
        assert!(as_expected, "{code}: {error:?}");
    }
}

fn shifted() -> Tidings {
    Tidings::Entry(Box::new(entry(3, What::WeightShifted)))
}

#[tokio::test]
async fn people_are_told_as_by_the_stream_and_the_answer_is_read() {
    let notice: Notice = read(json!({
        "id": "drift-1",
        "target": "news",
        "at": "2026-11-21T12:00:01.25Z",
        "what": "DriftFound",
        "text": "alias live sends to version 9",
    }));
    let drift = Tidings::Notice(notice.clone());
    let everywhere = Tidings::Notice(Notice { target: None, ..notice });
    for (tidings, sk) in [
        (shifted(), "JOURNAL#0000000003"),
        (drift, "NOTICE#2026-11-21T12:00:01.250Z#drift-1"),
        (everywhere, "NOTICE#2026-11-21T12:00:01.250Z#drift-1"),
    ] {
        let (sdk, sent) = aws([Answer::json(&json!({ "batchItemFailures": [] }))]);
        FunctionCalls::new(&sdk).tell(&function("perch-notify"), &tidings).await.unwrap();
        let (operation, body) = sent.only();
        assert_eq!(operation, format!("POST {NOTIFY} as RequestResponse"));
        assert_eq!(body["Records"][0]["dynamodb"]["Keys"]["sk"]["S"], sk);
        let mut event: Event = read(body);
        let told = told_of(event.records.remove(0)).unwrap().unwrap();
        let as_sent = match told {
            Told::Entry(entry) => Tidings::Entry(entry),
            Told::Notice(notice) => Tidings::Notice(notice),
        };
        assert_eq!(as_sent, tidings, "as notify reads it");
        assert!(event.records.is_empty());
    }
}

#[tokio::test]
async fn an_entry_that_was_not_told_is_an_error() {
    let failure = json!({ "batchItemFailures": [{ "itemIdentifier": "3" }] });
    let crash = json!({ "errorType": "Unhandled", "errorMessage": "out of memory" });
    let crashed = Answer::json(&crash).with_header("x-amz-function-error", "Unhandled");
    for (answer, expected) in [
        (Answer::json(&failure), "perch-notify could not tell it; its log says why"),
        (Answer::json(&Value::Null), "perch-notify could not tell it; its log says why"),
        (crashed, "perch-notify failed: out of memory"),
    ] {
        let (sdk, _) = aws([answer]);
        let told = FunctionCalls::new(&sdk);
        let told = told.tell(&function("perch-notify"), &shifted()).await;
        let error = told.unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
        assert!(
            error.starts_with("notification news-20261121-120000-0a1b2c/0000000003"),
            "{error}"
        );
    }
}
