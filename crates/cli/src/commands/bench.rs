//! `perch judge bench`

use perch_core::target::{Overrides, Strictness};
use perch_lab::bench::{self, RowResult, Rule, table};
use perch_lab::grid::Set;
use perch_lab::judged::Judged;
use perch_lab::peers::Peer;
use serde::Serialize;

use crate::args::lab::{Bench, BenchPreset, BenchSet};
use crate::console::Console;
use crate::render;

/// The rows of one set.
#[derive(Debug, Serialize)]
struct Measured {
    set: Set,
    rows: Vec<RowResult>,
}

/// Measures and prints every row that was asked for.
pub(super) fn run(args: &Bench, console: &mut Console<'_>) -> anyhow::Result<()> {
    let judges: Vec<Judged> = args.preset.iter().copied().map(judge).collect();
    let peers = Peer::ALL.iter().map(|peer| peer as &dyn Rule);
    let rules: Vec<&dyn Rule> = peers.chain(judges.iter().map(|judge| judge as _)).collect();
    let measure = |set: Set| {
        let rows = set.rows().into_iter().enumerate().map(|(index, row)| {
            let seed = set.seed(index).wrapping_add(args.seed);
            bench::run_row(&row, &rules, u64::from(args.traces), seed)
        });
        Measured { set, rows: rows.collect() }
    };
    let measured: Vec<Measured> = sets(args.set).iter().copied().map(measure).collect();
    if args.markdown {
        let tables = measured.iter().map(|m| titled(m, table::markdown(&m.rows)));
        return console.line(tables.collect::<Vec<_>>().join("\n").trim_end());
    }
    console.show(&measured, |look| {
        let tables = measured.iter().map(|m| titled(m, render::bench(&m.rows, look)));
        tables.collect::<Vec<_>>().join("\n\n")
    })
}

fn titled(measured: &Measured, table: String) -> String {
    let traces = measured.rows.first().map_or(0, |row| row.traces);
    format!("Set {}, {traces} canaries per row\n\n{table}", measured.set.name())
}

fn sets(set: BenchSet) -> &'static [Set] {
    match set {
        BenchSet::Tuned => &[Set::Tuned],
        BenchSet::HeldA => &[Set::HeldA],
        BenchSet::HeldB => &[Set::HeldB],
        BenchSet::TunedNew => &[Set::TunedNew],
        BenchSet::HeldC => &[Set::HeldC],
        BenchSet::All => &Set::ALL,
    }
}

fn judge(preset: BenchPreset) -> Judged {
    let (name, strictness) = match preset {
        BenchPreset::Strict => ("strict", Strictness::Strict),
        BenchPreset::Normal => ("normal", Strictness::Normal),
        BenchPreset::Lenient => ("lenient", Strictness::Lenient),
        BenchPreset::Published => ("published", Strictness::Published),
    };
    Judged::new(name, strictness.method(&Overrides::default()))
}
