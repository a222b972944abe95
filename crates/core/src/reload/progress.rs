//! How far a release of a model is.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Replica;
use crate::names::Version;

/// What is known of a model and how far its servers are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reload {
    /// What is known of the model.
    pub facts: ModelFacts,
    /// Replicas that are under way, by their names.
    #[serde(default)]
    pub begun: BTreeMap<String, Begun>,
    /// The names of the replicas that were read back with the canary.
    #[serde(default)]
    pub done: Vec<String>,
    /// Replicas that could not be brought over.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Whether the cache was switched, or found out of reach where that is no reason to stop.
    #[serde(default)]
    pub cache_settled: bool,
    /// Whether a round may have been under way when the rollback took the fence: it could still tell a
    /// replica to go over.
    #[serde(default)]
    pub racing: bool,
    /// Until when replicas are read again for that reason.
    #[serde(default)]
    pub settles_at: Option<Timestamp>,
}

/// A replica that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// Since when.
    pub at: Timestamp,
    /// How often it was told to load the model.
    pub attempts: u32,
}

impl Reload {
    /// A model of which no replica knows yet.
    pub fn of(facts: ModelFacts) -> Self {
        Self {
            facts,
            begun: BTreeMap::new(),
            done: Vec::new(),
            left_out: Vec::new(),
            cache_settled: false,
            racing: false,
            settles_at: None,
        }
    }

    /// Whether the release goes on without this replica.
    pub fn leaves_out(&self, replica: &Replica) -> bool {
        self.left_out.iter().any(|left| left.replica == replica.name)
    }

    /// Replicas that serve the canary from now on.
    pub fn finish(&mut self, names: &[String]) {
        for name in names {
            self.begun.remove(name);
            if !self.done.contains(name) {
                self.done.push(name.clone());
            }
        }
    }
}

/// What the check of an upload found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFacts {
    /// How many files it has.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What it measures, such as `accuracy`.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// What the baseline measures.
    #[serde(default)]
    pub baseline: BTreeMap<String, f64>,
    /// How many golden requests it brings.
    #[serde(default)]
    pub golden: u64,
    /// Who signed it, where that was checked.
    #[serde(default)]
    pub signed_by: Option<String>,
}

impl fmt::Display for ModelFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "complete: {} files, {} bytes", self.files, self.bytes)?;
        for (name, value) in &self.metrics {
            write!(f, "; {name} {value}")?;
            if let Some(before) = self.baseline.get(name) {
                write!(f, " (baseline {before})")?;
            }
        }
        write!(f, "; {} golden requests", self.golden)?;
        match &self.signed_by {
            Some(key) => write!(f, "; signed by {key}"),
            None => Ok(()),
        }
    }
}

/// A replica that could not be brought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// The name of the replica.
    pub replica: String,
    /// What it serves instead, if it says.
    #[serde(default)]
    pub serves: Option<Version>,
    /// What came back.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.serves {
            Some(version) => {
                write!(f, "{} still serves model {version}: {}", self.replica, self.why)
            }
            None => write!(f, "{} serves no model that is known: {}", self.replica, self.why),
        }
    }
}
