//! Every row of every set, and the levels that the judge promises.

use perch_core::judge::sequential::{Basis, Method, Series};
use perch_lab::bench::{RowResult, Rule, run_row};
use perch_lab::conditions::Volume;
use perch_lab::grid::{Row, Set};
use perch_lab::judged::Judged;
use perch_lab::peers::Peer;
use perch_lab::scenarios::{self, Scenario};
use perch_lab::trace::{HISTORY, MINUTES};

/// Added to the seeds of the sets that were tuned on: canaries that nobody looked at.
const FRESH: u64 = 900_000;

/// The rows of a set, for every rule.
pub(crate) struct Measured {
    pub(crate) set: Set,
    pub(crate) rows: Vec<RowResult>,
}

/// Every set; `held-c` with the seeds of its first run.
pub(crate) fn sets(traces: u64) -> Vec<Measured> {
    let judges =
        [Judged::new("published", Method::published()), Judged::new("normal", Method::normal())];
    let mut rules = Peer::ALL.each_ref().map(|peer| peer as &dyn Rule).to_vec();
    rules.extend(judges.iter().map(|judge| judge as &dyn Rule));
    let measure = |set: Set| {
        let fresh = if set == Set::HeldC { 0 } else { FRESH };
        let rows = set.rows().into_iter().enumerate();
        let results =
            rows.map(|(index, row)| run_row(&row, &rules, traces, set.seed(index) + fresh));
        Measured { set, rows: results.collect() }
    };
    Set::ALL.map(measure).into_iter().collect()
}

/// One promised level, and what was found where it is hardest to keep.
pub(crate) struct Level {
    pub(crate) what: String,
    pub(crate) bound: &'static str,
    pub(crate) found: f64,
}

/// Rollbacks of a canary that is exactly as bad as allowed, and promotions of one at the margin.
pub(crate) fn levels(traces: u64) -> Vec<Level> {
    let shipped = Judged::new("normal", Method::normal());
    // Neither gates nor corroboration: the evidence and the last look alone.
    let bare = Method {
        gate_ratio: 0.0,
        gate_margin: 0.0,
        gate_level: 1.0,
        gate_level_latency: 1.0,
        gate_slow: 0,
        corroboration: 1e-9,
        corroboration_latency: 1e-9,
        corroboration_end: 1.0,
        least_blocks_back: 1,
        latency_lasts: false,
        ..Method::normal()
    };
    let bare = Judged::new("bare", bare);
    let mut levels = Vec::new();
    for rps in [1.0, 10.0, 100.0, 1000.0] {
        for base in [0.001, 0.02, 0.2] {
            let row = Row { scenario: scenarios::healthy(), volume: usual(rps), base };
            let found = run_row(&row, &[&shipped, &bare], traces, 31_000_000 + rps as u64);
            for (name, measured) in
                ["as shipped", "no gate, no corroboration"].iter().zip(&found.rules)
            {
                levels.push(Level {
                    what: format!(
                        "equal canary rolled back, {rps} req/s, {}% errors, {name}",
                        100.0 * base
                    ),
                    bound: "1%",
                    found: measured.rolled_back,
                });
            }
        }
    }
    for rps in [10.0, 100.0, 1000.0] {
        for scenario in [at_error_margin(usual(rps), 0.001), scenarios::latency(20.0)] {
            let row = Row { scenario, volume: usual(rps), base: 0.001 };
            let found = run_row(&row, &[&shipped], traces, 32_000_000 + rps as u64);
            levels.push(Level {
                what: format!("canary at the margin promoted, {rps} req/s, {}", found.scenario),
                bound: "5%",
                found: found.rules[0].promoted,
            });
        }
    }
    levels
}

fn usual(rps: f64) -> Volume {
    Volume { rps, weight: 0.1 }
}

/// As many errors as a promoted canary may just not have.
fn at_error_margin(volume: Volume, base: f64) -> Scenario {
    let method = Method::normal();
    let requests = [volume.rps * 60.0 * (1.0 - volume.weight); HISTORY];
    let events = requests.map(|n| n * base);
    let series = Series { requests: &requests, events: &events, of_traffic: 1.0 - volume.weight };
    let basis = Basis::new(60, MINUTES as u32, volume.weight, &series);
    let rate = method.promise_ratio * base + basis.tolerance(&method);
    scenarios::errors((100.0 * rate / base).round() / 100.0)
}
