//! Synthetic requests: asynchronous invocations of the alias, within limits.

use perch_app::ports::{PortError, SendRequests, Sent};
use perch_aws::lambda::Functions;
use serde_json::{Value, json};

use crate::lambda::live;
use crate::support::{self, Answer, aws};

/// What became of so many requests, and what was sent.
async fn send(requests: usize, answers: Vec<Answer>) -> (Sent, Vec<support::Sent>) {
    let (sdk, recorded) = aws(answers);
    let events: Vec<Value> = (0..requests).map(|number| json!({ "number": number })).collect();
    let events: Vec<&Value> = events.iter().collect();
    let sent = Functions::new(&sdk).send(&live(), &events).await;
    (sent, recorded.requests())
}

fn accepted() -> Answer {
    Answer::json(&json!({})).with_status(202)
}

#[tokio::test]
async fn synthetic_requests_are_asynchronous_invocations_of_the_alias() {
    let (found, sent) = send(20, (0..20).map(|_| accepted()).collect()).await;
    assert!(found.accepted == 20 && found.failure.is_none(), "{found:?}");
    let path = "POST /2015-03-31/functions/news/invocations?Qualifier=live as Event";
    assert!(sent.iter().all(|request| request.operation == path), "{sent:#?}");
    let mut numbers: Vec<u64> = sent.iter().map(|r| r.body["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>(), "each event once");
}

#[tokio::test]
async fn after_a_refusal_no_more_synthetic_requests_are_sent() {
    let throttled = || Answer::error(429, "TooManyRequestsException", "Rate Exceeded.");
    let mut answers: Vec<Answer> = (0..3).map(|_| accepted()).collect();
    answers.extend((0..8).map(|_| throttled()));
    // Eight at once; each that is accepted makes room for one more.
    let (found, sent) = send(50, answers).await;
    assert_eq!((found.accepted, sent.len()), (3, 11));
    assert!(matches!(found.failure, Some(PortError::Unavailable { .. })), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn synthetic_requests_that_are_not_answered_do_not_keep_the_look() {
    let http = aws_smithy_http_client::test_util::NeverClient::new();
    let (sdk, _) = aws([]);
    let sdk = sdk.into_builder().http_client(http).build();
    let start = tokio::time::Instant::now();
    let event = json!({});
    let found = Functions::new(&sdk).send(&live(), &[&event; 50]).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(found.accepted, 0);
    assert!(matches!(found.failure, Some(PortError::Unavailable { .. })), "{found:?}");
}
