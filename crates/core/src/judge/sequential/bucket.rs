//! The settled counts that evidence is made of.

use serde::{Deserialize, Serialize};

/// The quantiles of the baseline's history whose latencies are the thresholds of "slow".
pub const QUANTILES: [f64; 4] = [0.90, 0.95, 0.98, 0.99];

/// How far apart the thresholds of one quantile are: each is 9.5 % above the one before.
pub const GROWTH: f64 = 1.095_445_115_010_332_2;

/// Requests slower than a quantile's threshold, than it times [`GROWTH`], and times that squared.
///
/// Of the baseline the first counts for the rollback and the last for the promotion. They are the same
/// number where counts are exact, and the two ends of the bracket where only percentiles are known.
pub type Slow = [f64; 3];

/// What one arm answered in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Requests. Counts need not be whole.
    pub requests: f64,
    /// Requests that failed.
    pub errors: f64,
    /// Slow requests, by the quantiles of [`QUANTILES`].
    #[serde(default)]
    pub slow: [Slow; 4],
}

/// Events of a kind and what they are counted of, for example unsure answers of all answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Events.
    pub count: f64,
    /// What could have been one.
    pub total: f64,
}

/// One custom signal in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The canary's.
    pub canary: Tally,
    /// The baseline's.
    pub baseline: Tally,
}

/// Settled counts of both arms in one bucket of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The version under test.
    pub canary: Counts,
    /// The version that served before.
    pub baseline: Counts,
    /// Custom signals, in the order of the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<Pair>,
}
