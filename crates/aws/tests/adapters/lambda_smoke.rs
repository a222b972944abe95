//! Smoke tests that invoke a version: what is sent, and what each answer means.

use std::time::Duration;

use perch_app::ports::InvokeVersion;
use perch_aws::lambda::Functions;
use perch_core::smoke::Answer as Heard;
use serde_json::json;

use crate::support::{Answer, Sent, aws};

async fn invoked(answers: Vec<Answer>) -> (Heard, Vec<Sent>) {
    let (sdk, sent) = aws(answers);
    let (function, version) = ("news".parse().unwrap(), "8".parse().unwrap());
    let within = Duration::from_secs(5);
    let payload = json!({ "text": "late goal" });
    let heard = Functions::new(&sdk).invoke(&function, &version, &payload, within).await;
    assert!(heard.took <= within, "{:?}", heard.took);
    (heard.answer, sent.requests())
}

fn why(heard: Heard) -> String {
    let Heard::Nothing { why } = heard else { panic!("{heard:?}") };
    why
}

#[tokio::test]
async fn the_version_is_invoked_by_its_number() {
    let answer = json!({ "category": "sport" });
    let (heard, sent) = invoked(vec![Answer::json(&answer)]).await;
    let body = serde_json::to_vec(&answer).unwrap();
    assert_eq!(heard, Heard::Function { error: None, body });
    assert_eq!(sent.len(), 1);
    assert!(sent[0].operation.starts_with("POST /2015-03-31/functions/news/invocations"));
    assert!(sent[0].operation.contains("Qualifier=8"), "{}", sent[0].operation);
    assert_eq!(sent[0].body, json!({ "text": "late goal" }));
}

#[tokio::test]
async fn a_function_that_failed_says_how() {
    let failed = json!({ "errorType": "NoModel", "errorMessage": "model.json is missing" });
    let answer = Answer::json(&failed).with_header("x-amz-function-error", "Unhandled");
    let (heard, _) = invoked(vec![answer]).await;
    let Heard::Function { error: Some(error), .. } = heard else { panic!("{heard:?}") };
    assert!(error.starts_with("Unhandled: ") && error.contains("model.json"), "{error}");
    let broken = Answer::error(502, "InvalidRuntimeException", "no bootstrap");
    let (heard, _) = invoked(vec![broken]).await;
    assert_eq!(heard, Heard::Function { error: Some("no bootstrap".into()), body: Vec::new() });
}

#[tokio::test]
async fn what_keeps_a_version_from_being_asked_is_no_answer() {
    let denied = Answer::error(403, "AccessDeniedException", "not authorized");
    let (heard, sent) = invoked(vec![denied]).await;
    assert_eq!((why(heard).as_str(), sent.len()), ("AccessDeniedException: not authorized", 1));
    let gone = Answer::error(404, "ResourceNotFoundException", "Function not found");
    let (heard, _) = invoked(vec![gone]).await;
    assert_eq!(why(heard), "ResourceNotFoundException: Function not found");
}
