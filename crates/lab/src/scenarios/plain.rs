//! Canaries that are as they are from the first minute to the last.

use super::Scenario;
use crate::latency::Shape;

/// Above this ratio of error rates a canary should be rolled back.
const TOLERATED_ERRORS: f64 = 1.25;
/// Above this ratio of latencies a canary should be rolled back.
const TOLERATED_LATENCY: f64 = 1.1;

/// Two equal arms.
pub fn healthy() -> Scenario {
    Scenario::good("healthy", |_, _| {})
}

/// The canary fails `ratio` times as often.
pub fn errors(ratio: f64) -> Scenario {
    Scenario::good(format!("err x{ratio}"), move |c, _| c.canary.errors = [c.base * ratio; _])
        .bad_if(ratio > TOLERATED_ERRORS)
}

/// Every request to the canary fails.
pub fn all_errors() -> Scenario {
    Scenario::bad("err 100%", |c, _| c.canary.errors = [1.0; _])
}

/// Every request to the canary takes `percent` longer.
pub fn latency(percent: f64) -> Scenario {
    let factor = 1.0 + percent / 100.0;
    let shape = Shape::slower(factor);
    Scenario::good(format!("lat +{percent}%"), move |c, _| c.canary.latency.fill(shape.clone()))
        .bad_if(factor > TOLERATED_LATENCY)
}

/// The slowest tenth of the canary's requests takes `percent` longer.
pub fn tail(percent: f64) -> Scenario {
    let factor = 1.0 + percent / 100.0;
    let shape = Shape::slower_tail(factor);
    Scenario::good(format!("p99 +{percent}%"), move |c, _| c.canary.latency.fill(shape.clone()))
        .bad_if(factor > TOLERATED_LATENCY)
}

/// Latencies with a heavy tail on both arms, `percent` longer on the canary.
pub fn heavy_tail(percent: f64) -> Scenario {
    let factor = 1.0 + percent / 100.0;
    let (usual, canary) = (Shape::heavy_tail(1.0), Shape::heavy_tail(factor));
    let name = if percent > 0.0 { format!(" +{percent}%") } else { String::new() };
    Scenario::good(format!("H heavy tail{name}"), move |c, _| {
        c.history_latency = usual.clone();
        c.baseline.latency.fill(usual.clone());
        c.canary.latency.fill(canary.clone());
    })
    .bad_if(factor > TOLERATED_LATENCY)
}

/// Slightly more errors and slightly slower: within what is tolerated.
pub fn tolerated() -> Scenario {
    let shape = Shape::slower(1.05);
    Scenario::good("H tolerated", move |c, _| {
        c.canary.errors = [c.base * 1.15; _];
        c.canary.latency.fill(shape.clone());
    })
}

/// Half the errors, and a fifth faster.
pub fn better() -> Scenario {
    let shape = Shape::slower(0.8);
    Scenario::good("B better", move |c, _| {
        c.canary.errors = [c.base * 0.5; _];
        c.canary.latency.fill(shape.clone());
    })
}

/// Three times the errors, whose retries bring the canary a fifth more traffic.
pub fn retrying() -> Scenario {
    Scenario::bad("B retry x3", |c, _| {
        c.canary.errors = [c.base * 3.0; _];
        c.canary.traffic = [1.2; _];
    })
}

/// 2% of the canary's requests hang for a second.
pub fn hanging() -> Scenario {
    let shape = Shape::ordinary().clone().with_hanging(0.02, 1000.0);
    Scenario::bad("B hang 2%", move |c, _| c.canary.latency.fill(shape.clone()))
}

/// The canary's retries double its traffic and change nothing else.
pub fn doubled_traffic() -> Scenario {
    Scenario::good("C traffic x2", |c, _| c.canary.traffic = [2.0; _])
}

/// 5% of the canary's requests take three times as long.
pub fn slow_few() -> Scenario {
    let shape = Shape::ordinary().clone().mixed_with(&Shape::slower(3.0), 0.05);
    Scenario::bad("C slow 5%", move |c, _| c.canary.latency.fill(shape.clone()))
}
