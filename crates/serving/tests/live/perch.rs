//! Perch's own contract, at the reference implementation and at servers that break it.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use perch_app::ports::PortError;
use perch_core::reload::{Load, ModelFile, ModelFiles};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::child::{Child, eventually, free_port, root};
use crate::world::{One, chain, later, model, refused, servers};

/// A replica: examples/model-server/server.py with this much memory.
async fn replica(memory: u64) -> (One, Child) {
    let port = free_port();
    let python = root().join(".venv-servers/bin/python");
    let child = Child::start(&python, |start| {
        let script = root().join("examples/model-server/server.py");
        start.arg(script).args([port.to_string(), memory.to_string()]);
    });
    let one = One::new(servers("perch", "news", "5s"), port);
    eventually("the server answers", || async { one.state().await.ok() }).await;
    (one, child)
}

/// A place whose files can be read by URL, as presigned ones can.
struct Storage(String, tokio::task::JoinHandle<()>);

impl Storage {
    async fn start(content: &'static str, wait: Duration) -> Self {
        let app = Router::new().route(
            "/model.json",
            get(move || async move {
                tokio::time::sleep(wait).await;
                content
            }),
        );
        let (url, task) = listen(app).await;
        Self(format!("{url}/model.json"), task)
    }

    fn model(&self, version: &str, content: &str) -> ModelFiles {
        let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let size = content.len() as u64;
        let path = "model.json".to_owned();
        let files = vec![ModelFile { path, size, sha256, url: self.0.clone() }];
        ModelFiles { bytes: size, files, ..model(version) }
    }
}

async fn listen(app: Router) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (url, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
}

const SPORT: &str = r#"{"words":{"team":"sport"},"else":"news"}"#;

#[tokio::test]
async fn a_model_is_staged_probed_activated_and_the_former_one_taken_back() {
    let (one, _child) = replica(1 << 20).await;
    let storage = Storage::start(SPORT, Duration::ZERO).await;
    assert_eq!(one.active().await, None);
    one.ready(&storage.model("v1", SPORT)).await;
    one.activate("v1").await.unwrap();
    one.ready(&storage.model("v2", SPORT)).await;
    assert_eq!(one.active().await.as_deref(), Some("v1"), "staging moves no traffic");
    let answer = one.probe("v2", &json!({ "text": "the team" })).await.unwrap();
    assert_eq!(answer, json!({ "label": "sport", "version": "v2" }));
    one.activate("v2").await.unwrap();
    let state = one.state().await.unwrap();
    assert_eq!(state.active.as_ref().map(|v| v.as_str()), Some("v2"));
    assert_eq!(state.generation.as_deref(), Some("v2"));
    assert!(state.memory.is_some());
    one.activate("v1").await.unwrap();
    assert_eq!(one.active().await.as_deref(), Some("v1"));
    one.unload("v2").await.unwrap();
    one.unload("v2").await.unwrap();
    assert!(refused(one.unload("v1").await).contains("answers callers"));
}

#[tokio::test]
async fn a_failed_load_keeps_the_old_model_and_a_later_one_works() {
    let (one, _child) = replica(1 << 20).await;
    let storage = Storage::start(SPORT, Duration::ZERO).await;
    one.ready(&storage.model("v1", SPORT)).await;
    one.activate("v1").await.unwrap();
    let half = storage.model("v2", "half of it");
    one.stage(&half).await.unwrap();
    let Some(Load::Failed { reason }) = one.settled("v2").await else { panic!("it loaded") };
    assert!(reason.contains("checksum"), "{reason}");
    assert!(later(one.activate("v2").await).contains("409"));
    assert_eq!(one.active().await.as_deref(), Some("v1"));
    storage.1.abort();
    let gone = storage.model("v2", SPORT);
    eventually("storage is gone", || async {
        let _ = one.stage(&gone).await;
        matches!(one.settled("v2").await, Some(Load::Failed { .. })).then_some(())
    })
    .await;
    assert!(one.probe("v1", &json!({ "text": "" })).await.is_ok(), "the loaded one goes on");
    let back = Storage::start(SPORT, Duration::ZERO).await;
    one.ready(&back.model("v2", SPORT)).await;
}

#[tokio::test]
async fn stage_does_not_wait_for_the_load() {
    let (one, _child) = replica(1 << 20).await;
    let storage = Storage::start(SPORT, Duration::from_secs(2)).await;
    let wanted = storage.model("v1", SPORT);
    let began = Instant::now();
    one.stage(&wanted).await.unwrap();
    one.stage(&wanted).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    later(one.probe("v1", &json!({ "text": "" })).await);
    assert_eq!(one.settled("v1").await, Some(Load::Ready));
}

#[tokio::test]
async fn too_little_memory_for_two_models_is_refused_with_the_numbers() {
    let (one, _child) = replica(60).await;
    let storage = Storage::start(SPORT, Duration::ZERO).await;
    one.ready(&storage.model("v1", SPORT)).await;
    let text = refused(one.stage(&storage.model("v2", SPORT)).await);
    assert!(text.contains("needs 40 bytes and 20 are free"), "{text}");
}

#[tokio::test]
async fn load_and_unload_at_once_leave_a_state_that_is_told() {
    let (one, _child) = replica(1 << 20).await;
    let storage = Storage::start(SPORT, Duration::from_millis(50)).await;
    one.ready(&storage.model("v1", SPORT)).await;
    one.activate("v1").await.unwrap();
    let wanted = storage.model("v2", SPORT);
    for _ in 0..20 {
        let (staged, unloaded) = tokio::join!(one.stage(&wanted), one.unload("v2"));
        staged.unwrap();
        unloaded.unwrap();
    }
    one.ready(&wanted).await;
    assert_eq!(one.active().await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_on_in_time() {
    let (mut one, child) = replica(1 << 20).await;
    one.servers = servers("perch", "news", "1s");
    child.signal("-STOP");
    let began = Instant::now();
    assert!(later(one.state().await).contains("no answer within 1000 ms"));
    assert!(began.elapsed() < Duration::from_secs(2));
    child.signal("-CONT");
    eventually("it answers again", || async { one.state().await.ok() }).await;
    drop(child);
    assert!(later(one.state().await).contains("onnection"), "a server that ended");
}

/// What the adapter makes of a server that answers every request with this.
async fn against(status: u16, body: &'static str) -> (One, tokio::task::JoinHandle<()>) {
    let answer =
        move || async move { (StatusCode::from_u16(status).unwrap(), body).into_response() };
    let (url, task) = listen(Router::new().fallback(any(answer))).await;
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    (One::new(servers("perch", "news", "2s"), port), task)
}

#[tokio::test]
async fn answers_outside_the_contract_are_told_apart() {
    let (one, _task) = against(200, r#"{"active":"v1"}"#).await;
    let text = refused(one.activate("v2").await);
    assert!(text.contains("activate v2") && text.contains("v1 is active"), "{text}");
    assert!(refused(one.state().await).contains("loaded"));
    let (one, _task) = against(200, "<html>").await;
    assert!(refused(one.state().await).contains("can't be read"));
    let (one, _task) = against(200, r#"{"active":"../x","loaded":[]}"#).await;
    assert!(refused(one.state().await).contains("is not a version"));
    let (one, _task) = against(400, r#"{"error":"no such field"}"#).await;
    assert!(refused(one.stage(&model("v2")).await).contains("400: no such field"));
    let (one, _task) = against(500, r#"{"error":"disk full"}"#).await;
    assert!(later(one.stage(&model("v2")).await).contains("500: disk full"));
    let (one, _task) = against(302, "").await;
    assert!(refused(one.state().await).contains("302"));
    for (status, body) in [(404, r#"{"error":"unknown"}"#), (403, "go away")] {
        let (one, _task) = against(status, body).await;
        let error = one.probe("v2", &Value::Null).await.unwrap_err();
        match status {
            404 => assert!(matches!(error, PortError::NotFound { .. }), "{}", chain(&error)),
            _ => assert!(matches!(error, PortError::Denied { .. }), "{}", chain(&error)),
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endless = || async { axum::body::Body::from(vec![b' '; 5 << 20]) };
    let (url, _task) = listen(Router::new().fallback(any(endless))).await;
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let one = One::new(servers("perch", "news", "5s"), port);
    assert!(refused(one.state().await).contains("longer than"));
}
