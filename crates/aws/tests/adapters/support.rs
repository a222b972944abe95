//! A configuration whose HTTP client answers from a list and records what was sent.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::samples::TABLE;

/// What AWS answers to one request.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, kind: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body }
    }

    /// A JSON body.
    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, "application/x-amz-json-1.0", body.to_string().into_bytes())
    }

    /// A CBOR body, as `CloudWatch` answers.
    pub(crate) fn cbor(body: &ciborium::Value) -> Self {
        let mut bytes = Vec::new();
        ciborium::into_writer(body, &mut bytes).unwrap();
        let mut answer = Self::new(200, "application/cbor", bytes);
        answer.headers.push(("smithy-protocol", "rpc-v2-cbor".to_owned()));
        answer
    }

    /// An XML body, as SNS answers.
    pub(crate) fn xml(body: &str) -> Self {
        Self::new(200, "text/xml", body.as_bytes().to_vec())
    }

    /// The same answer under another status.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same answer with one more header.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// An error as the JSON protocols report it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "__type": code, "message": message });
        let mut answer = Self::new(status, "application/json", body.to_string().into_bytes());
        answer.headers.push(("x-amzn-errortype", code.to_owned()));
        answer
    }

    /// A write whose condition did not hold, with the item that was there.
    pub(crate) fn conditional(found: &Value) -> Self {
        let code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        let mut body = json!({ "__type": code, "message": "The conditional request failed" });
        if !found.is_null() {
            body["Item"] = found.clone();
        }
        Self { body: body.to_string().into_bytes(), ..Self::error(400, code, "") }
    }

    /// A cancelled transaction with these reasons, one for each write.
    pub(crate) fn canceled(reasons: &[Value]) -> Self {
        let code = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        let body = json!({
            "__type": code,
            "Message": "Transaction cancelled, please refer cancellation reasons",
            "CancellationReasons": reasons,
        });
        Self { body: body.to_string().into_bytes(), ..Self::error(400, code, "") }
    }
}

/// A request as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    /// The operation; for Lambda, whose protocol has none, method and path, and how it is to invoke.
    pub(crate) operation: String,
    /// The body, whatever its format.
    pub(crate) body: Value,
}

/// What was sent.
pub(crate) struct Recorded {
    http: StaticReplayClient,
    answers: usize,
}

impl Recorded {
    /// The requests, of which there have to be as many as answers.
    pub(crate) fn requests(&self) -> Vec<Sent> {
        let requests = self.http.actual_requests();
        let sent: Vec<Sent> = requests
            .map(|request| {
                let header = |name: &str| request.headers().get(name).unwrap_or_default();
                let headers = (header("x-amz-target"), header("content-type"));
                let body = request.body().bytes().unwrap_or_default();
                let mut sent = sent(request.method(), request.uri(), headers, body);
                if let Some(kind) = request.headers().get("x-amz-invocation-type") {
                    sent.operation = format!("{} as {kind}", sent.operation);
                }
                sent
            })
            .collect();
        assert_eq!(sent.len(), self.answers, "one request for each answer: {sent:#?}");
        sent
    }

    /// Keeps the requests for `tests/test_requests.py`, which holds them against AWS's own service models.
    fn keep(&self) {
        static FILE: LazyLock<Mutex<File>> = LazyLock::new(|| {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("requests.jsonl");
            Mutex::new(File::create(file).unwrap())
        });
        for request in self.http.actual_requests() {
            let header = |name: &str| request.headers().get(name).unwrap_or_default();
            let body = request.body().bytes().unwrap_or_default();
            let line = json!({
                "host": request.uri().split('/').nth(2),
                "method": request.method(),
                "path": request.uri().split_once("amazonaws.com").map_or("", |(_, path)| path),
                "target": header("x-amz-target"),
                "type": header("content-type"),
                "body": base64::engine::general_purpose::STANDARD.encode(body),
            });
            writeln!(FILE.lock().unwrap(), "{line}").unwrap();
        }
    }

    /// A header of a request, by its number from 0.
    pub(crate) fn header(&self, number: usize, name: &str) -> Option<String> {
        let request = self.http.actual_requests().nth(number).unwrap();
        request.headers().get(name).map(str::to_owned)
    }

    /// Method, path and query of each request, without what only the SDK wants to know.
    pub(crate) fn paths(&self) -> Vec<String> {
        let requests = self.http.actual_requests();
        let paths = requests.map(|request| {
            let path = request.uri().split_once("amazonaws.com").map_or("", |(_, path)| path);
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            // The SDK's own parameters say nothing about the request.
            let own = |given: &&str| !given.is_empty() && !given.starts_with("x-id=");
            let query: Vec<&str> = query.split('&').filter(own).collect();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{} {path}{mark}{}", request.method(), query.join("&"))
        });
        paths.collect()
    }

    /// The operation and body of the only request.
    pub(crate) fn only(&self) -> (String, Value) {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1);
        let Sent { operation, body } = requests.remove(0);
        (operation, body)
    }

    /// The names of the operations, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.requests().into_iter().map(|sent| sent.operation).collect()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.keep();
        }
    }
}

/// AWS, answering with these, one after the other, without retries.
pub(crate) fn aws(answers: impl IntoIterator<Item = Answer>) -> (SdkConfig, Recorded) {
    let events: Vec<ReplayEvent> = answers.into_iter().map(event).collect();
    let answers = events.len();
    let http = StaticReplayClient::new(events);
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .http_client(http.clone())
        .build();
    (sdk, Recorded { http, answers })
}

fn event(answer: Answer) -> ReplayEvent {
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let request = http::Request::builder().uri("https://aws").body(SdkBody::empty()).unwrap();
    ReplayEvent::new(request, response.body(SdkBody::from(answer.body)).unwrap())
}

fn sent(method: &str, uri: &str, (target, kind): (&str, &str), bytes: &[u8]) -> Sent {
    let path = uri.split_once("amazonaws.com").map_or("", |(_, path)| path);
    if let Some((_, operation)) = target.split_once('.') {
        return Sent { operation: operation.into(), body: serde_json::from_slice(bytes).unwrap() };
    }
    if let Some((_, operation)) = path.rsplit_once("/operation/") {
        let body: ciborium::Value = ciborium::from_reader(bytes).unwrap();
        return Sent { operation: operation.into(), body: plain(&body) };
    }
    if kind == "application/x-www-form-urlencoded" {
        let mut form: Map<String, Value> =
            form_urlencoded::parse(bytes).map(|(k, v)| (k.into(), v.into())).collect();
        let operation = form.remove("Action").unwrap().as_str().unwrap().to_owned();
        form.remove("Version");
        return Sent { operation, body: form.into() };
    }
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(bytes).unwrap() };
    Sent { operation: format!("{method} {path}"), body }
}

/// CBOR as JSON; a tagged time is its whole seconds.
fn plain(value: &ciborium::Value) -> Value {
    match value {
        ciborium::Value::Integer(number) => json!(i64::try_from(*number).unwrap()),
        ciborium::Value::Float(number) => json!(number),
        ciborium::Value::Text(text) => json!(text),
        ciborium::Value::Bool(value) => json!(value),
        ciborium::Value::Tag(1, time) => match **time {
            ciborium::Value::Float(seconds) => json!(seconds.round() as i64),
            ref whole => plain(whole),
        },
        ciborium::Value::Array(items) => items.iter().map(plain).collect(),
        ciborium::Value::Map(fields) => fields
            .iter()
            .map(|(name, value)| (name.as_text().unwrap().to_owned(), plain(value)))
            .collect(),
        other => panic!("unexpected in a request: {other:?}"),
    }
}

/// The item of a value in `DynamoDB`'s JSON, under a key.
pub(crate) fn item(pk: &str, sk: &str, value: &impl Serialize) -> Value {
    let attributes: serde_dynamo::Item = serde_dynamo::to_item(value).unwrap();
    let mut item = serde_json::to_value(attributes).unwrap();
    item["pk"] = json!({ "S": pk });
    item["sk"] = json!({ "S": sk });
    item
}

/// A key in `DynamoDB`'s JSON.
pub(crate) fn key(pk: &str, sk: &str) -> Value {
    json!({ "pk": { "S": pk }, "sk": { "S": sk } })
}

/// A value from JSON.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A query of the items of a partition whose sort key begins with `prefix`.
pub(crate) fn query(pk: &str, prefix: &str, oldest_first: bool) -> Value {
    json!({
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
        "ExpressionAttributeValues": { ":pk": { "S": pk }, ":sk": { "S": prefix } },
        "ScanIndexForward": oldest_first,
        "ConsistentRead": true,
    })
}

/// A query of a whole partition.
pub(crate) fn whole(pk: &str, oldest_first: bool) -> Value {
    json!({
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": { ":pk": { "S": pk } },
        "ScanIndexForward": oldest_first,
        "ConsistentRead": true,
    })
}

pub(crate) fn limited(mut query: Value, limit: usize) -> Value {
    query["Limit"] = json!(limit);
    query
}

pub(crate) fn page(items: &[Value]) -> Answer {
    Answer::json(&json!({ "Items": items, "Count": items.len() }))
}

pub(crate) fn page_before(last: &Value, items: &[Value]) -> Answer {
    Answer::json(&json!({ "Items": items, "LastEvaluatedKey": last }))
}
