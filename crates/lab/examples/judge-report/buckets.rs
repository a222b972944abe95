//! Buckets of 10 seconds against buckets of a minute, on the same canaries.

use perch_core::judge::sequential::Method;
use perch_lab::bench::Rule as _;
use perch_lab::conditions::Volume;
use perch_lab::judged::Judged;
use perch_lab::scenarios::{self as s, Scenario};
use perch_lab::{fine, random};
use rayon::prelude::*;

/// Buckets in a minute of the finer ones.
const FINE: u32 = 6;

/// One row: rolled back in percent and the median minutes, by the minute and by ten seconds.
pub(crate) struct Compared {
    pub(crate) scenario: String,
    pub(crate) rps: f64,
    pub(crate) bad: bool,
    pub(crate) by_minute: (f64, Option<f64>),
    pub(crate) by_ten_seconds: (f64, Option<f64>),
}

/// Rows that show the gain in time, and rows that show its price.
pub(crate) fn compare(traces: u64) -> Vec<Compared> {
    let rows: [(Scenario, f64); 13] = [
        (s::all_errors(), 100.0),
        (s::errors(10.0), 100.0),
        (s::errors(5.0), 100.0),
        (s::errors(3.0), 1000.0),
        (s::errors(2.0), 1000.0),
        (s::leak(), 1000.0),
        (s::latency(50.0), 10.0),
        (s::latency(20.0), 100.0),
        (s::latency(20.0), 1000.0),
        (s::healthy(), 100.0),
        (s::healthy(), 1000.0),
        (s::burst_clean(), 1000.0),
        (s::collection_pauses(), 100.0),
    ];
    rows.into_iter().map(|(scenario, rps)| row(&scenario, rps, traces)).collect()
}

fn row(scenario: &Scenario, rps: f64, traces: u64) -> Compared {
    let minute = Judged::new("60 s", Method::normal());
    let ten = Judged { per_minute: FINE, ..minute.clone() };
    let volume = Volume { rps, weight: 0.1 };
    let ends: Vec<[Option<f64>; 2]> = (0..traces)
        .into_par_iter()
        .map(|number| {
            let trace = scenario.trace(volume, 0.001, 41_000_000, number);
            let cut = fine::split(&trace, FINE as usize, &mut random(42_000_000, number));
            let seen = |judge: &Judged, trace| {
                judge.end(trace).rollback.map(|at| at as f64 / f64::from(judge.per_minute))
            };
            [seen(&minute, &trace), seen(&ten, &cut)]
        })
        .collect();
    let of = |which: usize| summed(ends.iter().map(|ends| ends[which]).collect());
    Compared {
        scenario: scenario.name().to_owned(),
        rps,
        bad: scenario.is_bad(),
        by_minute: of(0),
        by_ten_seconds: of(1),
    }
}

/// The share of rollbacks in percent and their median minute.
fn summed(ends: Vec<Option<f64>>) -> (f64, Option<f64>) {
    let all = ends.len() as f64;
    let mut minutes: Vec<f64> = ends.into_iter().flatten().collect();
    minutes.sort_by(f64::total_cmp);
    (100.0 * minutes.len() as f64 / all, minutes.get(minutes.len() / 2).copied())
}
