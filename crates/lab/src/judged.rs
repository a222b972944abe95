//! The judge on a trace: what is fixed before the start, one bucket per minute, and a look at the end of
//! each. The trace's length is taken as the planned time, so the last look is in its last minute.

use perch_core::judge::sequential::{
    Basis, Bucket, Counts, Judge, Look, Method, QUANTILES, Say, Series, Slow,
};

use crate::bench::{End, Rule};
use crate::latency::{BINS, Histogram, edges};
use crate::trace::{Arm, Trace};

/// The length of a bucket in seconds.
const MINUTE: u32 = 60;
/// Bins from one threshold of "slow" to the next.
const THRESHOLDS: [usize; 3] = [0, 1, 2];

/// The judge with the numbers of a preset.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The name in the tables.
    pub name: String,
    /// The numbers.
    pub method: Method,
    /// Minutes at the beginning in which latency is not judged.
    pub latency_warm_up: u32,
    /// Buckets in a minute of the trace.
    pub per_minute: u32,
}

impl Judged {
    /// The judge as this method has it, without a warm-up.
    pub fn new(name: impl Into<String>, method: Method) -> Self {
        Self { name: name.into(), method, latency_warm_up: 0, per_minute: 1 }
    }

    /// What the judge says at the end of every minute, also after a rollback.
    pub fn looks(&self, trace: &Trace) -> Vec<Look> {
        Judge::at_each_of(&self.basis(trace), &self.method, &buckets(trace))
    }

    /// What is fixed before the start.
    pub fn basis(&self, trace: &Trace) -> Basis {
        let history = Series {
            requests: &trace.history.requests,
            events: &trace.history.errors,
            of_traffic: 1.0 - trace.weight,
        };
        let minutes = u32::try_from(trace.minutes.len()).unwrap_or(u32::MAX) / self.per_minute;
        let basis = Basis::new(MINUTE / self.per_minute, minutes, trace.weight, &history);
        let first = first_slow_bins(trace);
        let thresholds_ms = first.map(|bin| edges()[bin.min(BINS)]).to_vec();
        Basis { latency_warm_up: self.latency_warm_up, thresholds_ms, ..basis }
    }
}

impl Rule for Judged {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_peer(&self) -> bool {
        false
    }

    fn end(&self, trace: &Trace) -> End {
        let basis = self.basis(trace);
        let mut judge = Judge::new(&basis, &self.method);
        let mut end = End::default();
        for (minute, bucket) in (1..).zip(buckets(trace)) {
            judge.push(&bucket);
            match judge.look().say {
                Say::Rollback { .. } => return End { rollback: Some(minute), ..end },
                Say::Promote { .. } => end.promote = end.promote.or(Some(minute)),
                Say::Wait | Say::Inconclusive { .. } => {}
            }
        }
        end
    }
}

/// A bucket per minute, with requests slower than the thresholds of the history.
pub fn buckets(trace: &Trace) -> Vec<Bucket> {
    let first = first_slow_bins(trace);
    let counts = |arm: &Arm, slow: &dyn Fn(usize) -> Slow| Counts {
        requests: arm.requests,
        errors: arm.errors,
        slow: first.map(slow),
    };
    let minutes = trace.minutes.iter().map(|minute| {
        let (canary, baseline) = (&minute.canary, &minute.baseline);
        Bucket {
            canary: counts(canary, &|bin| THRESHOLDS.map(|up| from(&canary.latency, bin + up))),
            // The baseline is always counted from its own threshold on.
            baseline: counts(baseline, &|bin| [from(&baseline.latency, bin); 3]),
            custom: Vec::new(),
        }
    });
    minutes.collect()
}

/// The first bin of each quantile that counts as slow.
fn first_slow_bins(trace: &Trace) -> [usize; QUANTILES.len()] {
    QUANTILES.map(|quantile| first_slow_bin(&trace.history.latency, quantile))
}

/// The first bin that counts as slow: the one after that in which the history's quantile lies.
fn first_slow_bin(history: &Histogram, quantile: f64) -> usize {
    let wanted = quantile * history.iter().sum::<f64>();
    let mut below = 0.0;
    let faster = history.iter().take_while(|count| {
        below += **count;
        below < wanted
    });
    faster.count() + 1
}

/// Requests in this bin and all slower ones.
fn from(latency: &Histogram, bin: usize) -> f64 {
    latency.iter().skip(bin).sum()
}

#[cfg(test)]
mod tests;
