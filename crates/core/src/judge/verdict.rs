//! Pass, Fail or Inconclusive, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::AlarmName;
use crate::percent::Percent;
use crate::target::Quantile;

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
}

impl Verdict {
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

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Reason {
    /// A guard is in ALARM.
    GuardInAlarm {
        /// The guard.
        alarm: AlarmName,
    },
    /// A guard was deleted: nothing passes without it.
    GuardMissing {
        /// The guard.
        alarm: AlarmName,
    },
    /// No latency was read after the warm-up, on one of the arms.
    NoLatency,
    /// More requests failed than the limit allows.
    ErrorsAbove {
        /// Failed requests of the canary.
        errors: u64,
        /// All requests of the canary.
        requests: u64,
        /// The limit.
        max: Percent,
    },
    /// The canary's quantile is too far above the baseline's.
    LatencyAbove {
        /// The quantile.
        quantile: Quantile,
        /// The canary's, in milliseconds.
        canary_ms: f64,
        /// The baseline's, in milliseconds.
        baseline_ms: f64,
        /// The highest value that would have passed, in milliseconds.
        limit_ms: f64,
    },
    /// Too few requests reached the canary.
    TooFewRequests {
        /// Requests of the canary.
        found: u64,
        /// The rule's minimum.
        needed: u64,
    },
    /// The baseline answered too few requests to compare latency with.
    TooFewBaselineRequests {
        /// Requests of the baseline.
        found: u64,
        /// The rule's minimum.
        needed: u64,
    },
    /// Failed requests within the limit.
    ErrorsWithin {
        /// Failed requests of the canary.
        errors: u64,
        /// All requests of the canary.
        requests: u64,
        /// The limit.
        max: Percent,
    },
    /// Latency within the limit.
    LatencyWithin {
        /// The quantile.
        quantile: Quantile,
        /// The canary's, in milliseconds.
        canary_ms: f64,
        /// The baseline's, in milliseconds.
        baseline_ms: f64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::GuardInAlarm { alarm } => write!(f, "guard {alarm} is in ALARM"),
            Reason::GuardMissing { alarm } => write!(f, "guard {alarm} does not exist any more"),
            Reason::NoLatency => f.write_str("no latency after the warm-up yet"),
            Reason::ErrorsAbove { errors, requests, max } => {
                write!(
                    f,
                    "{errors} of {requests} canary requests failed ({:.1}%, limit {max})",
                    share(*errors, *requests)
                )
            }
            Reason::LatencyAbove { quantile, canary_ms, baseline_ms, limit_ms } => write!(
                f,
                "canary {quantile} {canary_ms:.1} ms against {baseline_ms:.1} ms of the baseline \
                 (limit {limit_ms:.1} ms)"
            ),
            Reason::TooFewRequests { found, needed } => {
                write!(f, "{found} of {needed} canary requests needed")
            }
            Reason::TooFewBaselineRequests { found, needed } => {
                write!(f, "{found} of {needed} baseline requests needed to compare latency")
            }
            Reason::ErrorsWithin { errors, requests, max } => {
                write!(f, "{errors} of {requests} canary requests failed (limit {max})")
            }
            Reason::LatencyWithin { quantile, canary_ms, baseline_ms } => write!(
                f,
                "canary {quantile} {canary_ms:.1} ms against {baseline_ms:.1} ms of the baseline"
            ),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
