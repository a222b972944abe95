//! Each family has the truth that its name says.

use super::*;
use crate::grid::Set;
use crate::trace::MINUTES;

const BASE: f64 = 0.001;
const DRAWS: u64 = 20_000;

/// The mean of a value over many draws of the conditions.
fn mean(scenario: &Scenario, value: impl Fn(&Conditions) -> f64) -> f64 {
    let total: f64 = (0..DRAWS).map(|n| value(&scenario.conditions(BASE, &mut random(3, n)))).sum();
    total / DRAWS as f64
}

fn first(scenario: &Scenario) -> Conditions {
    scenario.conditions(BASE, &mut random(3, 0))
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} for {expected}");
}

#[test]
fn the_same_seed_gives_the_same_traces() {
    let rows = Set::ALL.map(Set::rows).concat();
    for row in rows.iter().filter(|row| row.volume.rps == 10.0) {
        let trace = row.trace(5, 17);
        assert_eq!(trace, row.trace(5, 17), "{}", row.scenario.name());
        assert_ne!(trace, row.trace(5, 18), "{}", row.scenario.name());
        assert_ne!(trace, row.trace(6, 17), "{}", row.scenario.name());
    }
}

#[test]
fn every_draw_is_possible() {
    for row in Set::ALL.map(Set::rows).concat() {
        for number in 0..20 {
            let mut c = row.scenario.conditions(row.base, &mut random(11, number));
            let history: f64 = c.history_errors.iter().sum();
            assert!(history.is_finite() && history > 0.0, "{}", row.scenario.name());
            for arm in c.arms() {
                let possible = |rate: &f64| *rate >= 0.0 && rate.is_finite();
                assert!(arm.errors.iter().all(possible), "{}", row.scenario.name());
                assert!(arm.traffic.iter().all(|level| *level > 0.0), "{}", row.scenario.name());
                for shape in &arm.latency {
                    let all: f64 = shape.shares().iter().sum();
                    assert_near(all, 1.0, 1e-9, row.scenario.name());
                }
            }
        }
    }
}

#[test]
fn lasting_regressions_are_on_the_canary_alone() {
    for (scenario, ratio) in [(errors(2.0), 2.0), (tolerated(), 1.15), (better(), 0.5)] {
        let c = first(&scenario);
        assert_eq!(c.canary.errors, [BASE * ratio; MINUTES]);
        assert_eq!(c.baseline.errors, [BASE; MINUTES]);
    }
    assert_eq!(first(&all_errors()).canary.errors, [1.0; MINUTES]);
    let leaking = first(&leak()).canary.errors;
    assert_eq!(leaking[7], BASE);
    assert_near(leaking[14], BASE + 0.02 * 6.5 / 7.0, 1e-12, "leak");
    let slow = first(&slow_ramp()).canary.latency;
    assert_eq!(slow[7], crate::latency::Shape::slower(1.3));
}

#[test]
fn what_is_tolerated_is_not_bad() {
    for (scenario, bad) in [
        (errors(1.2), false),
        (errors(1.5), true),
        (latency(5.0), false),
        (latency(15.0), true),
        (heavy_tail(0.0), false),
        (heavy_tail(30.0), true),
        (autocorrelated_errors(1.0), false),
        (autocorrelated_errors(3.0), true),
        (better(), false),
    ] {
        assert_eq!(scenario.is_bad(), bad, "{}", scenario.name());
    }
}

#[test]
fn bursts_come_as_often_as_they_should() {
    let bursts = |rates: &[f64]| rates.iter().filter(|rate| **rate > BASE).count() as f64;
    // Two draws of 15 minutes hit the same one once in 15 times.
    let both = mean(&burst_both(), |c| bursts(&c.canary.errors));
    assert_near(both, 2.0 - 1.0 / 15.0, 0.01, "minutes of shared bursts");
    let apart = mean(&burst_both(), |c| f64::from(c.canary.errors != c.baseline.errors));
    assert_eq!(apart, 0.0);
    // Standard error of a mean of 20,000 counts of variance 0.44: 0.005.
    for scenario in [burst_independent(), burst_clean()] {
        let found = mean(&scenario, |c| bursts(&c.canary.errors));
        assert_near(found, 15.0 * 0.03, 0.025, scenario.name());
    }
    assert_near(mean(&burst_independent(), |c| bursts(&c.history_errors)), 1.8, 0.05, "history");
    assert_eq!(mean(&burst_clean(), |c| bursts(&c.history_errors)), 0.0);
    // The first minute has one chance, every other one two.
    let two = mean(&two_minute_burst(), |c| bursts(&c.baseline.errors));
    assert_near(two, 0.02 + 14.0 * (1.0 - 0.98 * 0.98), 0.03, "bursts of two minutes");
}

#[test]
fn noise_has_its_mean_and_variance() {
    // Of the rate as a multiple of the base rate: mean, variance, and four standard errors.
    let e = std::f64::consts::E;
    for (scenario, expected, variance, tolerance) in [
        (gamma_errors(), 1.0, 1.0, (0.03, 0.12)),
        (lognormal_errors(), 1.0, e - 1.0, (0.04, 0.9)),
        // Half of a Pareto(2), cut at 50: mean (2 - 1/50) / 2, second moment (1 + 2 ln 50) / 4.
        (pareto_errors(), 0.99, (1.0 + 2.0 * 50f64.ln()) / 4.0 - 0.9801, (0.04, 0.9)),
    ] {
        let level = |c: &Conditions| c.baseline.errors[4] / BASE;
        let found = mean(&scenario, level);
        assert_near(found, expected, tolerance.0, scenario.name());
        let spread = mean(&scenario, |c| (level(c) - expected).powi(2));
        assert_near(spread, variance, tolerance.1, scenario.name());
    }
}

#[test]
fn wandering_errors_have_their_memory() {
    let scenario = autocorrelated_errors(3.0);
    let log = |c: &Conditions, minute: usize| (c.baseline.errors[minute] / BASE).ln();
    // The shared part has a deviation of 0.7, each arm 0.2 of its own.
    assert_near(mean(&scenario, |c| log(c, 6)), 0.0, 0.02, "mean");
    assert_near(mean(&scenario, |c| log(c, 6).powi(2)), 0.53, 0.02, "variance");
    let together = mean(&scenario, |c| log(c, 6) * log(c, 7));
    assert_near(together, 0.8 * 0.49, 0.02, "covariance of neighbours");
    let across = mean(&scenario, |c| log(c, 6) * (c.canary.errors[6] / BASE / 3.0).ln());
    assert_near(across, 0.49, 0.02, "covariance of the arms");
    let before = mean(&scenario, |c| log(c, 0) * (c.history_errors[59] / BASE).ln());
    assert_near(before, 0.8 * 0.49, 0.02, "covariance with the history");
}

#[test]
fn latency_noise_is_on_each_arm_alone() {
    let paused = |c: &Conditions| {
        let ordinary = crate::latency::Shape::ordinary();
        c.canary.latency.iter().filter(|shape| *shape != ordinary).count() as f64
    };
    assert_near(mean(&collection_pauses(), paused), 0.75, 0.03, "pauses");
    for scenario in [latency_jitter(), latency_noise(), autocorrelated_latency()] {
        let c = first(&scenario);
        assert_ne!(c.canary.latency, c.baseline.latency, "{}", scenario.name());
    }
}

#[test]
fn shared_trouble_is_the_same_on_both_arms() {
    for scenario in [diurnal(), outage(), sawtooth(), shared_drop(), spike()] {
        let c = first(&scenario);
        assert_eq!(c.canary.errors, c.baseline.errors, "{}", scenario.name());
        assert_eq!(c.canary.traffic, c.baseline.traffic, "{}", scenario.name());
        assert_eq!(c.canary.latency, c.baseline.latency, "{}", scenario.name());
        assert_ne!(c.canary.errors, [BASE; MINUTES], "{}", scenario.name());
    }
}
