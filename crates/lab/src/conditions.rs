//! The truth behind a trace: error rates, traffic and latency of both arms, minute by minute, and the
//! drawing of counts from it. Arrivals are Poisson; errors and latency bins are multinomial.

use std::ops::RangeInclusive;

use rand::RngExt as _;
use rand_distr::{Binomial, Distribution as _, Poisson};

use crate::Random;
use crate::latency::{BINS, Histogram, Shape};
use crate::trace::{Arm, HISTORY, History, MINUTES, Minute, Trace};

/// The least number of requests in the history's latencies, so that quiet services have thresholds.
const LEAST_HISTORY: f64 = 500.0;

/// One arm's truth per minute.
#[derive(Debug, Clone)]
pub struct ArmConditions {
    /// The probability that a request fails; values above 1 count as 1.
    pub errors: [f64; MINUTES],
    /// Traffic as a multiple of the planned.
    pub traffic: [f64; MINUTES],
    /// The latency of requests.
    pub latency: [Shape; MINUTES],
}

/// The truth of both arms and of the history.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// The baseline's ordinary error rate.
    pub base: f64,
    /// The version under test.
    pub canary: ArmConditions,
    /// The version that served before.
    pub baseline: ArmConditions,
    /// How many requests fail together, each size alike often; one is independent errors.
    pub cluster: RangeInclusive<u64>,
    /// The probability that a request failed, per minute of the history.
    pub history_errors: [f64; HISTORY],
    /// The latency of requests in the history.
    pub history_latency: Shape,
}

/// How much traffic there is, and how much of it the canary gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume {
    /// Requests per second of both arms together.
    pub rps: f64,
    /// The canary's share.
    pub weight: f64,
}

impl ArmConditions {
    fn steady(base: f64) -> Self {
        Self {
            errors: [base; MINUTES],
            traffic: [1.0; MINUTES],
            latency: std::array::from_fn(|_| Shape::ordinary().clone()),
        }
    }

    fn draw(
        &self,
        per_minute: f64,
        minute: usize,
        cluster: &RangeInclusive<u64>,
        random: &mut Random,
    ) -> Arm {
        let requests = arrivals(per_minute * self.traffic[minute], random);
        Arm {
            requests: requests as f64,
            errors: failures(requests, self.errors[minute], cluster, random) as f64,
            latency: spread(requests, &self.latency[minute], random),
        }
    }
}

impl Conditions {
    /// Two equal arms under steady traffic.
    pub fn steady(base: f64) -> Self {
        Self {
            base,
            canary: ArmConditions::steady(base),
            baseline: ArmConditions::steady(base),
            cluster: 1..=1,
            history_errors: [base; HISTORY],
            history_latency: Shape::ordinary().clone(),
        }
    }

    /// Both arms, for what they share.
    pub fn arms(&mut self) -> [&mut ArmConditions; 2] {
        [&mut self.canary, &mut self.baseline]
    }

    /// One canary as these conditions let it happen.
    pub fn draw(&self, volume: Volume, bad: bool, random: &mut Random) -> Trace {
        let Volume { rps, weight } = volume;
        let per_minute = rps * 60.0;
        let minutes = (0..MINUTES)
            .map(|minute| Minute {
                canary: self.canary.draw(per_minute * weight, minute, &self.cluster, random),
                baseline: self.baseline.draw(
                    per_minute * (1.0 - weight),
                    minute,
                    &self.cluster,
                    random,
                ),
            })
            .collect();
        let history = self.draw_history(per_minute * (1.0 - weight), random);
        Trace { minutes, history, weight, bad }
    }

    fn draw_history(&self, per_minute: f64, random: &mut Random) -> History {
        let known = arrivals((per_minute * HISTORY as f64).max(LEAST_HISTORY), random);
        let latency = spread(known, &self.history_latency, random);
        let counts = self.history_errors.iter().map(|rate| {
            let requests = arrivals(per_minute, random);
            (requests as f64, failures(requests, *rate, &self.cluster, random) as f64)
        });
        let (requests, errors) = counts.unzip();
        History { requests, errors, latency }
    }
}

/// Requests of a minute with this mean.
fn arrivals(mean: f64, random: &mut Random) -> u64 {
    // A mean that is not positive, or too large to draw, has no distribution.
    Poisson::new(mean).map_or(0, |poisson| poisson.sample(random) as u64)
}

/// How many of `trials` come out, each with probability `p`.
fn successes(trials: u64, p: f64, random: &mut Random) -> u64 {
    Binomial::new(trials, p.clamp(0.0, 1.0)).map_or(0, |binomial| binomial.sample(random))
}

/// How many of `requests` fail, in clusters: the mean stays the rate.
fn failures(requests: u64, rate: f64, cluster: &RangeInclusive<u64>, random: &mut Random) -> u64 {
    let mean = f64::midpoint(*cluster.start() as f64, *cluster.end() as f64);
    let clusters = successes(requests, rate / mean, random);
    if cluster.start() == cluster.end() {
        return (clusters * cluster.start()).min(requests);
    }
    (0..clusters).map(|_| random.random_range(cluster.clone())).sum::<u64>().min(requests)
}

/// Spreads requests over latency bins: each bin takes its share of what the bins before left.
fn spread(requests: u64, shape: &Shape, random: &mut Random) -> Histogram {
    let mut counts = [0.0; BINS];
    let (mut left, mut mass) = (requests, 1.0);
    for (count, share) in counts.iter_mut().zip(shape.shares()) {
        if left == 0 {
            break;
        }
        let here = if mass > *share { successes(left, share / mass, random) } else { left };
        *count = here as f64;
        left -= here;
        mass -= share;
    }
    // What rounding of the shares left over belongs to the slowest bin.
    counts[BINS - 1] += left as f64;
    counts
}

#[cfg(test)]
mod tests;
