//! Trouble and change that both arms have alike.

use rand::RngExt as _;

use super::Scenario;
use super::onset::progress;
use crate::latency::Shape;
use crate::trace::MINUTES;

/// Over the time traffic grows by 60%, latency by 30%, and errors to three times.
pub fn diurnal() -> Scenario {
    let shapes: [Shape; MINUTES] =
        std::array::from_fn(|minute| Shape::slower(1.0 + 0.3 * progress(minute)));
    Scenario::good("diurnal", move |c, _| {
        for arm in c.arms() {
            for minute in 0..MINUTES {
                arm.errors[minute] *= 1.0 + 2.0 * progress(minute);
                arm.traffic[minute] = 1.0 + 0.6 * progress(minute);
            }
            arm.latency.clone_from(&shapes);
        }
    })
}

/// A dependency of both arms fails a tenth of their requests in minutes 7 to 10.
pub fn outage() -> Scenario {
    Scenario::good("outage both", |c, _| {
        for arm in c.arms() {
            arm.errors[6..10].fill(0.1);
        }
    })
}

/// Traffic and errors rise from 0.3 to 1.7 times within five minutes, and fall back.
pub fn sawtooth() -> Scenario {
    Scenario::good("H sawtooth", |c, random| {
        let phase = random.random_range(0..5);
        for arm in c.arms() {
            for minute in 0..MINUTES {
                let level = 0.3 + 1.4 * ((minute + phase) % 5) as f64 / 4.0;
                arm.errors[minute] *= level;
                arm.traffic[minute] = level;
            }
        }
    })
}

/// Traffic falls by half, errors by 70% and latency by a fifth.
pub fn shared_drop() -> Scenario {
    let shapes: [Shape; MINUTES] =
        std::array::from_fn(|minute| Shape::slower(1.0 - 0.2 * progress(minute)));
    Scenario::good("H shared drop", move |c, _| {
        for arm in c.arms() {
            for minute in 0..MINUTES {
                arm.errors[minute] *= 1.0 - 0.7 * progress(minute);
                arm.traffic[minute] = 1.0 - 0.5 * progress(minute);
            }
            arm.latency.clone_from(&shapes);
        }
    })
}

/// Three minutes of four times the traffic, five times the errors and half again the latency.
pub fn spike() -> Scenario {
    let slow = Shape::slower(1.5);
    Scenario::good("B spike both", move |c, _| {
        for arm in c.arms() {
            for minute in 5..8 {
                arm.errors[minute] *= 5.0;
                arm.traffic[minute] = 4.0;
                arm.latency[minute] = slow.clone();
            }
        }
    })
}
