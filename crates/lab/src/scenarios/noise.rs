//! Rates that vary from minute to minute on each arm, without any difference between the versions.

use rand::RngExt as _;
use rand_distr::{Distribution as _, Exp1, Pareto};

use super::Scenario;
use super::autoregressive::{normal, series};
use crate::Random;
use crate::conditions::Conditions;
use crate::latency::Shape;
use crate::trace::{HISTORY, MINUTES};

/// Multiplies the error rate of every minute of both arms and of the history by its own draw.
fn each_minute(c: &mut Conditions, mut draw: impl FnMut() -> f64) {
    let Conditions { canary, baseline, history_errors, .. } = c;
    let rates = canary.errors.iter_mut().chain(&mut baseline.errors).chain(history_errors);
    rates.for_each(|rate| *rate *= draw());
}

/// Error rates are gamma with a coefficient of variation of 1.
pub fn gamma_errors() -> Scenario {
    // Gamma with shape 1 is the exponential distribution.
    Scenario::good("gamma OD", |c, random| each_minute(c, || Exp1.sample(random)))
}

/// Error rates are lognormal with a sigma of 1 around the same mean.
pub fn lognormal_errors() -> Scenario {
    Scenario::good("H lognormal OD", |c, random| {
        each_minute(c, || (normal(1.0, random) - 0.5).exp());
    })
}

/// Error rates are Pareto with an exponent of 2, at most 25 times the mean.
pub fn pareto_errors() -> Scenario {
    Scenario::good("B pareto OD", |c, random| each_minute(c, || pareto(random).min(50.0) / 2.0))
}

fn pareto(random: &mut Random) -> f64 {
    // Both parameters are positive: there is such a distribution.
    Pareto::new(1.0, 2.0).map_or(1.0, |pareto| pareto.sample(random))
}

/// The logarithm of the error rate wanders on both arms together; the canary has `ratio` times it.
pub fn autocorrelated_errors(ratio: f64) -> Scenario {
    let name = if ratio > 1.0 { format!("H AR1 x{ratio}") } else { "H AR1".to_owned() };
    Scenario::good(name, move |c, random| {
        let shared: [f64; HISTORY + MINUTES] = series(0.7, 0.8, random);
        let (before, since) = shared.split_at(HISTORY);
        for (rate, level) in c.history_errors.iter_mut().zip(before) {
            *rate *= level.exp();
        }
        for (arm, ratio) in c.arms().into_iter().zip([ratio, 1.0]) {
            for (rate, level) in arm.errors.iter_mut().zip(since) {
                *rate *= ratio * (level + normal(0.2, random)).exp();
            }
        }
    })
    .bad_if(ratio > 1.0)
}

/// Each arm is twice as slow in 5% of its minutes, as by a garbage collector.
pub fn collection_pauses() -> Scenario {
    let slow = Shape::slower(2.0);
    Scenario::good("lat gc", move |c, random| {
        for shape in c.arms().into_iter().flat_map(|arm| &mut arm.latency) {
            if random.random_bool(0.05) {
                shape.clone_from(&slow);
            }
        }
    })
}

/// Latency varies by 5% per arm and minute, at most 20%.
pub fn latency_jitter() -> Scenario {
    Scenario::good("lat jitter 5%", |c, random| {
        for shape in c.arms().into_iter().flat_map(|arm| &mut arm.latency) {
            *shape = slower(normal(0.05, random), 0.2);
        }
    })
}

/// Latency varies by 10% per arm and minute, at most 50% on the logarithmic scale.
pub fn latency_noise() -> Scenario {
    Scenario::good("H lat noise", |c, random| {
        for shape in c.arms().into_iter().flat_map(|arm| &mut arm.latency) {
            *shape = slower(normal(0.10, random), 0.5);
        }
    })
}

/// Latency wanders by 10% on both arms together, by 5% on the canary and 2% on the baseline alone.
pub fn autocorrelated_latency() -> Scenario {
    Scenario::good("B lat ar1", |c, random| {
        let shared: [f64; MINUTES] = series(0.10, 0.7, random);
        for (arm, own) in c.arms().into_iter().zip([0.05, 0.02]) {
            let own: [f64; MINUTES] = series(own, 0.5, random);
            for (minute, shape) in arm.latency.iter_mut().enumerate() {
                *shape = slower(shared[minute] + own[minute], 0.4);
            }
        }
    })
}

/// A neighbour makes either arm 1.4 times as slow for two minutes, beginning in each with a chance of 3%.
pub fn noisy_neighbour() -> Scenario {
    let slow = Shape::slower(1.4);
    Scenario::good("C neighbour 2min", move |c, random| {
        for arm in c.arms() {
            for minute in 0..MINUTES {
                if random.random_bool(0.03) {
                    let end = (minute + 2).min(MINUTES);
                    arm.latency[minute..end].fill(slow.clone());
                }
            }
        }
    })
}

/// Slower by this on the logarithmic scale, at most by `limit`.
fn slower(log: f64, limit: f64) -> Shape {
    Shape::slower(log.clamp(-limit, limit).exp())
}
