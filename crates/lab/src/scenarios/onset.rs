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
