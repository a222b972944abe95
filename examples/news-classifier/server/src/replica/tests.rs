use std::time::Duration;

use axum::http::Method;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::download::hex;
use super::*;
use crate::live::serve;

const V1: &str = include_str!("../../../models/v1/model.json");
const V2: &str = include_str!("../../../models/v2/model.json");
const MODEL: &str = "/perch/v1/models/news-classifier";
/// v1 calls this `technology`.
const FIGURES: &str = "Bank reports record profit on higher lending rates";

/// A server that began with v1, and a storage that has v2.
struct Scene {
    server: String,
    storage: String,
    http: reqwest::Client,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Store::new("news-classifier", 1_000_000)).await
    }

    async fn with(store: Store) -> Self {
        store.begin("v1".into(), V1.as_bytes()).unwrap();
        let http = download::client().unwrap();
        let faults = FaultBox::new(Faults::default());
        let replica =
            Replica { model: "news-classifier".into(), store, faults, http: http.clone() };
        let files = Router::new()
            .route("/v2", get(|| async { V2 }))
            .route("/short", get(|| async { &V2[..100] }))
            .route("/no-model", get(|| async { "{}" }));
        Self { server: serve(routes(replica, true)).await, storage: serve(files).await, http }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}{path}", self.server));
        let reply = request.body(body.to_string()).send().await.unwrap();
        let status = reply.status();
        let text = reply.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(Method::PUT, &format!("{MODEL}{path}"), body).await
    }

    async fn state(&self) -> Value {
        self.ask(Method::GET, MODEL, &Value::Null).await.1
    }

    async fn classify(&self) -> Value {
        self.ask(Method::POST, "/classify", &json!({"text": FIGURES})).await.1
    }

    /// The body that stages one file of the storage as v2.
    fn v2(&self, file: &str, sha_of: &str, size: usize) -> Value {
        let sha256 = hex(&Sha256::digest(sha_of));
        let url = format!("{}/{file}", self.storage);
        let files = [json!({"path": "model.json", "size": size, "sha256": sha256, "url": url})];
        json!({"version": "v2", "source": "s3://b/v2/", "bytes": size, "files": files})
    }

    /// Stages v2 and waits for the end of its load; what the server says of it.
    async fn staged(&self, body: &Value) -> Value {
        let (status, _) = self.put("/versions/v2", body).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        let until = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let state = self.state().await;
            let v2 = state["loaded"].as_array().unwrap().iter().find(|l| l["version"] == "v2");
            match v2 {
                Some(load) if load["state"] != "loading" => return load.clone(),
                _ => assert!(tokio::time::Instant::now() < until, "still loading: {state}"),
            }
        }
    }

    async fn with_v2() -> Self {
        let scene = Self::new().await;
        let body = scene.v2("v2", V2, V2.len());
        assert_eq!(scene.staged(&body).await["state"], "ready");
        scene
    }
}

#[tokio::test]
async fn staged_version_answers_probes_and_no_callers() {
    let scene = Scene::with_v2().await;
    let text = json!({"text": FIGURES});
    let (_, probed) = scene.ask(Method::POST, &format!("{MODEL}/versions/v2/probe"), &text).await;
    assert_eq!(probed["modelVersion"], "v2");
    assert_eq!(scene.classify().await["modelVersion"], "v1");
    assert_eq!(scene.state().await["active"], "v1");
    let again = scene.put("/versions/v2", &scene.v2("v2", V2, V2.len())).await;
    assert_eq!(again.0, StatusCode::OK);
}

#[tokio::test]
async fn activated_version_answers_and_the_former_stays_loaded() {
    let scene = Scene::with_v2().await;
    for version in ["v2", "v1", "v2", "v2"] {
        let (status, said) = scene.put("/active", &json!({"version": version})).await;
        assert_eq!((status, said), (StatusCode::OK, json!({"active": version})));
        assert_eq!(scene.classify().await["modelVersion"], version);
        let state = scene.state().await;
        assert_eq!((&state["active"], &state["generation"]), (&json!(version), &json!(version)));
        assert_eq!(state["loaded"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn broken_upload_is_not_ready_and_a_later_load_works() {
    let scene = Scene::new().await;
    let no_file = json!({"version": "v2", "source": "s3://b/v2/", "bytes": 0, "files": []});
    let cases = [
        (scene.v2("v2", V1, V2.len()), "has SHA-256"),
        (scene.v2("v2", V2, V2.len() - 1), "is larger than"),
        (scene.v2("short", V2, V2.len()), "has 100 bytes"),
        (scene.v2("missing", V2, V2.len()), "the storage answered 404"),
        (scene.v2("no-model", "{}", 2), "model.json: missing field"),
        (no_file, "model.json: is not among the files"),
    ];
    for (body, expected) in cases {
        let load = scene.staged(&body).await;
        let reason = load["reason"].as_str().unwrap_or_default();
        assert!(load["state"] == "failed" && reason.contains(expected), "{expected}: {load}");
        let (status, _) = scene.put("/active", &json!({"version": "v2"})).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(scene.classify().await["modelVersion"], "v1");
    }
    assert_eq!(scene.staged(&scene.v2("v2", V2, V2.len())).await["state"], "ready");
}

#[tokio::test]
async fn second_model_needs_memory_of_its_own() {
    let (first, second) = (V1.len() as u64, V2.len() as u64);
    let scene = Scene::with(Store::new("news-classifier", first + second - 1)).await;
    let (status, said) = scene.put("/versions/v2", &scene.v2("v2", V2, V2.len())).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    let why = format!("version v2 needs {second} bytes and {} are free", second - 1);
    assert_eq!(said, json!({"error": why}));
    let state = scene.state().await;
    assert_eq!(state["memory"]["freeBytes"], second - 1);
    assert_eq!(state["loaded"], json!([{"version": "v1", "state": "ready"}]));
}

#[tokio::test]
async fn active_version_is_not_unloaded_and_any_other_is() {
    let scene = Scene::with_v2().await;
    let free = scene.state().await["memory"]["freeBytes"].as_u64().unwrap();
    let unload = |version: &'static str| {
        let path = format!("{MODEL}/versions/{version}");
        let scene = &scene;
        async move { scene.ask(Method::DELETE, &path, &Value::Null).await }
    };
    let said = json!({"error": "version v1 is the active one"});
    assert_eq!(unload("v1").await, (StatusCode::CONFLICT, said));
    for _ in 0..2 {
        assert_eq!(unload("v2").await.0, StatusCode::NO_CONTENT);
    }
    let state = scene.state().await;
    assert_eq!(state["memory"]["freeBytes"], free + V2.len() as u64);
    assert_eq!(state["loaded"], json!([{"version": "v1", "state": "ready"}]));
}

#[tokio::test]
async fn no_request_fails_while_models_are_switched() {
    let scene = Scene::with_v2().await;
    let calls = tokio::spawn({
        let (http, url) = (scene.http.clone(), format!("{}/classify", scene.server));
        async move {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..300 {
                let body = json!({"text": FIGURES}).to_string();
                let reply = http.post(&url).body(body).send().await.unwrap();
                assert_eq!(reply.status(), StatusCode::OK);
                let header = reply.headers()["model-version"].to_str().unwrap().to_owned();
                let answer: Value = reply.json().await.unwrap();
                assert_eq!(answer["modelVersion"], header);
                seen.insert(header);
            }
            seen
        }
    });
    let mut switches = 0;
    while !calls.is_finished() {
        let version = ["v1", "v2"][switches % 2];
        let (status, _) = scene.put("/active", &json!({"version": version})).await;
        assert_eq!(status, StatusCode::OK);
        switches += 1;
    }
    assert!(switches > 2);
    assert_eq!(calls.await.unwrap().into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
}

#[tokio::test]
async fn refusals_are_json_with_a_reason() {
    let scene = Scene::new().await;
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    let other = scene.v2("v2", V2, V2.len());
    let cases = [
        (get.clone(), "/perch/v1/models/other", json!(null), 404, "model other is not served here"),
        (get, "/nothing", json!(null), 404, "there is nothing at this path"),
        (post.clone(), MODEL, json!(null), 405, "this path has other methods"),
        (
            put.clone(),
            "/perch/v1/models/news-classifier/versions/v3",
            other,
            400,
            "version: is v2, the path says v3",
        ),
        (
            put.clone(),
            "/perch/v1/models/news-classifier/versions/v3",
            json!({}),
            400,
            "missing field `version`",
        ),
        (
            put,
            "/perch/v1/models/news-classifier/active",
            json!({"version": "v9"}),
            404,
            "version v9 is not loaded",
        ),
        (
            post.clone(),
            "/perch/v1/models/news-classifier/versions/v9/probe",
            json!({"text": "x"}),
            404,
            "version v9 is not loaded",
        ),
        (
            post.clone(),
            "/perch/v1/models/news-classifier/versions/v1/probe",
            json!({"txt": "x"}),
            400,
            "text: is missing",
        ),
        (post, "/classify", json!({"text": 7}), 400, "text: must be a string"),
    ];
    for (method, path, body, status, why) in cases {
        let (found, said) = scene.ask(method, path, &body).await;
        assert_eq!(found, status, "{path}: {said}");
        assert!(said["error"].as_str().is_some_and(|text| text.contains(why)), "{path}: {said}");
    }
}

#[tokio::test]
async fn load_that_hangs_can_be_taken_out_and_begun_again() {
    let scene = Scene::new().await;
    let body = scene.v2("v2", V2, V2.len());
    scene.ask(Method::PUT, "/faults", &json!({"load": "hang"})).await;
    for _ in 0..2 {
        assert_eq!(scene.put("/versions/v2", &body).await.0, StatusCode::ACCEPTED);
    }
    assert_eq!(scene.put("/active", &json!({"version": "v2"})).await.0, StatusCode::CONFLICT);
    scene.ask(Method::DELETE, &format!("{MODEL}/versions/v2"), &Value::Null).await;
    scene.ask(Method::PUT, "/faults", &json!({})).await;
    assert_eq!(scene.staged(&body).await["state"], "ready");
}

#[tokio::test]
async fn faults_of_a_switch_leave_or_bring_back_the_former_version() {
    let scene = Scene::with_v2().await;
    scene.ask(Method::PUT, "/faults", &json!({"activate": "ignore"})).await;
    let (_, said) = scene.put("/active", &json!({"version": "v2"})).await;
    assert_eq!((said, &scene.state().await["active"]), (json!({"active": "v2"}), &json!("v1")));
    scene.ask(Method::PUT, "/faults", &json!({"activate": {"flap": 100}})).await;
    scene.put("/active", &json!({"version": "v2"})).await;
    assert_eq!(scene.state().await["active"], "v2");
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while scene.state().await["active"] != "v1" {
        assert!(tokio::time::Instant::now() < until, "it never went back");
    }
}

#[tokio::test]
async fn silent_server_answers_callers_only() {
    let scene = Scene::new().await;
    scene.ask(Method::PUT, "/faults", &json!({"silent": true})).await;
    assert_eq!(scene.classify().await["modelVersion"], "v1");
    let state = scene.http.get(format!("{}{MODEL}", scene.server));
    let wrong = state.timeout(Duration::from_millis(200)).send().await.unwrap_err();
    assert!(wrong.is_timeout(), "{wrong}");
}

#[tokio::test]
async fn without_the_switch_there_are_no_faults() {
    let store = Store::new("news-classifier", 0);
    store.begin("v1".into(), V1.as_bytes()).unwrap();
    let faults = FaultBox::new(Faults::default());
    let replica = Replica {
        model: "news-classifier".into(),
        store,
        faults,
        http: download::client().unwrap(),
    };
    let server = serve(routes(replica, false)).await;
    let reply = reqwest::Client::new().put(format!("{server}/faults")).body("{}").send().await;
    assert_eq!(reply.unwrap().status(), StatusCode::NOT_FOUND);
}
