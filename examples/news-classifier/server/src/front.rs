//! A cache in front of the model servers.
//!
//! An answer is looked up under the generation that the pointer names, and kept under the version of the
//! model that gave it. So a canary's answers wait in the next generation until the pointer is switched.
//! A request that no model server answers fails: none is sent twice.

mod cache;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use news_classifier::input::text_of;
use serde_json::Value;

use crate::args::Front as Options;
use crate::refusal::{Refusal, parse, refusing};
use cache::{Cache, Kept};

/// How long a model server may take.
const PATIENCE: Duration = Duration::from_secs(5);
const MODEL_VERSION: &str = "model-version";
/// Says whether the answer was kept: `hit` or `miss`, or `off` without a cache.
const CACHE: &str = "cache";

/// The front between two requests.
#[derive(Debug)]
struct Front {
    replicas: Vec<String>,
    next: AtomicUsize,
    http: reqwest::Client,
    cache: Option<Cache>,
}

/// The routes of a front.
pub(crate) fn router(options: &Options) -> anyhow::Result<Router> {
    let connect = |url: &String| Cache::connect(url, &options.model, options.keep);
    let cache = options.redis.as_ref().map(connect).transpose().context("--redis")?;
    let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let replicas = options.replicas.clone();
    let front = Front { replicas, next: AtomicUsize::new(0), http, cache };
    let routes =
        Router::new().route("/classify", post(classify)).route("/health", get(|| async {}));
    Ok(refusing(routes).with_state(Arc::new(front)))
}

/// `POST /classify`: the kept answer, or a model server's.
async fn classify(State(front): State<Arc<Front>>, body: Bytes) -> Result<Response, Refusal> {
    let Some(cache) = &front.cache else {
        let reply = front.ask(body).await?;
        return Ok(answer(reply.body, reply.version, "off", reply.status));
    };
    let request: Value = parse(&body)?;
    let text = text_of(&request)
        .map_err(|why| Refusal(StatusCode::BAD_REQUEST, why.to_string()))?
        .to_owned();
    if let Some(Kept { generation, answer: kept }) = cache.look_up(&text).await {
        return Ok(answer(kept.into(), Some(generation), "hit", StatusCode::OK));
    }
    let reply = front.ask(body).await?;
    if let (StatusCode::OK, Some(version)) = (reply.status, &reply.version) {
        cache.keep(version, &text, &reply.body);
    }
    Ok(answer(reply.body, reply.version, "miss", reply.status))
}

/// What a model server answered.
struct Reply {
    status: StatusCode,
    version: Option<String>,
    body: Bytes,
}

impl Front {
    /// The answer of the server whose turn it is.
    async fn ask(&self, body: Bytes) -> Result<Reply, Refusal> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.replicas.len();
        let replica = &self.replicas[turn];
        let failed = |wrong: reqwest::Error| {
            let why = wrong.without_url();
            Refusal(StatusCode::BAD_GATEWAY, format!("{replica} did not answer: {why}"))
        };
        let reply = self
            .http
            .post(format!("{replica}/classify"))
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        let version = reply.headers().get(MODEL_VERSION).and_then(|v| v.to_str().ok());
        let (status, version) = (reply.status(), version.map(str::to_owned));
        Ok(Reply { status, version, body: reply.bytes().await.map_err(failed)? })
    }
}

fn answer(
    body: Bytes,
    version: Option<String>,
    cache: &'static str,
    status: StatusCode,
) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE, HeaderValue::from_static(cache));
    if let Some(version) = version.and_then(|version| HeaderValue::try_from(version).ok()) {
        headers.insert(MODEL_VERSION, version);
    }
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests;
