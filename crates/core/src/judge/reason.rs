//! Why a verdict is as it is, as a value. `wording` says it as people read it.

use serde::{Deserialize, Serialize};

use super::evidence::Judging;
use super::health::Health;
use super::sequential::{Missing, Signal, SignalLook};
use crate::names::AlarmName;
use crate::percent::Percent;
use crate::target::Quantile;

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
    /// Too few of the canary's targets are healthy, as the load balancer sees them.
    TargetsUnhealthy {
        /// What was found.
        health: Health,
        /// The share that is needed.
        least: Percent,
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
    /// The evidence against the canary is enough.
    Proven {
        /// What is worse, as people say it.
        what: String,
        /// Such requests of the canary, and all of it.
        canary: (f64, f64),
        /// The same of the baseline.
        baseline: (f64, f64),
        /// The evidence against "not worse than the baseline": this many to one.
        odds: f64,
        /// The chance of as much by the last look, where that decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tail: Option<f64>,
    },
    /// At least half of the canary's requests failed.
    Catastrophe,
    /// The canary is shown to be as promised.
    Promised {
        /// Failed requests of the canary.
        errors: f64,
        /// All requests of the canary.
        requests: f64,
        /// What its error rate may be above twice the baseline's, as a fraction.
        tolerance: f64,
        /// The quantiles at which it is at most 1.2 times slower.
        quantiles: Vec<String>,
        /// Or by this many milliseconds.
        #[serde(default)]
        tolerance_ms: f64,
        /// How long it took.
        minutes: f64,
    },
    /// Nothing speaks against the canary at the end of a step.
    NothingAgainst {
        /// Its requests in the step.
        requests: f64,
    },
    /// The evidence leans against the canary, and is not enough to roll back.
    LeansAgainst {
        /// This many to one.
        odds: f64,
    },
    /// Readings are still to come.
    Settled {
        /// Settled buckets of the step.
        settled: u32,
        /// Buckets of the step.
        planned: u32,
        /// The length of one.
        bucket_seconds: u32,
        /// The evidence against the canary so far: this many to one, of 200 needed.
        #[serde(default)]
        against: f64,
        /// The evidence for the weakest part of the promise so far: this many to one, of 100 needed.
        #[serde(default)]
        promise: f64,
    },
    /// No verdict by the end.
    Undecided {
        /// What is missing.
        missing: Missing,
    },
    /// The baseline had too few requests before the start to know what slow is.
    NoHistory,
    /// How many requests were planned for.
    Planned {
        /// Canary requests that came.
        found: f64,
        /// Canary requests that were planned.
        planned: f64,
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

/// The logarithm of the strongest odds. `DynamoDB` takes numbers below 1E+126 ("Supported data types", Number),
/// and e^280 is 4E+121.
const STRONGEST: f64 = 280.0;

/// Odds from a logarithm, bounded so that they can be kept.
pub(super) fn odds(log: f64) -> f64 {
    log.min(STRONGEST).exp()
}

impl Reason {
    /// What is proven of a signal.
    pub(super) fn proven(signal: &SignalLook, judging: &Judging, at_end: bool) -> Self {
        let threshold = |place: &usize| {
            let limit = judging.basis.thresholds_ms.get(*place);
            limit.map_or_else(String::new, |limit| format!(", {limit:.0} ms"))
        };
        let what = match &signal.signal {
            Signal::Errors => "failed".to_owned(),
            Signal::Limit => "failed, above the absolute limit".to_owned(),
            Signal::Latency(place) => {
                format!(
                    "slower than the baseline's {} of before{}",
                    signal.signal,
                    threshold(place)
                )
            }
            Signal::Custom(name) => name.clone(),
        };
        Reason::Proven {
            what,
            canary: signal.canary,
            baseline: signal.baseline,
            odds: odds(signal.evidence),
            tail: signal.tail.filter(|_| at_end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_odds_can_be_kept() {
        let largest = 9.9e125;
        for log in [0.0, 13.8, 289.0, 1e6, f64::INFINITY] {
            let odds = odds(log);
            assert!((1.0..largest).contains(&odds), "{log} {odds}");
        }
    }
}
