//! The models in memory: which are ready, and which one answers.
//!
//! A request takes the active model once and ends with it, so a switch fails none. How files get here is
//! left to `download`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use news_classifier::classifier::{Model, ModelError};
use news_classifier::emf::Metrics;
use serde::Serialize;
use tokio::task::AbortHandle;

/// A model that can answer.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The name of the version.
    pub(crate) version: String,
    /// The model.
    pub(crate) model: Model,
    /// Its metrics.
    pub(crate) metrics: Metrics,
    bytes: u64,
}

/// Where a version is on its way into memory.
#[derive(Debug)]
enum Slot {
    Loading { bytes: u64, task: Option<AbortHandle> },
    Ready(Arc<Loaded>),
    Failed { reason: String },
}

/// What a version is reported as.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub(crate) enum Load {
    /// It is being loaded.
    Loading,
    /// It can answer.
    Ready,
    /// It could not be loaded.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Why a file is no model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadModel {
    /// It is not what a model.json holds.
    #[error("model.json: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It has a stem too long or too short.
    #[error("model.json: {0}")]
    Unusable(#[from] ModelError),
}

/// Why a version can't be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It was never staged.
    #[error("version {0} is not loaded")]
    Unknown(String),
    /// It is loading, or could not be loaded.
    #[error("version {0} is not ready")]
    NotReady(String),
    /// It answers the callers.
    #[error("version {0} is the active one")]
    Active(String),
    /// There is no room for it beside the others.
    #[error("version {version} needs {needed} bytes and {free} are free")]
    NoMemory { version: String, needed: u64, free: u64 },
}

/// How far a version was when it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Staged {
    /// It begins to load now: whoever asked loads it.
    Begins,
    /// It is being loaded already.
    Loading,
    /// It is ready.
    Ready,
}

/// Every model of one server.
#[derive(Debug)]
pub(crate) struct Store {
    service: String,
    memory: u64,
    active: ArcSwapOption<Loaded>,
    slots: Mutex<BTreeMap<String, Slot>>,
}

impl Store {
    /// A server without a model.
    pub(crate) fn new(service: &str, memory: u64) -> Self {
        Self {
            service: service.into(),
            memory,
            active: ArcSwapOption::empty(),
            slots: Mutex::default(),
        }
    }

    /// Serves this model from the start.
    pub(crate) fn begin(&self, version: String, file: &[u8]) -> Result<(), BadModel> {
        let loaded = Arc::new(self.loaded(&version, file, file.len() as u64)?);
        self.active.store(Some(Arc::clone(&loaded)));
        self.slots().insert(version, Slot::Ready(loaded));
        Ok(())
    }

    /// The model that answers callers.
    pub(crate) fn active(&self) -> Option<Arc<Loaded>> {
        self.active.load_full()
    }

    /// Every version and how far it is.
    pub(crate) fn versions(&self) -> Vec<(String, Load)> {
        let load = |slot: &Slot| match slot {
            Slot::Loading { .. } => Load::Loading,
            Slot::Ready(_) => Load::Ready,
            Slot::Failed { reason } => Load::Failed { reason: reason.clone() },
        };
        self.slots().iter().map(|(version, slot)| (version.clone(), load(slot))).collect()
    }

    /// Bytes that another model may take.
    pub(crate) fn free(&self) -> u64 {
        self.memory.saturating_sub(taken(&self.slots()))
    }

    /// Makes room for a version, unless it is there; a failed one is tried again.
    pub(crate) fn stage(&self, version: &str, bytes: u64) -> Result<Staged, Refused> {
        let mut slots = self.slots();
        match slots.get(version) {
            Some(Slot::Ready(_)) => return Ok(Staged::Ready),
            Some(Slot::Loading { .. }) => return Ok(Staged::Loading),
            Some(Slot::Failed { .. }) | None => {}
        }
        let free = self.memory.saturating_sub(taken(&slots));
        if bytes > free {
            return Err(Refused::NoMemory { version: version.into(), needed: bytes, free });
        }
        slots.insert(version.into(), Slot::Loading { bytes, task: None });
        Ok(Staged::Begins)
    }

    /// Remembers who loads a version, so that it can be ended.
    pub(crate) fn loads(&self, version: &str, by: AbortHandle) {
        match self.slots().get_mut(version) {
            Some(Slot::Loading { task, .. }) => *task = Some(by),
            // Taken out, or ready, in the meantime: there is nothing left to load.
            Some(Slot::Ready(_) | Slot::Failed { .. }) => {}
            None => by.abort(),
        }
    }

    /// Ends the load of a version; nothing if it was taken out meanwhile.
    pub(crate) fn arrived(&self, version: &str, file: Result<Vec<u8>, String>) {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(version) else { return };
        let Slot::Loading { bytes, .. } = *slot else { return };
        let loaded = file
            .and_then(|file| self.loaded(version, &file, bytes).map_err(|wrong| wrong.to_string()));
        *slot = match loaded {
            Ok(loaded) => Slot::Ready(Arc::new(loaded)),
            Err(reason) => Slot::Failed { reason },
        };
    }

    /// A version that is ready.
    pub(crate) fn ready(&self, version: &str) -> Result<Arc<Loaded>, Refused> {
        ready(&self.slots(), version)
    }

    /// Has a version that is ready answer from now on.
    pub(crate) fn activate(&self, version: &str) -> Result<(), Refused> {
        // Under the lock of `unload`: the active version is always a loaded one.
        let slots = self.slots();
        self.active.store(Some(ready(&slots, version)?));
        Ok(())
    }

    /// Takes a version out of memory.
    pub(crate) fn unload(&self, version: &str) -> Result<(), Refused> {
        let mut slots = self.slots();
        if self.active.load().as_ref().is_some_and(|active| active.version == version) {
            return Err(Refused::Active(version.into()));
        }
        if let Some(Slot::Loading { task: Some(task), .. }) = slots.remove(version) {
            task.abort();
        }
        Ok(())
    }

    fn loaded(&self, version: &str, file: &[u8], bytes: u64) -> Result<Loaded, BadModel> {
        let model: Model = serde_json::from_slice(file)?;
        model.check()?;
        let metrics = Metrics::new("NewsClassifier", self.service.clone(), version.into());
        Ok(Loaded { version: version.into(), model, metrics, bytes })
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        // No code panics while it holds the lock, and every single change leaves the map whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ready(slots: &BTreeMap<String, Slot>, version: &str) -> Result<Arc<Loaded>, Refused> {
    match slots.get(version) {
        Some(Slot::Ready(loaded)) => Ok(Arc::clone(loaded)),
        Some(Slot::Loading { .. } | Slot::Failed { .. }) => Err(Refused::NotReady(version.into())),
        None => Err(Refused::Unknown(version.into())),
    }
}

fn taken(slots: &BTreeMap<String, Slot>) -> u64 {
    slots
        .values()
        .map(|slot| match slot {
            Slot::Loading { bytes, .. } => *bytes,
            Slot::Ready(loaded) => loaded.bytes,
            Slot::Failed { .. } => 0,
        })
        .sum()
}
