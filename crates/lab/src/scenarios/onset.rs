//! Canaries that turn bad later, or again and again.

use super::Scenario;
use crate::latency::Shape;
use crate::trace::MINUTES;

/// The middle of a minute as a share of the whole time.
pub(super) fn progress(minute: usize) -> f64 {
    (minute as f64 + 0.5) / MINUTES as f64
}

/// From minute 8 on the error rate grows by 2 percentage points over 7 minutes.
pub fn leak() -> Scenario {
    Scenario::bad("leak@8", |c, _| {
        for (minute, rate) in c.canary.errors.iter_mut().enumerate() {
            *rate += (0.02 * (minute as f64 + 0.5 - 8.0) / 7.0).max(0.0);
        }
    })
}

/// Three times the errors from minute 10 on.
pub fn step() -> Scenario {
    Scenario::bad("H step3@10", |c, _| c.canary.errors.iter_mut().skip(10).for_each(|r| *r *= 3.0))
}

/// Five times the errors in every third minute.
pub fn flapping() -> Scenario {
    Scenario::bad("H flapping x5", |c, _| {
        c.canary.errors.iter_mut().step_by(3).for_each(|rate| *rate *= 5.0);
    })
}

/// The canary gets slower all the time, up to 60%.
pub fn slow_ramp() -> Scenario {
    let shapes: [Shape; MINUTES] =
        std::array::from_fn(|minute| Shape::slower(1.0 + 0.6 * progress(minute)));
    Scenario::bad("B slow ramp lat", move |c, _| c.canary.latency.clone_from(&shapes))
}

/// Twice the errors from minute 6 on.
pub fn doubling() -> Scenario {
    Scenario::bad("N step2@5", |c, _| c.canary.errors.iter_mut().skip(5).for_each(|r| *r *= 2.0))
}

/// 30% slower from minute 7 on.
pub fn late_slowdown() -> Scenario {
    let slow = Shape::slower(1.3);
    Scenario::bad("N lat +30%@6", move |c, _| c.canary.latency[6..].fill(slow.clone()))
}

/// From minute 5 on the error rate grows by 1 percentage point over 10 minutes.
pub fn slow_leak() -> Scenario {
    Scenario::bad("C leak@5", |c, _| {
        for (minute, rate) in c.canary.errors.iter_mut().enumerate() {
            *rate += (0.01 * (minute as f64 + 0.5 - 5.0) / 10.0).max(0.0);
        }
    })
}
