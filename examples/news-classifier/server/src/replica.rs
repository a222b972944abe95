//! One model server: its routes, and what it begins with.

mod classify;
mod contract;
mod download;
mod faults;
mod store;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::routing::{get, post, put};

use crate::args::Serve;
use crate::refusal::refusing;
use faults::{FaultBox, Faults};
use store::Store;

/// What every request sees.
#[derive(Debug)]
pub(crate) struct Replica {
    model: String,
    store: Store,
    faults: FaultBox,
    http: reqwest::Client,
}

/// The routes of a server that serves the model of a folder.
pub(crate) fn router(options: &Serve) -> anyhow::Result<Router> {
    let faults: Faults = match &options.faults {
        Some(json) => serde_json::from_str(json).context("--faults")?,
        None => Faults::default(),
    };
    let folder = &options.model_dir;
    let named = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let version =
        options.model_version.clone().or_else(named).context("--model-version: give one")?;
    let path = folder.join("model.json");
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let store = Store::new(&options.model, options.memory);
    store.begin(version, &bytes).with_context(|| path.display().to_string())?;
    let replica = Replica {
        model: options.model.clone(),
        store,
        faults: FaultBox::new(faults),
        http: download::client()?,
    };
    Ok(routes(replica, options.faults.is_some()))
}

fn routes(replica: Replica, faulty: bool) -> Router {
    let version = "/perch/v1/models/{model}/versions/{version}";
    let mut router = Router::new()
        .route("/classify", post(classify::answer))
        .route("/health", get(contract::health))
        .route("/perch/v1/models/{model}", get(contract::state))
        .route("/perch/v1/models/{model}/active", put(contract::activate))
        .route(version, put(contract::stage).delete(contract::unload))
        .route(&format!("{version}/probe"), post(contract::probe));
    if faulty {
        router = router.route("/faults", put(faults::set));
    }
    refusing(router).with_state(Arc::new(replica))
}

#[cfg(test)]
mod tests;
