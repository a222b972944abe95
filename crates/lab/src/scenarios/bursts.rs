//! Minutes with many times the errors, by chance.

use rand::RngExt as _;

use super::Scenario;
use crate::trace::MINUTES;

/// How many times the errors a burst has.
const BURST: f64 = 30.0;
/// The chance of a burst per arm and minute.
const CHANCE: f64 = 0.03;

/// Two random minutes with bursts on both arms; the history has as many.
pub fn burst_both() -> Scenario {
    Scenario::good("burst both", |c, random| {
        let burst = c.base * BURST;
        for _ in 0..2 {
            let minute = random.random_range(0..MINUTES);
            for arm in c.arms() {
                arm.errors[minute] = burst;
            }
        }
        for rate in &mut c.history_errors {
            if random.random_bool(2.0 / MINUTES as f64) {
                *rate = burst;
            }
        }
    })
}

/// Bursts of one minute on either arm alone; the history has them, too.
pub fn burst_independent() -> Scenario {
    Scenario::good("burst indep", |c, random| {
        let burst = c.base * BURST;
        one_minute_bursts(&mut c.canary.errors, burst, random);
        one_minute_bursts(&mut c.baseline.errors, burst, random);
        one_minute_bursts(&mut c.history_errors, burst, random);
    })
}

/// Bursts of one minute on either arm alone, after a history without any.
pub fn burst_clean() -> Scenario {
    Scenario::good("burst clean", |c, random| {
        let burst = c.base * BURST;
        one_minute_bursts(&mut c.canary.errors, burst, random);
        one_minute_bursts(&mut c.baseline.errors, burst, random);
    })
}

fn one_minute_bursts(rates: &mut [f64], burst: f64, random: &mut crate::Random) {
    for rate in rates {
        if random.random_bool(CHANCE) {
            *rate = burst;
        }
    }
}

/// Bursts of two minutes and 15 times the errors on either arm alone, after a history without any.
pub fn two_minute_burst() -> Scenario {
    Scenario::good("H burst2min clean", |c, random| {
        let burst = c.base * 15.0;
        for arm in c.arms() {
            let starts: [bool; MINUTES] = std::array::from_fn(|_| random.random_bool(0.02));
            for minute in 0..MINUTES {
                if starts[minute] || (minute > 0 && starts[minute - 1]) {
                    arm.errors[minute] = burst;
                }
            }
        }
    })
}
