//! Requests of smoke tests, to a small service of the test's own.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use perch_app::ports::{RequestUrl, UrlRequest};
use perch_core::smoke::{Answer, Heard};
use perch_core::target::Method;
use perch_serving::SmokeClient;
use serde_json::{Value, json};
use tokio::net::TcpListener;

async fn start(listener: TcpListener) {
    let echo = async |headers: HeaderMap, Json(body): Json<Value>| {
        let said = headers["x-shop"].to_str().unwrap().to_owned();
        (StatusCode::CREATED, Json(json!({ "said": said, "body": body })))
    };
    let app = Router::new()
        .route("/health", get(async || "fine"))
        .route("/echo", post(echo))
        .route("/moved", get(async || (StatusCode::FOUND, [(header::LOCATION, "/health")])))
        .route("/never", get(std::future::pending::<()>))
        .route("/huge", get(async || "x".repeat(3 << 20).into_response()));
    tokio::spawn(async move { axum::serve(listener, app).await });
}

async fn service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    start(listener).await;
    base
}

async fn asked(url: &str, within: Duration) -> Heard {
    let (headers, method) = (BTreeMap::new(), Method::Get);
    let request = UrlRequest { url, method, headers: &headers, body: None, within };
    SmokeClient::new().unwrap().request(&request).await
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_answer_comes_with_its_status_and_body() {
    let base = service().await;
    let heard = asked(&format!("{base}/health"), LONG).await;
    assert_eq!(heard.answer, Answer::Http { status: 200, body: b"fine".to_vec() });
    assert!(heard.took < LONG);
    let missing = asked(&format!("{base}/other"), LONG).await;
    assert_eq!(missing.answer, Answer::Http { status: 404, body: Vec::new() });
    let moved = asked(&format!("{base}/moved"), LONG).await;
    assert!(matches!(moved.answer, Answer::Http { status: 302, .. }), "a redirect is an answer");
}

#[tokio::test]
async fn method_headers_and_body_are_sent() {
    let url = format!("{}/echo", service().await);
    let headers = BTreeMap::from([("x-shop".to_owned(), "eu".to_owned())]);
    let body = json!({ "text": "late goal" });
    let (method, within) = (Method::Post, LONG);
    let request = UrlRequest { url: &url, method, headers: &headers, body: Some(&body), within };
    let heard = SmokeClient::new().unwrap().request(&request).await;
    let Answer::Http { status: 201, body } = heard.answer else { panic!("{heard:?}") };
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer, json!({ "said": "eu", "body": { "text": "late goal" } }));
}

#[tokio::test]
async fn what_can_not_be_heard_is_said() {
    let base = service().await;
    let why = |heard: Heard| match heard.answer {
        Answer::Nothing { why } => why,
        other => panic!("{other:?}"),
    };
    let never = asked(&format!("{base}/never"), Duration::from_millis(200)).await;
    assert!(never.took >= Duration::from_millis(200));
    assert_eq!(why(never), "no answer within 200 ms");
    let huge = asked(&format!("{base}/huge"), LONG).await;
    assert_eq!(why(huge), "the answer is longer than 1048576 bytes");
}

#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again_for_a_while() {
    // A port that was free a moment ago: nobody listens there until the service starts.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/health");
    let heard = asked(&url, LONG).await;
    let Answer::Nothing { why } = &heard.answer else { panic!("{heard:?}") };
    assert!(why.starts_with("no connection: "), "{why}");
    // Four attempts, with waits of 0.25, 0.5 and 1 s between them.
    assert!(heard.took >= Duration::from_millis(1750), "{:?}", heard.took);

    let waiting = tokio::spawn(async move { asked(&url, LONG).await });
    start(TcpListener::bind(address).await.unwrap()).await;
    let heard = waiting.await.unwrap();
    assert_eq!(heard.answer, Answer::Http { status: 200, body: b"fine".to_vec() });
}
