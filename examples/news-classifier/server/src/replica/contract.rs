//! The contract by which Perch reloads a model server (docs/model-servers.md), route by route.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Replica;
use super::classify::{self, Answer};
use super::download::Files;
use super::faults::{ActivateFault, LoadFault};
use super::store::{Load, Refused, Staged};
use crate::refusal::{Refusal, parse};

/// What the server has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    active: Option<String>,
    loaded: Vec<Reported>,
    memory: Memory,
    generation: Option<String>,
}

#[derive(Debug, Serialize)]
struct Reported {
    version: String,
    #[serde(flatten)]
    load: Load,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    free_bytes: u64,
}

/// Which version is to answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Active {
    version: String,
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Unknown(_) => StatusCode::NOT_FOUND,
            Refused::NotReady(_) | Refused::Active(_) => StatusCode::CONFLICT,
            Refused::NoMemory { .. } => StatusCode::INSUFFICIENT_STORAGE,
        };
        Self(status, refused.to_string())
    }
}

impl Replica {
    /// Whether the path names the model of this server.
    async fn reached(&self, model: &str) -> Result<(), Refusal> {
        self.faults.silence().await;
        if model == self.model {
            return Ok(());
        }
        Err(Refusal(StatusCode::NOT_FOUND, format!("model {model} is not served here")))
    }
}

/// `GET /perch/v1/models/{model}`: what is loaded and what answers.
pub(crate) async fn state(
    State(replica): State<Arc<Replica>>,
    Path(model): Path<String>,
) -> Result<Json<Report>, Refusal> {
    replica.reached(&model).await?;
    let active = replica.store.active().map(|loaded| loaded.version.clone());
    let versions = replica.store.versions().into_iter();
    Ok(Json(Report {
        generation: active.clone(),
        active,
        loaded: versions.map(|(version, load)| Reported { version, load }).collect(),
        memory: Memory { free_bytes: replica.store.free() },
    }))
}

/// `PUT .../versions/{version}`: loads a version in the background.
pub(crate) async fn stage(
    State(replica): State<Arc<Replica>>,
    Path((model, version)): Path<(String, String)>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    replica.reached(&model).await?;
    let files: Files = parse(&body)?;
    if files.version != version {
        let why = format!("version: is {}, the path says {version}", files.version);
        return Err(Refusal(StatusCode::BAD_REQUEST, why));
    }
    let staged = replica.store.stage(&version, files.bytes)?;
    if staged == Staged::Ready {
        return Ok((StatusCode::OK, Json(json!({"version": version, "state": "ready"}))));
    }
    if staged == Staged::Begins {
        let loading = tokio::spawn(load(Arc::clone(&replica), files));
        replica.store.loads(&version, loading.abort_handle());
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"version": version, "state": "loading"}))))
}

async fn load(replica: Arc<Replica>, files: Files) {
    let file = match replica.faults.load() {
        Some(LoadFault::Die) => std::process::exit(70),
        Some(LoadFault::Hang) => std::future::pending().await,
        Some(LoadFault::Fail) => Err("the load fails, as it was told to".into()),
        Some(LoadFault::Slow(millis)) => {
            tokio::time::sleep(millis.into()).await;
            files.fetch(&replica.http).await
        }
        None => files.fetch(&replica.http).await,
    };
    if let Err(why) = &file {
        tracing::warn!("version {} was not loaded: {why}", files.version);
    }
    replica.store.arrived(&files.version, file);
}

/// `POST .../versions/{version}/probe`: an answer of a version that may not be the active one.
pub(crate) async fn probe(
    State(replica): State<Arc<Replica>>,
    Path((model, version)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Answer>, Refusal> {
    replica.reached(&model).await?;
    let loaded = replica.store.ready(&version)?;
    Ok(Json(classify::by(&loaded, &body)?))
}

/// `PUT .../active`: has a version answer the callers.
pub(crate) async fn activate(
    State(replica): State<Arc<Replica>>,
    Path(model): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    replica.reached(&model).await?;
    let Active { version } = parse(&body)?;
    replica.store.ready(&version)?;
    let before = replica.store.active();
    match replica.faults.activate() {
        Some(ActivateFault::Die) => std::process::exit(70),
        Some(ActivateFault::Ignore) => {}
        Some(ActivateFault::Flap(millis)) => {
            replica.store.activate(&version)?;
            tokio::spawn(async move {
                tokio::time::sleep(millis.into()).await;
                if let Some(before) = before {
                    // Where the former version is gone, the new one stays.
                    let _ = replica.store.activate(&before.version);
                }
            });
        }
        None => replica.store.activate(&version)?,
    }
    Ok(Json(json!({"active": version})))
}

/// `DELETE .../versions/{version}`: takes a version out of memory.
pub(crate) async fn unload(
    State(replica): State<Arc<Replica>>,
    Path((model, version)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    replica.reached(&model).await?;
    replica.store.unload(&version)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /health`: whether a model answers.
pub(crate) async fn health(State(replica): State<Arc<Replica>>) -> Result<Json<Value>, Refusal> {
    let none = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "no model is active".into());
    let active = replica.store.active().ok_or_else(none)?;
    Ok(Json(json!({"active": active.version})))
}
