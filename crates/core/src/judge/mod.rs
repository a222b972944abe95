//! The judge: a pure function from readings to a verdict with reasons.
//!
//! [`sequential`] weighs evidence against the baseline; `evidence` turns its looks into verdicts about
//! the steps of a release. `thresholds` is the rule with fixed limits. Neither ever calls a lack of data
//! a pass.

pub mod brackets;
mod evidence;
mod health;
mod reason;
mod replay;
pub mod sequential;
mod synthetic;
mod thresholds;
mod verdict;
mod wording;

pub use evidence::{Judging, Observed, Place, judge_evidence};
pub use health::Health;
pub use reason::Reason;
pub use replay::{Replayed, Side, replay};
pub use synthetic::{MOST_PER_LOOK, SentBatch, SentRequests};
pub use thresholds::{judge_bake, judge_watch};
pub use verdict::{Outcome, Verdict};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::AlarmName;

/// What was read for one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readings {
    /// The start of the window, inclusive.
    pub from: Timestamp,
    /// The end of the window, exclusive. Later minutes are not settled.
    pub to: Timestamp,
    /// The version under test.
    pub canary: Arm,
    /// The version that served before, in the same window.
    pub baseline: Arm,
    /// The guards that are in ALARM.
    pub alarms: Vec<AlarmName>,
    /// The guards that CloudWatch does not know (any more).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_guards: Vec<AlarmName>,
}

/// What one version answered in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arm {
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// The rule's quantile of their duration in milliseconds: the mean of the periods' quantiles,
    /// weighted by requests. CloudWatch can't combine quantiles of several periods.
    pub latency_ms: Option<f64>,
}

impl Arm {
    /// Failed requests as a fraction of all; 0 without requests.
    pub fn error_rate(&self) -> f64 {
        if self.requests == 0 {
            return 0.0;
        }
        // Counts of one release stay far below 2^53.
        #[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
        let rate = self.errors as f64 / self.requests as f64;
        rate
    }
}
