//! How many canary requests a regression takes to be seen, before anything was sent.

use super::mixture::UP;

/// The level of the looks, and the weight of the errors in it.
const LEVEL: f64 = 0.005 * 0.4;

/// Canary requests until the errors alone are expected to roll back, if the canary has `ratio` times the
/// baseline's error rate; `share` is the canary's share of traffic, 0 to 1.
///
/// From the growth per request of the best point of the grid. docs/judge.md, section 4. Infinite
/// without an error rate, or with all traffic on one arm.
pub fn needed_requests(error_rate: f64, ratio: f64, share: f64) -> f64 {
    if error_rate <= 0.0 || share <= 0.0 || share >= 1.0 {
        return f64::INFINITY;
    }
    let baseline = (1.0 - share) / share;
    let growth = UP.map(|g| {
        let b = (1.0 + baseline) / (g + baseline);
        let canary_errors = (error_rate * ratio).min(1.0);
        canary_errors * (g * b).ln() + baseline * error_rate * b.ln()
    });
    let best = growth.into_iter().fold(0.0, f64::max);
    ((1.0 / LEVEL).ln() + 8.0_f64.ln()) / best
}
