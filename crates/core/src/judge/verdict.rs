//! Pass, Fail or Inconclusive, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::reason::Reason;

/// What the judge says of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Within every limit, with enough requests to say so.
    Pass,
    /// Beyond a limit, or a guard is in ALARM.
    Fail,
    /// Not enough requests to say.
    Inconclusive,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Pass => "Pass",
            Outcome::Fail => "Fail",
            Outcome::Inconclusive => "Inconclusive",
        })
    }
}

/// An outcome with its reasons, the weightiest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// What the judge says.
    pub outcome: Outcome,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
    /// A Pass that need not wait for the end of the bake.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
    /// Inconclusive, and readings of the planned bake are still to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// Inconclusive because there were too few requests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub low_traffic: bool,
}

impl Verdict {
    /// A verdict at the end of what was planned.
    pub fn new(outcome: Outcome, reasons: Vec<Reason>) -> Self {
        Self { outcome, reasons, early: false, pending: false, low_traffic: false }
    }

    /// The reasons as people read them.
    pub fn texts(&self) -> Vec<String> {
        self.reasons.iter().map(Reason::to_string).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.outcome, self.texts().join("; "))
    }
}
