//! Slack: the webhook's URL from SSM, and a server on loopback in Slack's place.

use std::error::Error;
use std::time::Duration;

use perch_app::ports::{PortError, PostSlack};
use perch_aws::slack::Slack;
use perch_core::names::SecretRef;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, Recorded, aws};

/// What must never be seen: the path of the webhook.
const SECRET: &str = "T000-B000-XXXX";

/// A server that takes one connection for each request.
struct Server {
    listener: TcpListener,
}

impl Server {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn url(&self) -> String {
        format!("http://{}/services/{SECRET}", self.listener.local_addr().unwrap())
    }

    /// The next request, read to the end of its body, and the connection to answer on.
    async fn request(&self) -> (String, Value, TcpStream) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && let Ok(body) = serde_json::from_str(body)
            {
                return (head.lines().next().unwrap().to_owned(), body, stream);
            }
            let read = stream.read_buf(&mut bytes).await.unwrap();
            assert!(read > 0, "the request ended early: {text}");
        }
    }

    /// Answers the next request and gives its first line and body.
    async fn answer(&self, status: &str, body: &str) -> (String, Value) {
        let (line, received, mut stream) = self.request().await;
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        (line, received)
    }
}

fn parameter(url: &str) -> Answer {
    Answer::json(&json!({ "Parameter": { "Name": "/perch/slack", "Value": url } }))
}

fn slack(answers: impl IntoIterator<Item = Answer>) -> (Slack, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Slack::new(&sdk).unwrap(), recorded)
}

fn webhook() -> SecretRef {
    "ssm:/perch/slack".parse().unwrap()
}

fn body() -> Value {
    json!({ "text": "news: promoted", "blocks": [] })
}

fn asked(name: &str) -> (String, Value) {
    ("GetParameter".into(), json!({ "Name": name, "WithDecryption": true }))
}

/// Everything that a log could show of an error.
fn shown(error: &PortError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text} {cause} {cause:?}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn the_body_is_posted_and_the_url_read_once() {
    let server = Server::start().await;
    let (slack, sent) = slack([parameter(&server.url())]);
    for _ in 0..2 {
        let (hook, message) = (webhook(), body());
        let (posted, (line, received)) =
            tokio::join!(slack.post(&hook, &message), server.answer("200 OK", "ok"));
        posted.unwrap();
        assert_eq!(line, format!("POST /services/{SECRET} HTTP/1.1"));
        assert_eq!(received, body());
    }
    assert_eq!(sent.only(), asked("/perch/slack"));
}

#[tokio::test]
async fn secrets_manager_answers_through_parameters() {
    let server = Server::start().await;
    let (slack, sent) = slack([parameter(&server.url())]);
    let (hook, message) = ("secretsmanager:perch/slack".parse().unwrap(), body());
    let (posted, _) = tokio::join!(slack.post(&hook, &message), server.answer("200 OK", "ok"));
    posted.unwrap();
    assert_eq!(sent.only(), asked("/aws/reference/secretsmanager/perch/slack"));
}

#[tokio::test]
async fn a_revoked_webhook_is_read_again() {
    let server = Server::start().await;
    let (slack, sent) = slack([parameter(&server.url()), parameter(&server.url())]);
    let (hook, message) = (webhook(), body());
    let (posted, _) =
        tokio::join!(slack.post(&hook, &message), server.answer("404 Not Found", "no_service"));
    let error = posted.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Slack webhook of ssm:/perch/slack was refused: Slack answered 404 Not Found: no_service"
    );
    assert!(!shown(&error).contains(SECRET));
    let (posted, _) = tokio::join!(slack.post(&hook, &message), server.answer("200 OK", "ok"));
    posted.unwrap();
    assert_eq!(sent.operations(), ["GetParameter", "GetParameter"]);
}

#[tokio::test]
async fn a_server_error_is_an_error() {
    let server = Server::start().await;
    let (slack, _) = slack([parameter(&server.url())]);
    let (hook, message) = (webhook(), body());
    let long = "x".repeat(5000);
    let (posted, _) = tokio::join!(
        slack.post(&hook, &message),
        server.answer("500 Internal Server Error", &long)
    );
    let text = posted.unwrap_err().to_string();
    assert!(text.contains("Slack answered 500") && text.len() < 400, "{text}");
}

#[tokio::test]
async fn a_slow_slack_is_given_up_after_three_seconds() {
    let server = Server::start().await;
    let (slack, _) = slack([parameter(&server.url())]);
    let post = tokio::spawn(async move { slack.post(&webhook(), &body()).await });
    let (_, _, stream) = server.request().await;
    // From here on time only passes when the test says so.
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(2000)).await;
    assert!(!post.is_finished());
    tokio::time::advance(Duration::from_millis(1500)).await;
    let error = post.await.unwrap().unwrap_err();
    drop(stream);
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    assert!(shown(&error).contains("timed out"), "{}", shown(&error));
    assert!(!shown(&error).contains(SECRET), "{}", shown(&error));
}

#[tokio::test]
async fn a_slack_that_can_not_be_reached_is_an_error_without_its_url() {
    let server = Server::start().await;
    let (slack, _) = slack([parameter(&server.url())]);
    drop(server);
    let error = slack.post(&webhook(), &body()).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    assert!(!shown(&error).contains(SECRET), "{}", shown(&error));
}

#[tokio::test]
async fn a_parameter_that_is_no_url_is_an_error_without_it() {
    let (slack, _) = slack([parameter(&format!("hooks.slack.com/services/{SECRET}"))]);
    let error = slack.post(&webhook(), &body()).await.unwrap_err();
    assert!(!shown(&error).contains(SECRET), "{}", shown(&error));
}

#[tokio::test]
async fn what_is_kept_in_memory_is_not_shown() {
    let server = Server::start().await;
    let (slack, _) = slack([parameter(&server.url())]);
    let (hook, message) = (webhook(), body());
    let (posted, _) = tokio::join!(slack.post(&hook, &message), server.answer("200 OK", "ok"));
    posted.unwrap();
    assert!(!format!("{slack:?}").contains(SECRET));
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    let (missing, _) = slack([Answer::error(400, "ParameterNotFound", "")]);
    let error = missing.post(&webhook(), &body()).await.unwrap_err();
    assert_eq!(error.to_string(), "secret ssm:/perch/slack does not exist");
    let (empty, _) = slack([Answer::json(&json!({ "Parameter": { "Name": "/perch/slack" } }))]);
    let error = empty.post(&webhook(), &body()).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound { .. }), "{error:?}");
}
