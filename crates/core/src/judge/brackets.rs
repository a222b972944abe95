//! Slow requests where a service publishes percentiles and nothing else: between which numbers they are.
//!
//! A percentile above a threshold says that at least so many requests are slower, one that is not above it
//! says that at most so many are. Each arm then counts with its worse end, so what is proven is proven, and
//! less is. docs/metrics.md says what that costs.

use super::sequential::{GROWTH, QUANTILES, Slow};

/// A period's percentiles in the order of [`QUANTILES`], where there are any.
pub type Percentiles = [Option<f64>; 4];

/// The least and the most requests that were slower than a threshold.
///
/// Holds for every usual way to take a percentile of a sample: of n values in order, the percentile q lies
/// between the values number floor(nq) and ceil(nq) + 1. Percentiles that contradict each other say
/// nothing.
pub fn slower_than(threshold: f64, percentiles: &Percentiles, requests: f64) -> (f64, f64) {
    let (mut low, mut high) = (0.0_f64, requests);
    for (quantile, value) in QUANTILES.iter().zip(percentiles) {
        let below = quantile * requests;
        match value {
            Some(value) if *value > threshold => low = low.max(requests - below.ceil()),
            Some(value) if *value <= threshold => high = high.min(requests - below.floor()),
            // Not a number, or not there.
            Some(_) | None => {}
        }
    }
    if low <= high { (low, high) } else { (0.0, requests) }
}

/// From which latencies on a request of the canary is slow, by the steps of [`Slow`], in milliseconds. A
/// difference of `tolerance` is none: it lifts the limits of the gate and of the promise.
pub fn slow_from(threshold: f64, tolerance: f64) -> [f64; 3] {
    let grown = |growth: f64| (threshold * growth).max(threshold + tolerance);
    [threshold, grown(GROWTH), grown(GROWTH * GROWTH)]
}

/// The canary's slow requests at its limits: the least for the rollback, the most for the promotion.
pub fn canary_slow(limits: [f64; 3], percentiles: &Percentiles, requests: f64) -> Slow {
    let [evidence, gate, promise] = limits.map(|limit| slower_than(limit, percentiles, requests));
    [evidence.0, gate.0, promise.1]
}

/// The baseline's slow requests at a threshold: the most for the rollback, the least for the promotion.
pub fn baseline_slow(threshold: f64, percentiles: &Percentiles, requests: f64) -> Slow {
    let (low, high) = slower_than(threshold, percentiles, requests);
    [high, high, low]
}

#[cfg(test)]
mod tests;
