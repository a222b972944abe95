//! A function that is pointed at a model: the rest of its environment stays as it is, and stays secret.

use perch_app::ports::{AskVersion, Asked, PointAtModel, PortError, ReadFunction, UpdateCode};
use perch_aws::lambda::Functions;
use perch_core::names::FunctionName;
use perch_core::pointer::ModelPointer;
use serde_json::{Value, json};

use crate::samples::DIGEST;
use crate::support::{Answer, Sent, aws, read};

const SECRET: &str = "postgres://user:hunter2@db";

fn news() -> FunctionName {
    "news".parse().unwrap()
}

fn pointer(version: &str) -> ModelPointer {
    read(json!({ "version": version, "uri": format!("s3://models/{version}/"), "object": "o-1" }))
}

fn variables(version: &str) -> Value {
    json!({
        "DATABASE_URL": SECRET,
        "PERCH_MODEL_VERSION": version,
        "PERCH_MODEL_URI": format!("s3://models/{version}/"),
        "PERCH_MODEL_MANIFEST_VERSION": "o-1",
    })
}

fn configuration(variables: &Value) -> Value {
    json!({ "RevisionId": "rev-9", "Environment": { "Variables": variables } })
}

async fn point(
    model: Option<&ModelPointer>,
    answers: Vec<Answer>,
) -> (Result<(), PortError>, Vec<Sent>) {
    let (sdk, sent) = aws(answers);
    let done = Functions::new(&sdk).point_at(&news(), model).await;
    (done, sent.requests())
}

/// The environment that was written.
async fn written(found: &Value, model: Option<&ModelPointer>) -> Value {
    let answers = vec![Answer::json(found), Answer::json(&json!({ "RevisionId": "rev-10" }))];
    let (done, sent) = point(model, answers).await;
    done.unwrap();
    let path = "/2015-03-31/functions/news/configuration";
    assert_eq!(sent[0].operation, format!("GET {path}"));
    assert_eq!(sent[1].operation, format!("PUT {path}"));
    assert_eq!(sent[1].body["RevisionId"], "rev-9", "what was read is what is changed");
    assert_eq!(sent[1].body.as_object().unwrap().len(), 2, "{}", sent[1].body);
    sent[1].body["Environment"]["Variables"].clone()
}

#[tokio::test]
async fn three_variables_change_and_all_others_stay() {
    let v2 = pointer("v2");
    let before = configuration(&variables("v1"));
    assert_eq!(written(&before, Some(&v2)).await, variables("v2"));
    let without = configuration(&json!({ "DATABASE_URL": SECRET }));
    assert_eq!(written(&without, Some(&v2)).await, variables("v2"));
    assert_eq!(written(&before, None).await, json!({ "DATABASE_URL": SECRET }));
    let mut first = variables("v2");
    first.as_object_mut().unwrap().remove("DATABASE_URL");
    assert_eq!(written(&json!({ "RevisionId": "rev-9" }), Some(&v2)).await, first);
}

#[tokio::test]
async fn an_environment_that_lambda_does_not_show_is_not_written() {
    let hidden = json!({ "RevisionId": "rev-9", "Environment": { "Error": {
        "ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt" } } });
    let (done, sent) = point(Some(&pointer("v2")), vec![Answer::json(&hidden)]).await;
    let error = done.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("AccessDeniedException") && text.contains("kms:Decrypt"), "{text}");
    assert_eq!(sent.len(), 1, "nothing was written");
}

#[tokio::test]
async fn without_a_revision_nothing_is_written() {
    let found = json!({ "Environment": { "Variables": variables("v1") } });
    let (done, sent) = point(Some(&pointer("v2")), vec![Answer::json(&found)]).await;
    assert!(matches!(done.unwrap_err(), PortError::Invalid { .. }));
    assert_eq!(sent.len(), 1);
}

#[tokio::test]
async fn what_goes_wrong_says_what_the_caller_can_do_and_no_secret() {
    for (answer, kind) in [
        (
            Answer::error(412, "PreconditionFailedException", "The RevisionId is not the latest"),
            "Conflict",
        ),
        (Answer::error(409, "ResourceConflictException", "An update is in progress"), "Conflict"),
        (Answer::error(403, "AccessDeniedException", "no"), "Denied"),
        (Answer::error(429, "TooManyRequestsException", "later"), "Unavailable"),
    ] {
        let found = Answer::json(&configuration(&variables("v1")));
        let (done, _) = point(Some(&pointer("v2")), vec![found, answer]).await;
        let error = done.unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(shown.starts_with(kind), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_function_and_its_versions_say_which_model_they_point_at() {
    for (environment, expected) in [
        (json!({ "Variables": variables("v1") }), Some(pointer("v1"))),
        (json!({ "Variables": { "DATABASE_URL": SECRET } }), None),
        (json!({ "Error": { "ErrorCode": "AccessDeniedException" } }), None),
        (Value::Null, None),
    ] {
        let answer = json!({ "Configuration": { "State": "Active", "Environment": environment } });
        let (sdk, _) = aws([Answer::json(&answer), Answer::json(&answer)]);
        let functions = Functions::new(&sdk);
        let found = functions.function(&news()).await.unwrap();
        let version = functions.version(&news(), &"5".parse().unwrap()).await.unwrap();
        assert_eq!([&found.model, &version.model], [&expected, &expected]);
        assert!(!format!("{found:?}{version:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn the_image_that_serves_is_set_as_its_version_has_it() {
    let uri = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/news@{DIGEST}");
    let (sdk, sent) = aws([Answer::json(&json!({ "CodeSha256": "c2hh" }))]);
    assert_eq!(Functions::new(&sdk).set_image(&news(), &uri).await.unwrap(), "c2hh");
    let (operation, body) = sent.only();
    assert_eq!(operation, "PUT /2015-03-31/functions/news/code");
    assert_eq!(body, json!({ "ImageUri": uri }));
}

async fn ask(answer: Answer) -> Result<Asked, PortError> {
    let (sdk, sent) = aws([answer]);
    let input = json!({ "text": "goal in the last minute" });
    let asked = Functions::new(&sdk).ask(&news(), &"5".parse().unwrap(), &input).await;
    let (operation, body) = sent.only();
    let path = "/2015-03-31/functions/news/invocations?Qualifier=5";
    assert_eq!((operation, body), (format!("POST {path} as RequestResponse"), input));
    asked
}

#[tokio::test]
async fn a_version_is_asked_by_its_number_and_its_failure_is_an_answer_too() {
    let answer = json!({ "label": "sport", "score": 0.93 });
    assert_eq!(ask(Answer::json(&answer)).await.unwrap(), Asked::Answer(answer));
    let crashed = json!({ "errorType": "ModelError", "errorMessage": "bad weights" });
    let crashed = Answer::json(&crashed).with_header("x-amz-function-error", "Unhandled");
    let Asked::Failed(why) = ask(crashed).await.unwrap() else { panic!() };
    assert!(why.starts_with("Unhandled: ") && why.contains("bad weights"), "{why}");
    let Asked::Failed(why) = ask(Answer::xml("<html>")).await.unwrap() else { panic!() };
    assert_eq!(why, "it answered something that is not JSON: <html>");
    let broken = Answer::error(502, "InvalidRuntimeException", "no bootstrap");
    assert_eq!(ask(broken).await.unwrap(), Asked::Failed("no bootstrap".to_owned()));
    let throttled = ask(Answer::error(429, "TooManyRequestsException", "later")).await;
    assert!(matches!(throttled.unwrap_err(), PortError::Unavailable { .. }));
}
