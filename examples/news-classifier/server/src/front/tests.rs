use std::net::IpAddr;
use std::sync::atomic::AtomicU64;

use axum::routing::post;
use reqwest::StatusCode;
use serde_json::json;

use super::*;
use crate::args::Address;
use crate::live::serve;

/// A replica of this version, and how many requests it got.
async fn replica(version: &'static str) -> (String, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let answer = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        async move { ([(MODEL_VERSION, version)], r#"{"category":"sport"}"#) }
    };
    (serve(Router::new().route("/classify", post(answer))).await, asked)
}

async fn front(replicas: Vec<String>, redis: Option<&str>) -> String {
    let address = Address { host: IpAddr::from([127, 0, 0, 1]), port: 0 };
    let redis = redis.map(str::to_owned);
    let options = Options { address, replicas, redis, model: "news".into(), keep: 60 };
    serve(super::router(&options).unwrap()).await
}

async fn ask(front: &str, body: &serde_json::Value) -> reqwest::Response {
    let http = reqwest::Client::new();
    http.post(format!("{front}/classify")).body(body.to_string()).send().await.unwrap()
}

/// An address at which nothing listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn replicas_take_turns() {
    let ((one, asked_one), (two, asked_two)) = (replica("v1").await, replica("v2").await);
    let front = front(vec![one, two], None).await;
    for expected in ["v1", "v2", "v1", "v2"] {
        let reply = ask(&front, &json!({"text": "Rain"})).await;
        assert_eq!(reply.headers()[MODEL_VERSION], expected);
        assert_eq!(reply.headers()[CACHE], "off");
        assert_eq!(reply.text().await.unwrap(), r#"{"category":"sport"}"#);
    }
    assert_eq!((asked_one.load(Ordering::Relaxed), asked_two.load(Ordering::Relaxed)), (2, 2));
}

#[tokio::test]
async fn replica_that_is_gone_fails_its_share_and_nobody_is_asked_instead() {
    let (one, asked) = replica("v1").await;
    let gone = format!("http://{}", nobody().await);
    let front = front(vec![one, gone.clone()], None).await;
    for status in [StatusCode::OK, StatusCode::BAD_GATEWAY, StatusCode::OK] {
        let reply = ask(&front, &json!({"text": "Rain"})).await;
        assert_eq!(reply.status(), status);
        if status == StatusCode::BAD_GATEWAY {
            assert!(reply.text().await.unwrap().contains(&gone));
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn without_its_redis_the_front_serves_all_the_same() {
    let (one, asked) = replica("v1").await;
    let redis = format!("redis://{}", nobody().await);
    let front = front(vec![one], Some(&redis)).await;
    let begin = tokio::time::Instant::now();
    for _ in 0..5 {
        let reply = ask(&front, &json!({"text": "Rain"})).await;
        assert_eq!(
            (reply.status(), &reply.headers()[CACHE]),
            (StatusCode::OK, &"miss".parse().unwrap())
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 5);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}: it is left alone", begin.elapsed());
}

#[tokio::test]
async fn bad_input_is_refused_before_anybody_is_asked() {
    let (one, asked) = replica("v1").await;
    let redis = format!("redis://{}", nobody().await);
    let front = front(vec![one], Some(&redis)).await;
    let reply = ask(&front, &json!({"txt": "Rain"})).await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    assert_eq!(reply.text().await.unwrap(), r#"{"error":"text: is missing"}"#);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}
