//! Flagger-like: five minutes in total, each with errors above 1% or a p99 above 1.2 times that of
//! the history.

use crate::latency::quantile;
use crate::trace::Trace;

/// Failed minutes that roll back.
const FAILED_CHECKS: usize = 5;
/// The error rate of a minute that fails it when exceeded.
const ERRORS: f64 = 0.01;
/// The ratio of the p99s that fails a minute when exceeded.
const LATENCY: f64 = 1.2;

pub(super) fn rolls_back_at(trace: &Trace) -> Option<usize> {
    let limit = quantile(&trace.history.latency, 0.99).map(|p99| LATENCY * p99);
    let fails = |minute: &crate::trace::Minute| {
        let p99 = quantile(&minute.canary.latency, 0.99);
        let slow = p99.zip(limit).is_some_and(|(p99, limit)| p99 > limit);
        slow || minute.canary.error_rate() > ERRORS
    };
    let failed = trace.minutes.iter().enumerate().filter(|(_, minute)| fails(minute));
    failed.map(|(index, _)| index + 1).nth(FAILED_CHECKS - 1)
}
