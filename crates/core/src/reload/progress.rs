//! How far a release of a model is.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::Version;

/// What is known of a model and how far its servers are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reload {
    /// What is known of the model.
    pub facts: ModelFacts,
    /// When the replicas that are under way were begun; nothing between two batches.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Replicas that could not be brought over.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

impl Reload {
    /// A model of which no replica knows yet.
    pub fn of(facts: ModelFacts) -> Self {
        Self { facts, since: None, left_out: Vec::new() }
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
