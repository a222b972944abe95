//! How a request is refused: a status and `{"error": "text"}`.

use axum::Json;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
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

/// The answer to a path that is none.
pub(crate) async fn unknown_path() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "there is nothing at this path".into())
}
