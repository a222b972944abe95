//! What is drawn has the means and variances of its distribution.

use super::*;
use crate::latency::quantile;
use crate::random;

const TRACES: u64 = 2000;

/// Mean and variance of values.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, squares / (values.len() - 1) as f64)
}

/// Mean and variance of a value over independent draws.
fn drawn(draw: impl Fn(&mut Random) -> f64) -> (f64, f64) {
    let values: Vec<f64> = (0..TRACES).map(|number| draw(&mut random(7, number))).collect();
    moments(&values)
}

/// Holds a sample to mean and variance of a nearly normal distribution, at five standard errors.
fn assert_moments(found: (f64, f64), mean: f64, variance: f64, what: &str) {
    let n = TRACES as f64;
    let (of_mean, of_variance) = (5.0 * (variance / n).sqrt(), 5.0 * variance * (2.0 / n).sqrt());
    assert!((found.0 - mean).abs() < of_mean, "{what}: mean {} for {mean}", found.0);
    let spread = (found.1 - variance).abs();
    assert!(spread < of_variance, "{what}: variance {} for {variance}", found.1);
}

#[test]
fn arrivals_are_poisson() {
    for mean in [6.0, 60.0, 54_000.0] {
        assert_moments(drawn(|r| arrivals(mean, r) as f64), mean, mean, "arrivals");
    }
    assert_eq!(arrivals(0.0, &mut random(1, 1)), 0);
}

#[test]
fn successes_are_binomial() {
    // Below and above the point where the sampler changes its algorithm.
    for (trials, p) in [(60, 0.1), (6000, 0.0015), (54_000, 0.001), (54_000, 0.5), (54_000, 0.9)] {
        let found = drawn(|r| successes(trials, p, r) as f64);
        let mean = trials as f64 * p;
        assert_moments(found, mean, mean * (1.0 - p), "successes");
    }
    assert_eq!(successes(10, 1.5, &mut random(1, 1)), 10);
}

#[test]
fn latencies_are_multinomial() {
    let shape = Shape::ordinary();
    let requests = 10_000.0;
    let counts: Vec<Histogram> =
        (0..TRACES).map(|number| spread(10_000, shape, &mut random(7, number))).collect();
    assert!(counts.iter().all(|bins| bins.iter().sum::<f64>() == requests));
    let of = |value: &dyn Fn(&Histogram) -> f64| {
        moments(&counts.iter().map(value).collect::<Vec<f64>>())
    };
    for bin in (15..40).step_by(3) {
        let share = shape.shares()[bin];
        let mean = requests * share;
        assert_moments(of(&|bins| bins[bin]), mean, mean * (1.0 - share), &format!("bin {bin}"));
    }
    // Bins of one draw are negatively correlated: a sum of bins is binomial, too.
    let slow: f64 = shape.shares()[32..].iter().sum();
    let found = of(&|bins| bins[32..].iter().sum());
    assert_moments(found, requests * slow, requests * slow * (1.0 - slow), "slow requests");
}

#[test]
fn a_trace_has_the_volume_and_the_rates_of_its_conditions() {
    let mut conditions = Conditions::steady(0.01);
    conditions.canary.traffic[3] = 2.0;
    conditions.canary.errors[4] = 0.5;
    conditions.canary.latency[5] = Shape::slower(3.0);
    conditions.history_errors[59] = 0.2;
    let volume = Volume { rps: 1000.0, weight: 0.25 };
    let trace = conditions.draw(volume, true, &mut random(1, 0));
    assert!(trace.bad && trace.weight == 0.25);
    let near = |found: f64, expected: f64, what: &str| {
        assert!((found / expected - 1.0).abs() < 0.15, "{what}: {found} for {expected}");
    };
    near(trace.minutes[2].canary.requests, 15_000.0, "canary");
    near(trace.minutes[3].canary.requests, 30_000.0, "twice the traffic");
    near(trace.minutes[3].baseline.requests, 45_000.0, "baseline");
    near(trace.minutes[3].baseline.error_rate(), 0.01, "errors");
    near(trace.minutes[4].canary.error_rate(), 0.5, "more errors");
    near(quantile(&trace.minutes[5].canary.latency, 0.5).unwrap(), 300.0, "slower");
    near(quantile(&trace.minutes[5].baseline.latency, 0.5).unwrap(), 100.0, "latency");
    near(trace.history.requests[0], 45_000.0, "history");
    near(trace.history.errors[59], 9000.0, "errors in the history");
    near(trace.history.latency.iter().sum(), 2_700_000.0, "latencies in the history");
}
