//! How a request is refused: a status and `{"error": "text"}`.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::json;

/// A status of 400 or more, and why.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// A body as JSON of this shape.
pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|wrong| Refusal(StatusCode::BAD_REQUEST, wrong.to_string()))
}

/// Answers paths and methods that are none as every other refusal.
pub(crate) fn refusing<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let refuse = |status, why: &str| std::future::ready(Refusal(status, why.into()));
    router
        .fallback(move || refuse(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(move || {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods")
        })
}
