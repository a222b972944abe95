//! The service itself: which category a headline belongs to, by the model that is active.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use news_classifier::classifier::is_unsure;
use news_classifier::input::text_of;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Replica;
use super::store::Loaded;
use crate::refusal::{Refusal, parse};

/// The header that names the version of the model that answered.
pub(crate) const MODEL_VERSION: &str = "model-version";

/// What a caller gets; the front keeps it as it is.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    /// The category.
    pub(crate) category: String,
    /// How likely it is, from 0 to 1.
    pub(crate) confidence: f64,
    /// The version of the model that answered.
    pub(crate) model_version: String,
}

/// `POST /classify`.
pub(crate) async fn answer(State(replica): State<Arc<Replica>>, body: Bytes) -> Response {
    let Some(loaded) = replica.store.active() else {
        let why = "no model is active".into();
        return Refusal(StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let request = loaded.metrics.request();
    let answer = by(&loaded, &body);
    let unsure = answer.as_ref().is_ok_and(|answer| is_unsure(answer.confidence));
    request.publish(answer.is_err(), &[("LowConfidence", u64::from(unsure))]);
    ([(MODEL_VERSION, loaded.version.clone())], answer.map(Json)).into_response()
}

/// The answer of one version.
pub(crate) fn by(loaded: &Loaded, body: &Bytes) -> Result<Answer, Refusal> {
    let request: Value = parse(body)?;
    let wrong = |why| Refusal(StatusCode::BAD_REQUEST, format!("{why}"));
    let text = text_of(&request).map_err(wrong)?;
    let found = loaded.model.classify(text, NonZeroU32::MIN);
    Ok(Answer {
        category: found.name.into(),
        confidence: found.rounded(),
        model_version: loaded.version.clone(),
    })
}
