//! The rows of the benchmark, in the order of the published tables.
//!
//! The published method was tuned on the tuned list. Set A was held out for its first version and seen
//! before the second; set B was run once, with the second version as it is. What goes beyond it was
//! tuned on all of these and on `tuned-new`; `held-c` was run once, with the shipped method as it is.

use serde::Serialize;

use crate::conditions::Volume;
use crate::scenarios::{self as s, Scenario};
use crate::trace::Trace;

/// A scenario under one volume of traffic and one ordinary error rate.
#[derive(Debug, Clone)]
pub struct Row {
    /// What happens.
    pub scenario: Scenario,
    /// Traffic and the canary's share.
    pub volume: Volume,
    /// The baseline's ordinary error rate.
    pub base: f64,
}

impl Row {
    fn new(scenario: Scenario, rps: f64, base: f64, weight: f64) -> Self {
        Self { scenario, volume: Volume { rps, weight }, base }
    }

    /// A row with the usual error rate of 0.1% and the usual weight of 10%.
    fn usual(scenario: Scenario, rps: f64) -> Self {
        Self::new(scenario, rps, 0.001, 0.1)
    }

    /// The canary with this number; the same for the same seed.
    pub fn trace(&self, seed: u64, number: u64) -> Trace {
        self.scenario.trace(self.volume, self.base, seed, number)
    }
}

/// A list of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// What the method was tuned on.
    Tuned,
    /// Held out for the first version of the method.
    HeldA,
    /// Held out for the second version.
    HeldB,
    /// What the shipped method was tuned on beside the tuned list.
    TunedNew,
    /// Held out for the shipped method.
    HeldC,
}

impl Set {
    /// Every set.
    pub const ALL: [Self; 5] = [Self::Tuned, Self::HeldA, Self::HeldB, Self::TunedNew, Self::HeldC];
    /// The sets that the method was published with.
    pub const PUBLISHED: [Self; 3] = [Self::Tuned, Self::HeldA, Self::HeldB];

    /// The name as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tuned => "tuned",
            Self::HeldA => "held-a",
            Self::HeldB => "held-b",
            Self::TunedNew => "tuned-new",
            Self::HeldC => "held-c",
        }
    }

    /// Its rows, in the order of the published table.
    pub fn rows(self) -> Vec<Row> {
        match self {
            Self::Tuned => tuned(),
            Self::HeldA => held_a(),
            Self::HeldB => held_b(),
            Self::TunedNew => tuned_new(),
            Self::HeldC => held_c(),
        }
    }

    /// The seed of a row's traces.
    pub fn seed(self, row: usize) -> u64 {
        let base = match self {
            Self::Tuned => 51_000_000,
            Self::HeldA => 87_000_000,
            Self::HeldB => 93_000_000,
            Self::TunedNew => 61_000_000,
            Self::HeldC => 71_000_000,
        };
        base + row as u64
    }
}

/// The usual traffic in requests per second.
const TRAFFIC: [f64; 3] = [10.0, 100.0, 1000.0];

/// One row per scenario and volume; the scenarios of a volume stand together.
fn usual(scenarios: &[Scenario]) -> Vec<Row> {
    let at = |rps| scenarios.iter().map(move |scenario| Row::usual(scenario.clone(), rps));
    TRAFFIC.into_iter().flat_map(at).collect()
}

fn tuned() -> Vec<Row> {
    let mut rows = Vec::new();
    for rps in [1.0, 10.0, 100.0, 1000.0] {
        rows.extend([0.001, 0.005].map(|base| Row::new(s::healthy(), rps, base, 0.1)));
    }
    rows.extend(usual(&[
        s::burst_both(),
        s::burst_independent(),
        s::gamma_errors(),
        s::diurnal(),
        s::outage(),
    ]));
    rows.extend(usual(&[
        s::errors(2.0),
        s::errors(5.0),
        s::errors(10.0),
        s::all_errors(),
        s::leak(),
    ]));
    rows.push(Row::usual(s::errors(10.0), 1.0));
    rows.push(Row::usual(s::all_errors(), 1.0));
    rows.push(Row::new(s::errors(10.0), 1.0, 0.005, 0.1));
    for rps in [10.0, 100.0] {
        rows.extend([2.0, 10.0].map(|ratio| Row::new(s::errors(ratio), rps, 0.005, 0.1)));
    }
    let slower = [20.0, 50.0, 200.0];
    let latency: Vec<_> = slower.map(s::latency).into_iter().chain(slower.map(s::tail)).collect();
    rows.extend(usual(&latency));
    rows.extend(usual(&[s::burst_clean(), s::collection_pauses(), s::latency_jitter()]));
    rows.extend([1000.0, 10_000.0].map(|rps| Row::usual(s::errors(1.2), rps)));
    rows.extend([100.0, 1000.0].map(|rps| Row::usual(s::latency(5.0), rps)));
    rows
}

fn held_a() -> Vec<Row> {
    let mut rows = usual(&[
        s::lognormal_errors(),
        s::sawtooth(),
        s::cold_start(),
        s::retry_storm(),
        s::shared_drop(),
        s::autocorrelated_errors(1.0),
        s::two_minute_burst(),
        s::latency_noise(),
        s::heavy_tail(0.0),
    ]);
    rows.extend([100.0, 1000.0, 5000.0].map(|rps| Row::usual(s::tolerated(), rps)));
    for (rps, base, weight) in [
        (10.0, 0.001, 0.3),
        (30.0, 0.001, 0.3),
        (10.0, 0.01, 0.1),
        (100.0, 0.01, 0.1),
        (30.0, 0.002, 0.1),
        (300.0, 0.0002, 0.1),
        (1000.0, 0.001, 0.01),
    ] {
        rows.push(Row::new(s::healthy(), rps, base, weight));
    }
    for (ratio, rps, base, weight) in [
        (2.0, 10.0, 0.01, 0.1),
        (2.0, 100.0, 0.01, 0.1),
        (1.5, 100.0, 0.01, 0.1),
        (2.0, 30.0, 0.001, 0.3),
        (2.0, 100.0, 0.001, 0.3),
        (3.0, 30.0, 0.002, 0.1),
        (5.0, 300.0, 0.0002, 0.1),
        (5.0, 1000.0, 0.001, 0.01),
        (3.0, 100.0, 0.001, 0.1),
        (3.0, 1000.0, 0.001, 0.1),
    ] {
        rows.push(Row::new(s::errors(ratio), rps, base, weight));
    }
    for scenario in [s::autocorrelated_errors(3.0), s::step(), s::flapping()] {
        rows.extend([100.0, 1000.0].map(|rps| Row::usual(scenario.clone(), rps)));
    }
    rows.extend(TRAFFIC.map(|rps| Row::usual(s::heavy_tail(30.0), rps)));
    rows.extend([10.0, 30.0, 300.0].map(|rps| Row::usual(s::tail(30.0), rps)));
    rows.push(Row::new(s::tail(50.0), 10.0, 0.001, 0.3));
    rows.push(Row::new(s::latency(30.0), 30.0, 0.001, 0.3));
    rows.extend([100.0, 1000.0].map(|rps| Row::usual(s::latency(15.0), rps)));
    rows
}

fn held_b() -> Vec<Row> {
    let mut rows = usual(&[
        s::autocorrelated_latency(),
        s::warm_up(),
        s::pareto_errors(),
        s::spike(),
        s::better(),
    ]);
    for (rps, base, weight) in
        [(20.0, 0.002, 0.3), (15.0, 0.003, 0.2), (50.0, 0.003, 0.05), (5.0, 0.001, 0.2)]
    {
        rows.push(Row::new(s::healthy(), rps, base, weight));
    }
    rows.extend(usual(&[s::retrying(), s::slow_ramp(), s::hanging()]));
    rows.push(Row::new(s::errors(2.5), 500.0, 0.002, 0.05));
    rows.push(Row::usual(s::errors(2.0), 300.0));
    rows.push(Row::usual(s::errors(4.0), 50.0));
    rows.push(Row::usual(s::latency(25.0), 20.0));
    rows
}

fn tuned_new() -> Vec<Row> {
    let mut rows = usual(&[
        s::fading_start(),
        s::varied_warm_up(),
        s::two_minute_burst_of(6.0),
        s::two_minute_burst_of(40.0),
        s::clustered_errors(3..=3, 1.0),
        s::clustered_errors(5..=5, 1.0),
    ]);
    for scenario in [s::clustered_errors(3..=3, 3.0), s::doubling(), s::late_slowdown()] {
        rows.extend([100.0, 1000.0].map(|rps| Row::usual(scenario.clone(), rps)));
    }
    rows
}

fn held_c() -> Vec<Row> {
    usual(&[
        s::linear_fading(),
        s::three_minute_burst(),
        s::clustered_errors(1..=9, 1.0),
        s::doubled_traffic(),
        s::noisy_neighbour(),
        s::clustered_errors(4..=4, 1.15),
        s::slow_leak(),
        s::slow_few(),
        s::slow_after_warm_up(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_the_published_rows() {
        let sets = Set::PUBLISHED.map(Set::rows);
        assert_eq!(sets.each_ref().map(Vec::len), [76, 63, 32]);
        let bad = sets.each_ref().map(|set| set.iter().filter(|r| r.scenario.is_bad()).count());
        assert_eq!(bad, [40, 26, 13]);
    }

    #[test]
    fn no_row_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for row in Set::ALL.map(Set::rows).concat() {
            let Row { scenario, volume, base } = row;
            let row = format!("{} {volume:?} {base}", scenario.name());
            assert!(seen.insert(row.clone()), "{row}");
        }
    }
}
