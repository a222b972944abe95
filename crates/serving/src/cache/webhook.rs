//! Tells a service with its own invalidation of a new generation.

use std::time::Duration;

use perch_app::ports::PortError;
use perch_core::names::ModelName;
use reqwest::Method;
use serde::Serialize;

use crate::http::{Ask, Http, invalid};

const WITHIN: Duration = Duration::from_secs(3);
/// Waits before the second and the third try: a restart of the service is not waited for.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// What the service is told. It may be told the same more than once.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    pub(super) model: &'a ModelName,
    pub(super) generation: &'a str,
    pub(super) former: Option<&'a str>,
}

/// Posts until the service takes it, three times at most. The URL stays out of errors: it may be a secret.
pub(super) async fn tell(
    http: &Http,
    url: &str,
    token: Option<&str>,
    turn: &Turn<'_>,
) -> Result<(), PortError> {
    let what = format!("the cache webhook of model {}", turn.model);
    let body = serde_json::to_value(turn).map_err(|e| invalid(&what, e.to_string()))?;
    let ask = Ask {
        what: &what,
        method: Method::POST,
        url: url.to_owned(),
        body: Some(&body),
        token,
        within: WITHIN,
    };
    let mut pauses = PAUSES.into_iter();
    loop {
        let answer = http.send(&ask).await.and_then(|answer| {
            if answer.status.is_success() { Ok(()) } else { Err(answer.refused()) }
        });
        match (answer, pauses.next()) {
            (Err(PortError::Unavailable { .. }), Some(pause)) => tokio::time::sleep(pause).await,
            (answer, _) => return answer,
        }
    }
}
