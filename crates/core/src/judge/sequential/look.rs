//! What one look found: the evidence, the gates, and what follows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A signal of the judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Signal {
    /// Failed requests against the baseline's.
    Errors,
    /// Failed requests against the absolute limit.
    Limit,
    /// Slow requests at a quantile of [`QUANTILES`](super::QUANTILES), by its place there.
    Latency(usize),
    /// A custom signal.
    Custom(String),
}

const LATENCIES: [&str; 4] = ["p90", "p95", "p98", "p99"];

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Signal::Errors => "errors",
            Signal::Limit => "error limit",
            Signal::Latency(place) => LATENCIES.get(*place).copied().unwrap_or("latency"),
            Signal::Custom(name) => name,
        })
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        signal.to_string()
    }
}

impl From<String> for Signal {
    fn from(name: String) -> Self {
        match name.as_str() {
            "errors" => Signal::Errors,
            "error limit" => Signal::Limit,
            other => match LATENCIES.iter().position(|latency| *latency == other) {
                Some(place) => Signal::Latency(place),
                None => Signal::Custom(name),
            },
        }
    }
}

/// One signal at a look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalLook {
    /// Which.
    pub signal: Signal,
    /// Its weight in the combined evidence.
    pub weight: f64,
    /// Events of the canary so far, and what they are counted of.
    pub canary: (f64, f64),
    /// The same of the baseline.
    pub baseline: (f64, f64),
    /// ln E against "not worse than the baseline".
    pub evidence: f64,
    /// The same from the starts since which the estimate is beyond the practical margin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gated: Option<f64>,
    /// The same without the dropped blocks.
    pub corroborated: f64,
    /// Whether the estimate is beyond the practical margin since any start.
    pub gate: bool,
    /// The dispersion of the next bucket.
    pub dispersion: f64,
    /// The dropped blocks, from 0, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<usize>,
    /// At the last look: the tail probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<f64>,
}

/// One test of the promotion at a look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromiseLook {
    /// Of which signal.
    pub signal: Signal,
    /// The highest ln E so far against "worse than promised".
    pub evidence: f64,
    /// Whether the promotion rests on it: quantiles only where enough slow requests were planned for.
    pub required: bool,
    /// At the last look: the probability of so few events if it were worse than promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<f64>,
}

/// What a look says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Say {
    /// The canary is worse: roll back.
    Rollback {
        /// The signals that carry the evidence.
        causes: Vec<RollbackSignal>,
        /// At least half of the requests failed, at least ten: no corroboration was asked for.
        catastrophe: bool,
    },
    /// The canary is as promised: go on.
    Promote {
        /// At the last look, and not before.
        at_end: bool,
    },
    /// Not enough evidence either way yet.
    Wait,
    /// Not enough evidence either way at the last look.
    Inconclusive {
        /// What is missing.
        missing: Missing,
    },
}

/// A signal that made a release go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackSignal {
    /// Which.
    pub signal: Signal,
    /// By the test of the last look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_end: bool,
}

/// Why there is no verdict at the last look. docs/judge.md, section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The baseline had requests for three blocks and the canary none.
    NoCanaryData,
    /// Neither arm had requests.
    NoTraffic,
    /// Fewer canary requests than the plan needs to see a doubled error rate.
    LowTraffic,
    /// The split of events varies more than four times as much as chance.
    Noisy,
    /// The evidence is between the two.
    Borderline,
}

/// One look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Blocks so far; the last may be under way.
    pub blocks: u32,
    /// Buckets so far.
    pub buckets: u32,
    /// ln of the combined evidence of all signals.
    pub evidence: f64,
    /// The same of the signals beyond their gates; nothing without one.
    pub gated: Option<f64>,
    /// The same without the dropped blocks.
    pub corroborated: Option<f64>,
    /// The signals.
    pub signals: Vec<SignalLook>,
    /// The tests of the promotion.
    pub promises: Vec<PromiseLook>,
    /// The highest ln E of a gated signal after the warm-up: a promotion asks for less than ln 2.
    pub guard: Option<f64>,
    /// What the error rate of a promoted canary may be above twice the baseline's.
    pub tolerance: f64,
    /// What the look says.
    pub say: Say,
}
