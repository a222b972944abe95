//! Pass, Fail or Inconclusive, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::Judging;
use super::sequential::{Missing, Signal, SignalLook};
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
            Reason::Proven { what, canary, baseline, odds, tail } => {
                let (side, other) = (rate(*canary), rate(*baseline));
                write!(
                    f,
                    "{what}: {} of {} canary requests ({side}) against {} of {} of the baseline \
                     ({other}); evidence {}",
                    count(canary.0),
                    count(canary.1),
                    count(baseline.0),
                    count(baseline.1),
                    odds_text(*odds),
                )?;
                tail.map_or(Ok(()), |tail| write!(f, ", chance {tail:.1e} at the last look"))
            }
            Reason::Catastrophe => f.write_str("at least half of the canary's requests failed"),
            Reason::Promised { errors, requests, tolerance, quantiles, minutes } => {
                write!(
                    f,
                    "{} of {} canary requests failed; shown in {minutes:.1} minutes: errors at most \
                     2 times the baseline's + {:.2} points",
                    count(*errors),
                    count(*requests),
                    100.0 * tolerance
                )?;
                if quantiles.is_empty() {
                    return Ok(());
                }
                write!(f, ", at most 1.2 times slower at {}", quantiles.join(", "))
            }
            Reason::NothingAgainst { requests } => {
                write!(f, "nothing speaks against the canary after {} requests", count(*requests))
            }
            Reason::LeansAgainst { odds } => {
                write!(f, "the evidence leans against the canary ({})", odds_text(*odds))
            }
            Reason::Settled { settled, planned, bucket_seconds, against, promise } => {
                let unit = if *bucket_seconds == 60 {
                    "minutes".to_owned()
                } else {
                    format!("periods of {bucket_seconds} s")
                };
                write!(f, "{settled} of {planned} {unit} are settled")?;
                if *settled == 0 {
                    return Ok(());
                }
                let (against, promise) = (odds_text(*against), odds_text(*promise));
                write!(f, "; evidence against the canary {against}, for it {promise}")
            }
            Reason::Undecided { missing } => f.write_str(match missing {
                Missing::NoCanaryData => "no request reached the canary",
                Missing::NoTraffic => "there was no traffic",
                Missing::LowTraffic => "too few requests to tell",
                Missing::Noisy => "the errors are too noisy to tell",
                Missing::Borderline => "the evidence is enough for neither",
            }),
            Reason::NoHistory => f.write_str(
                "the baseline had fewer than 100 requests in the day before the start, so nothing can \
                 be promised of latency; `perch promote` goes on without",
            ),
            Reason::Planned { found, planned } => {
                write!(f, "{} of {} planned canary requests came", count(*found), count(*planned))
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
            odds: signal.evidence.min(500.0).exp(),
            tail: signal.tail.filter(|_| at_end),
        }
    }
}

/// A count as people read it: whole, unless it is not.
fn count(count: f64) -> String {
    if count.fract() == 0.0 { format!("{count:.0}") } else { format!("{count:.1}") }
}

fn rate((part, whole): (f64, f64)) -> String {
    let percent = if whole > 0.0 { 100.0 * part / whole } else { 0.0 };
    if percent >= 1.0 { format!("{percent:.1}%") } else { format!("{percent:.2}%") }
}

/// Odds as people read them.
fn odds_text(odds: f64) -> String {
    if odds >= 1e6 {
        "more than a million to one".to_owned()
    } else if odds >= 10.0 {
        format!("{odds:.0} to one")
    } else {
        format!("{odds:.1} to one")
    }
}

#[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
