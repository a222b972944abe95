//! NVIDIA Triton's own server with explicit model control and Python models that tell their version.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use perch_core::reload::Load;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::{Child, eventually, free_port, root};
use crate::world::{One, later, model, refused, servers};

const MODEL: &str = r#"
import json, pathlib, time
import triton_python_backend_utils as triton

class TritonPythonModel:
    def initialize(self, args):
        plan = json.loads((pathlib.Path(args["model_repository"]) / args["model_version"] / "plan.json").read_text())
        time.sleep(plan.get("loads", 0))
        if "fails" in plan:
            raise RuntimeError(plan["fails"])
        self.factor = float(args["model_version"])

    def execute(self, requests):
        x = lambda request: triton.get_input_tensor_by_name(request, "x").as_numpy()
        return [triton.InferenceResponse([triton.Tensor("y", x(request) * self.factor)]) for request in requests]
"#;

const TENSORS: &str = r#"
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } ]
"#;

const STEP: &str = r#"
platform: "ensemble"
ensemble_scheduling { step [ {
  model_name: "news_versions" model_version: 1
  input_map { key: "x" value: "x" } output_map { key: "y" value: "y" }
} ] }
"#;

/// Triton with a repository of its own.
struct Triton {
    folder: TempDir,
    port: u16,
    grpc: u16,
    versions: &'static str,
    http: reqwest::Client,
    child: Child,
}

impl Triton {
    /// With the versions right under the model's name, or behind an ensemble of that name.
    async fn start(alias: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let versions = if alias { "news_versions" } else { "news" };
        let config = format!(
            "backend: \"python\"\nversion_policy: {{ specific {{ versions: [1] }} }}\n{TENSORS}"
        );
        fs::create_dir_all(folder.path().join(versions)).unwrap();
        fs::write(folder.path().join(versions).join("config.pbtxt"), config).unwrap();
        if alias {
            fs::create_dir_all(folder.path().join("news/1")).unwrap();
            fs::write(folder.path().join("news/config.pbtxt"), format!("{STEP}{TENSORS}")).unwrap();
        }
        let (port, grpc) = (free_port(), free_port());
        let child = Child::start(&binary(), |start| {
            let triton = root().join(".venv-servers/triton");
            start.arg(format!("--model-repository={}", folder.path().display()));
            start.arg(format!("--backend-directory={}", triton.join("backends").display()));
            start.args([
                "--model-control-mode=explicit",
                "--grpc-address=127.0.0.1",
                &format!("--grpc-port={grpc}"),
                "--allow-metrics=false",
            ]);
            start.args(["--http-address=127.0.0.1".to_owned(), format!("--http-port={port}")]);
            // The backend's stub finds numpy by the first python3 on the path.
            let path = format!("{}:/usr/bin:/bin", root().join(".venv-servers/bin").display());
            start.env("PATH", path);
        });
        let mut triton = Self { folder, port, grpc, versions, http: reqwest::Client::new(), child };
        triton.put(1, json!({}));
        let ready = format!("http://127.0.0.1:{port}/v2/health/ready");
        eventually("triton answers", || async { triton.http.get(&ready).send().await.ok() }).await;
        assert!(!triton.child.has_ended());
        let names: &[&str] = if alias { &["news_versions", "news"] } else { &["news"] };
        for name in names {
            let url = format!("http://127.0.0.1:{port}/v2/repository/models/{name}/load");
            let loaded = triton.http.post(url).send().await.unwrap();
            assert!(loaded.status().is_success(), "{}", loaded.text().await.unwrap());
        }
        triton
    }

    /// Puts a version into the repository, as an upload does.
    fn put(&self, version: u32, plan: Value) {
        let folder = self.version(version);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("model.py"), MODEL).unwrap();
        fs::write(folder.join("plan.json"), plan.to_string()).unwrap();
    }

    fn version(&self, version: u32) -> PathBuf {
        self.folder.path().join(self.versions).join(version.to_string())
    }

    /// Loading by gRPC.
    fn one(&self, timeout: &str) -> One {
        let mut one = self.by_http(timeout);
        one.servers.grpc_port = Some(self.grpc);
        one
    }

    fn by_http(&self, timeout: &str) -> One {
        One::new(servers("open-inference", "news", timeout), self.port)
    }

    /// What a caller that names no version is answered: the factor of the version that answered.
    async fn answers(&self) -> Result<f64, String> {
        let url = format!("http://127.0.0.1:{}/v2/models/news/infer", self.port);
        let answer =
            self.http.post(url).json(&input(1.0)).send().await.map_err(|e| e.to_string())?;
        let answer: Value = answer.json().await.map_err(|e| e.to_string())?;
        answer.pointer("/outputs/0/data/0").and_then(Value::as_f64).ok_or(answer.to_string())
    }
}

fn binary() -> PathBuf {
    root().join(".venv-servers/triton/bin/tritonserver")
}

fn input(x: f64) -> Value {
    json!({ "inputs": [{ "name": "x", "shape": [1], "datatype": "FP32", "data": [x] }] })
}

/// The number that a version answers to 2.
async fn answer_of(one: &One, version: &str) -> f64 {
    let answer = one.probe(version, &input(2.0)).await.unwrap();
    answer.pointer("/outputs/0/data/0").and_then(Value::as_f64).unwrap()
}

#[tokio::test]
async fn an_ensemble_of_one_step_is_switched_without_a_failed_request() {
    let triton = Triton::start(true).await;
    let one = triton.one("30s");
    assert_eq!(one.active().await.as_deref(), Some("1"));
    triton.put(2, json!({}));
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers = {
        let (triton, stop, asked) = (&triton, stop.clone(), asked.clone());
        async move {
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let answer = triton.answers().await.unwrap();
                asked.fetch_add(1, Ordering::Relaxed);
                if seen.last() != Some(&answer) {
                    seen.push(answer);
                }
            }
            seen
        }
    };
    let release = async {
        one.ready(&model("2")).await;
        assert_eq!(one.active().await.as_deref(), Some("1"), "staging moves no traffic");
        assert_eq!(answer_of(&one, "2").await, 4.0);
        let before = asked.load(Ordering::Relaxed);
        let began = Instant::now();
        one.activate("2").await.unwrap();
        let there = began.elapsed();
        assert_eq!(one.active().await.as_deref(), Some("2"));
        until_more(&asked, before).await;
        let (before, began) = (asked.load(Ordering::Relaxed), Instant::now());
        one.activate("1").await.unwrap();
        println!("ensemble: there {there:?}, back {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(5));
        until_more(&asked, before).await;
        one.unload("2").await.unwrap();
        stop.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = tokio::join!(callers, release);
    assert_eq!(seen, [1.0, 2.0, 1.0], "and every request was answered");
    println!("{} requests, none failed", asked.load(Ordering::Relaxed));
    assert_eq!(one.settled("2").await, None);
    assert!(refused(one.unload("1").await).contains("answers callers"));
}

async fn until_more(asked: &AtomicU64, before: u64) {
    let more = || async { (asked.load(Ordering::Relaxed) > before + 20).then_some(()) };
    eventually("more requests are answered", more).await;
}

#[tokio::test]
async fn without_an_ensemble_callers_that_name_no_version_get_the_newest() {
    let triton = Triton::start(false).await;
    let one = triton.one("30s");
    triton.put(2, json!({}));
    one.ready(&model("2")).await;
    assert_eq!(one.active().await.as_deref(), Some("2"), "from staging on");
    assert_eq!(triton.answers().await, Ok(2.0));
    assert_eq!((answer_of(&one, "1").await, answer_of(&one, "2").await), (2.0, 4.0));
    one.activate("2").await.unwrap();
    let began = Instant::now();
    one.activate("1").await.unwrap();
    println!("policy: back {:?}", began.elapsed());
    assert_eq!(triton.answers().await, Ok(1.0));
    assert_eq!(one.active().await.as_deref(), Some("1"));
    assert_eq!(one.settled("2").await, None, "the newer one had to go");
}

#[tokio::test]
async fn a_failed_load_keeps_the_old_model_and_a_later_one_works() {
    for alias in [true, false] {
        let triton = Triton::start(alias).await;
        let one = if alias { triton.by_http("30s") } else { triton.one("30s") };
        triton.put(2, json!({ "fails": "half an upload" }));
        let text = refused(one.stage(&model("2")).await);
        assert!(text.contains("half an upload"), "{text}");
        let Some(Load::Failed { reason }) = one.settled("2").await else { panic!("it loaded") };
        assert!(reason.contains("half an upload"), "{reason}");
        assert_eq!((triton.answers().await, one.active().await.as_deref()), (Ok(1.0), Some("1")));
        later(one.activate("2").await);
        later(one.probe("2", &input(1.0)).await);
        let text = refused(one.stage(&model("3")).await);
        assert!(text.contains('3'), "no such folder: {text}");
        assert_eq!(triton.answers().await, Ok(1.0));
        triton.put(2, json!({}));
        one.ready(&model("2")).await;
        one.activate("2").await.unwrap();
        assert_eq!(triton.answers().await, Ok(2.0));
    }
}

/// How long a caller waited whose connection was open before the load.
async fn waited(one: &One, triton: &Triton) -> Duration {
    triton.put(2, json!({ "loads": 3 }));
    assert_eq!(triton.answers().await, Ok(1.0));
    let wanted = model("2");
    let load = one.stage(&wanted);
    let asked = async {
        eventually("the load begins", || async {
            let state = triton.one("5s").state().await.unwrap();
            state.load_of(&crate::world::v("2")).map(|_| ())
        })
        .await;
        let began = Instant::now();
        assert_eq!(triton.answers().await, Ok(1.0));
        began.elapsed()
    };
    let (_, waited) = tokio::join!(load, asked);
    waited
}

#[tokio::test]
async fn loading_by_grpc_holds_up_no_connected_caller() {
    let triton = Triton::start(true).await;
    let waited = waited(&triton.one("30s"), &triton).await;
    println!("a caller waited {waited:?} while a model loaded by gRPC");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test]
async fn a_long_load_is_not_waited_for_and_the_old_model_answers_meanwhile() {
    let triton = Triton::start(true).await;
    let one = triton.one("1s");
    triton.put(2, json!({ "loads": 3 }));
    let began = Instant::now();
    one.stage(&model("2")).await.unwrap();
    one.stage(&model("2")).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    let state = one.state().await.unwrap();
    assert_eq!(state.load_of(&crate::world::v("2")), Some(&Load::Loading));
    later(one.probe("2", &input(1.0)).await);
    assert_eq!(triton.answers().await, Ok(1.0));
    assert_eq!(one.settled("2").await, Some(Load::Ready));
    // The backend wrote bytecode beside the model: Triton loads it once more, longer than one request.
    eventually("it is activated", || async { one.activate("2").await.ok() }).await;
    assert_eq!(triton.answers().await, Ok(2.0));
}

#[tokio::test]
async fn storage_that_is_gone_after_the_load_takes_no_model_away() {
    let triton = Triton::start(true).await;
    let one = triton.one("30s");
    triton.put(2, json!({}));
    one.ready(&model("2")).await;
    one.activate("2").await.unwrap();
    fs::rename(triton.version(1).parent().unwrap(), triton.folder.path().join("gone")).unwrap();
    assert_eq!(triton.answers().await, Ok(2.0));
    later(one.stage(&model("3")).await);
    assert_eq!((triton.answers().await, one.active().await.as_deref()), (Ok(2.0), Some("2")));
    later(one.activate("1").await);
    assert_eq!((triton.answers().await, one.active().await.as_deref()), (Ok(2.0), Some("2")));
    fs::rename(triton.folder.path().join("gone"), triton.version(1).parent().unwrap()).unwrap();
    one.activate("1").await.unwrap();
    assert_eq!(triton.answers().await, Ok(1.0));
}

#[tokio::test]
async fn loads_and_unloads_at_once_take_no_answer_away() {
    let triton = Triton::start(true).await;
    let one = triton.one("30s");
    triton.put(2, json!({}));
    let wanted = model("2");
    for _ in 0..3 {
        let _ = tokio::join!(one.stage(&wanted), one.unload("2"));
        assert_eq!(triton.answers().await, Ok(1.0));
    }
    one.ready(&wanted).await;
    assert_eq!(one.active().await.as_deref(), Some("1"));
}

#[tokio::test]
async fn names_that_are_no_numbers_are_refused_before_anything_happens() {
    let triton = Triton::start(false).await;
    let one = triton.one("30s");
    assert!(refused(one.stage(&model("v2")).await).contains("whole numbers"));
    assert!(Path::new(&triton.version(1)).exists());
    assert_eq!(triton.answers().await, Ok(1.0));
}
