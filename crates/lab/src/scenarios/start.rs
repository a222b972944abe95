//! Canaries that begin badly and then are as good as the baseline.

use super::Scenario;
use crate::latency::Shape;

/// Three times as slow in the first minute, 1.6 times in the second.
pub fn cold_start() -> Scenario {
    let first = [Shape::slower(3.0), Shape::slower(1.6)];
    Scenario::good("H cold start", move |c, _| c.canary.latency[..2].clone_from_slice(&first))
}

/// Half again as slow for the first three minutes.
pub fn warm_up() -> Scenario {
    let shape = Shape::slower(1.5);
    Scenario::good("B warm 3min", move |c, _| c.canary.latency[..3].fill(shape.clone()))
}

/// 5% errors in the first minute, and twice the traffic by their retries.
pub fn retry_storm() -> Scenario {
    Scenario::good("H retry storm", |c, _| {
        c.canary.errors[0] = 0.05;
        c.canary.traffic[0] = 2.0;
    })
}
