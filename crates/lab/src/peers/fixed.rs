//! The fixed rule: errors above 5% for five minutes, above 10% for three, or above 20% for one; at
//! the end, errors of 1% or a p99 of 1.2 times the baseline's.

use super::{error_rates, held_for};
use crate::latency::quantile;
use crate::trace::Trace;

/// Minutes running, and the error rate that must not be exceeded for so long.
const LIMITS: [(usize, f64); 3] = [(5, 0.05), (3, 0.10), (1, 0.20)];
/// The error rate from which on the canary fails at the end.
const END_ERRORS: f64 = 0.01;
/// The ratio of the p99s from which on the canary fails at the end.
const END_LATENCY: f64 = 1.2;

pub(super) fn rolls_back_at(trace: &Trace) -> Option<usize> {
    let above = LIMITS.into_iter().filter_map(|(minutes, limit)| {
        held_for(minutes, error_rates(trace).map(|rate| rate > limit))
    });
    above.min().or_else(|| fails_at_end(trace).then_some(trace.minutes.len()))
}

fn fails_at_end(trace: &Trace) -> bool {
    let canary = quantile(&trace.latency(|minute| &minute.canary), 0.99);
    let baseline = quantile(&trace.latency(|minute| &minute.baseline), 0.99);
    let slow = canary.zip(baseline).is_some_and(|(c, b)| c >= END_LATENCY * b);
    slow || trace.error_rate(|minute| &minute.canary) >= END_ERRORS
}
