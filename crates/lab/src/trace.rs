//! What is seen of one canary: settled counts per minute and arm, and the baseline's last hour.

use crate::latency::{BINS, Histogram};

/// Minutes of a simulated canary, which is also its planned deadline.
pub const MINUTES: usize = 15;
/// Minutes of the baseline before the start.
pub const HISTORY: usize = 60;

/// One arm in one minute. Counts need not be whole: range statistics of CloudWatch are not.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Requests.
    pub requests: f64,
    /// Requests that failed.
    pub errors: f64,
    /// Requests per latency bin.
    pub latency: Histogram,
}

/// Both arms in one minute.
#[derive(Debug, Clone, PartialEq)]
pub struct Minute {
    /// The version under test.
    pub canary: Arm,
    /// The version that served before.
    pub baseline: Arm,
}

/// The baseline before the canary got traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Requests per minute.
    pub requests: Vec<f64>,
    /// Failed requests per minute.
    pub errors: Vec<f64>,
    /// Requests per latency bin over the whole time.
    pub latency: Histogram,
}

/// One canary from its first minute to its deadline.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The minutes since the canary got traffic.
    pub minutes: Vec<Minute>,
    /// What was known before.
    pub history: History,
    /// The canary's planned share of the traffic.
    pub weight: f64,
    /// Whether the canary is worse than the baseline by more than anyone tolerates.
    pub bad: bool,
}

impl Arm {
    /// Failed requests as a share of all; 0 without requests.
    pub fn error_rate(&self) -> f64 {
        self.errors / self.requests.max(1.0)
    }
}

impl Trace {
    /// Errors that the canary served in its first minutes.
    pub fn errors_served(&self, minutes: usize) -> f64 {
        self.minutes.iter().take(minutes).map(|minute| minute.canary.errors).sum()
    }

    /// Errors of an arm over all minutes as a share of its requests.
    pub fn error_rate(&self, arm: fn(&Minute) -> &Arm) -> f64 {
        let errors: f64 = self.minutes.iter().map(|minute| arm(minute).errors).sum();
        let requests: f64 = self.minutes.iter().map(|minute| arm(minute).requests).sum();
        errors / requests.max(1.0)
    }

    /// The latency of an arm over all minutes.
    pub fn latency(&self, arm: fn(&Minute) -> &Arm) -> Histogram {
        let mut all = [0.0; BINS];
        for minute in &self.minutes {
            for (sum, count) in all.iter_mut().zip(&arm(minute).latency) {
                *sum += count;
            }
        }
        all
    }
}
