//! What a server does wrong on purpose, for tests of releases. Only with `--faults`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::Replica;
use crate::refusal::{Refusal, parse};

/// The faults of a server; `{}` is a healthy one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Faults {
    /// What happens to the next loads.
    load: Option<LoadFault>,
    /// What happens to the next switches.
    activate: Option<ActivateFault>,
    /// The contract's routes never answer; callers are answered all the same.
    #[serde(default)]
    silent: bool,
}

/// How a load goes wrong: `"die"`, `"hang"`, `"fail"` or `{"slow": 500}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LoadFault {
    /// The process ends.
    Die,
    /// It never ends.
    Hang,
    /// It fails.
    Fail,
    /// It begins so many milliseconds late.
    Slow(Millis),
}

/// How a switch goes wrong: `"die"`, `"ignore"` or `{"flap": 500}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ActivateFault {
    /// The process ends.
    Die,
    /// The server says yes and the former version goes on answering.
    Ignore,
    /// The server goes back to the former version after so many milliseconds.
    Flap(Millis),
}

/// A number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Millis(u64);

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Duration::from_millis(millis.0)
    }
}

/// The faults of a server, changed while it runs.
#[derive(Debug)]
pub(crate) struct FaultBox(ArcSwap<Faults>);

impl FaultBox {
    /// A server with these faults.
    pub(crate) fn new(faults: Faults) -> Self {
        Self(ArcSwap::from_pointee(faults))
    }

    /// What happens to a load that begins now.
    pub(crate) fn load(&self) -> Option<LoadFault> {
        self.0.load().load
    }

    /// What happens to a switch that is asked for now.
    pub(crate) fn activate(&self) -> Option<ActivateFault> {
        self.0.load().activate
    }

    /// Never returns while the server is silent at the moment of the call.
    pub(crate) async fn silence(&self) {
        if self.0.load().silent {
            std::future::pending::<()>().await;
        }
    }
}

/// `PUT /faults`: replaces all faults.
pub(crate) async fn set(
    State(replica): State<Arc<Replica>>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    replica.faults.0.store(Arc::new(parse(&body)?));
    Ok(StatusCode::NO_CONTENT)
}
