//! `MLServer` with a runtime of its own that tells its version. It has no configuration by request: its
//! repository decides which versions there are.

use std::fs;

use perch_core::reload::Load;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::{Child, eventually, free_port, root};
use crate::world::{One, later, model, refused, servers};

const RUNTIME: &str = r#"
import asyncio, json, pathlib
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Factor(MLModel):
    async def load(self):
        plan = json.loads((pathlib.Path(self.settings.parameters.uri) / "plan.json").read_text())
        await asyncio.sleep(plan.get("loads", 0))
        if "fails" in plan:
            raise RuntimeError(plan["fails"])
        return True

    async def predict(self, payload):
        y = NumpyCodec.decode_input(payload.inputs[0]) * float(self.version)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[NumpyCodec.encode_output("y", y)])
"#;

struct MlServer {
    folder: TempDir,
    port: u16,
    http: reqwest::Client,
    _child: Child,
}

impl MlServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("factor.py"), RUNTIME).unwrap();
        let (port, grpc) = (free_port(), free_port());
        let settings = json!({
            "host": "127.0.0.1", "http_port": port, "grpc_port": grpc, "metrics_endpoint": null,
            "parallel_workers": 0,
        });
        let models = folder.path().join("models");
        fs::create_dir(&models).unwrap();
        fs::write(models.join("settings.json"), settings.to_string()).unwrap();
        put(&folder, 1, &json!({}));
        let program = root().join(".venv-mlserver/bin/mlserver");
        let child = Child::start(&program, |start| {
            start.arg("start").arg(&models).env("PYTHONPATH", folder.path());
        });
        let server = Self { folder, port, http: reqwest::Client::new(), _child: child };
        let answers = || async { server.answers().await.ok().filter(|answer| *answer == 1.0) };
        eventually("mlserver answers", answers).await;
        server
    }

    fn one(&self, timeout: &str) -> One {
        One::new(servers("open-inference", "news", timeout), self.port)
    }

    async fn answers(&self) -> Result<f64, String> {
        let url = format!("http://127.0.0.1:{}/v2/models/news/infer", self.port);
        let answer = self.http.post(url).json(&input()).send().await.map_err(|e| e.to_string())?;
        let answer: Value = answer.json().await.map_err(|e| e.to_string())?;
        answer.pointer("/outputs/0/data/0").and_then(Value::as_f64).ok_or(answer.to_string())
    }
}

/// Puts a version into the repository, as an upload does.
fn put(folder: &TempDir, version: u32, plan: &Value) {
    let place = folder.path().join(format!("models/news-{version}"));
    fs::create_dir_all(&place).unwrap();
    let settings = json!({
        "name": "news", "implementation": "factor.Factor",
        "parameters": { "version": version.to_string(), "uri": place },
    });
    fs::write(place.join("plan.json"), plan.to_string()).unwrap();
    fs::write(place.join("model-settings.json"), settings.to_string()).unwrap();
}

fn input() -> Value {
    json!({ "inputs": [{ "name": "x", "shape": [1], "datatype": "FP32", "data": [1.0] }] })
}

#[tokio::test]
async fn the_newest_version_answers_from_staging_on_and_leaves_with_its_folder() {
    let server = MlServer::start().await;
    let one = server.one("10s");
    assert_eq!(one.active().await.as_deref(), Some("1"));
    let text = refused(one.stage(&model("2")).await);
    assert!(text.contains("no version 2 in its model repository"), "{text}");
    put(&server.folder, 2, &json!({}));
    one.ready(&model("2")).await;
    assert_eq!((server.answers().await, one.active().await.as_deref()), (Ok(2.0), Some("2")));
    for (version, factor) in [("1", 1.0), ("2", 2.0)] {
        let answer = one.probe(version, &input()).await.unwrap();
        assert_eq!(answer.pointer("/outputs/0/data/0").and_then(Value::as_f64), Some(factor));
    }
    one.activate("2").await.unwrap();
    let text = refused(one.activate("1").await);
    assert!(text.contains("newest version in its repository"), "{text}");
    assert!(refused(one.unload("1").await).contains("as long as its repository does"));
    assert!(refused(one.unload("2").await).contains("answers callers"));
    fs::remove_dir_all(server.folder.path().join("models/news-2")).unwrap();
    let load = format!("http://127.0.0.1:{}/v2/repository/models/news/load", server.port);
    assert!(server.http.post(load).send().await.unwrap().status().is_success());
    one.activate("1").await.unwrap();
    assert_eq!((server.answers().await, one.active().await.as_deref()), (Ok(1.0), Some("1")));
    one.unload("2").await.unwrap();
}

#[tokio::test]
async fn a_failed_load_keeps_the_old_model_and_a_later_one_works() {
    let server = MlServer::start().await;
    let one = server.one("10s");
    put(&server.folder, 2, &json!({ "fails": "half an upload" }));
    later(one.stage(&model("2")).await);
    assert_eq!((server.answers().await, one.active().await.as_deref()), (Ok(1.0), Some("1")));
    later(one.probe("2", &input()).await);
    later(one.activate("2").await);
    put(&server.folder, 2, &json!({}));
    one.ready(&model("2")).await;
    one.activate("2").await.unwrap();
    assert_eq!(server.answers().await, Ok(2.0));
}

#[tokio::test]
async fn while_it_loads_callers_that_name_no_version_are_refused_and_others_are_answered() {
    let server = MlServer::start().await;
    let one = server.one("1s");
    put(&server.folder, 2, &json!({ "loads": 3 }));
    one.stage(&model("2")).await.unwrap();
    assert_eq!(one.state().await.unwrap().load_of(&crate::world::v("2")), Some(&Load::Loading));
    assert!(server.answers().await.unwrap_err().contains("not ready"));
    assert_eq!(one.active().await, None);
    assert!(one.probe("1", &input()).await.is_ok());
    later(one.probe("2", &input()).await);
    assert_eq!(one.settled("2").await, Some(Load::Ready));
    one.activate("2").await.unwrap();
    assert_eq!(server.answers().await, Ok(2.0));
}
