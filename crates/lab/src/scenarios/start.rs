//! Canaries that begin badly and then are as good as the baseline.

use rand::RngExt as _;

use super::Scenario;
use crate::latency::Shape;
use crate::trace::MINUTES;

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

/// Twice as slow at first, fading by a factor of e every one and a half minutes.
pub fn fading_start() -> Scenario {
    let shapes: [Shape; MINUTES] = std::array::from_fn(|minute| {
        let past = (minute as f64 + 0.5) / 1.5;
        Shape::slower(1.0 + (-past).exp())
    });
    Scenario::good("N warm fading", move |c, _| c.canary.latency.clone_from(&shapes))
}

/// 1.3 to 2 times as slow for the first two, three or four minutes.
pub fn varied_warm_up() -> Scenario {
    Scenario::good("N warm 2-4min", |c, random| {
        let (minutes, factor) = (random.random_range(2..=4), random.random_range(1.3..2.0));
        c.canary.latency[..minutes].fill(Shape::slower(factor));
    })
}

/// 1.8 times as slow at first, as fast as the baseline after five minutes, in a straight line.
pub fn linear_fading() -> Scenario {
    let shapes: [Shape; MINUTES] = std::array::from_fn(|minute| {
        let left = (1.0 - (minute as f64 + 0.5) / 5.0).max(0.0);
        Shape::slower(1.0 + 0.8 * left)
    });
    Scenario::good("C linear fading", move |c, _| c.canary.latency.clone_from(&shapes))
}

/// Twice as slow for two minutes, then equal, and a quarter slower from minute 7 on.
pub fn slow_after_warm_up() -> Scenario {
    let (start, later) = (Shape::slower(2.0), Shape::slower(1.25));
    Scenario::bad("C warm, then slow", move |c, _| {
        c.canary.latency[..2].fill(start.clone());
        c.canary.latency[6..].fill(later.clone());
    })
}
