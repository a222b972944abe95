//! Errors that come together: in minutes with many times as many, or in clusters.

use std::ops::RangeInclusive;

use rand::RngExt as _;

use super::Scenario;
use crate::conditions::Conditions;
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
        long_bursts(c, 15.0, 2, 0.02, random);
    })
}

/// The same with `times` the errors.
pub fn two_minute_burst_of(times: f64) -> Scenario {
    Scenario::good(format!("N burst2min x{times}"), move |c, random| {
        long_bursts(c, times, 2, 0.02, random);
    })
}

/// Bursts of three minutes and 20 times the errors on either arm alone, after a history without any.
pub fn three_minute_burst() -> Scenario {
    Scenario::good("C burst3min", |c, random| long_bursts(c, 20.0, 3, 0.01, random))
}

/// Bursts of `minutes` minutes, beginning in each minute with this chance.
fn long_bursts(
    c: &mut Conditions,
    times: f64,
    minutes: usize,
    chance: f64,
    random: &mut crate::Random,
) {
    let burst = c.base * times;
    for arm in c.arms() {
        let starts: [bool; MINUTES] = std::array::from_fn(|_| random.random_bool(chance));
        for minute in 0..MINUTES {
            if starts[(minute + 1).saturating_sub(minutes)..=minute].contains(&true) {
                arm.errors[minute] = burst;
            }
        }
    }
}

/// Errors come in clusters of these sizes on both arms and in the history; the canary has `ratio` times
/// as many.
pub fn clustered_errors(sizes: RangeInclusive<u64>, ratio: f64) -> Scenario {
    let (low, high) = (sizes.start(), sizes.end());
    let size = if low == high { format!("of {low}") } else { format!("of {low}-{high}") };
    let name = if ratio > 1.0 { format!(" x{ratio}") } else { String::new() };
    Scenario::good(format!("clusters {size}{name}"), move |c, _| {
        c.cluster = sizes.clone();
        c.canary.errors = [c.base * ratio; _];
    })
    .bad_if(ratio > 1.25)
}
