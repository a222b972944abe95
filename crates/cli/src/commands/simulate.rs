//! `perch simulate --plan FILE --trace FILE`

use std::io::Read;

use perch_core::names::TargetName;
use perch_core::target::{MetricResolution, Target};
use perch_lab::case::{self, Case, InvalidCase};
use perch_lab::simulate::{Simulated, simulate};

use super::apply::source;
use crate::args::lab::Simulate;
use crate::console::Console;
use crate::{render, target_file};

/// A trace file that can't be judged.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub(crate) struct InvalidTrace {
    file: String,
    #[source]
    problem: InvalidCase,
}

/// A plan whose judge is not clear.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnclearPlan {
    #[error("{file} has {count} targets: choose one with --target")]
    Several { file: String, count: usize },
    #[error("{file} has no target {wanted}")]
    NotThere { file: String, wanted: String },
}

/// Plays every case and prints what would have become of it.
pub(super) fn run(
    args: &Simulate,
    stdin: &mut impl Read,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let plan = source(&args.plan, stdin)?;
    let file = plan.name.clone();
    // What is simulated has buckets of a minute, whatever the resolution of the metrics.
    let targets = target_file::read(&[plan], MetricResolution::Second)?;
    let target = choose(targets, args.target.as_ref(), file)?;
    let trace = source(&args.trace, stdin)?;
    let cases =
        case::read(&trace.text).map_err(|problem| InvalidTrace { file: trace.name, problem })?;
    let found: Vec<(Case, Simulated)> = cases
        .into_iter()
        .map(|case| {
            let simulated = simulate(&target.judge, &case);
            (case, simulated)
        })
        .collect();
    let answers: Vec<&Simulated> = found.iter().map(|(_, simulated)| simulated).collect();
    console.show(&answers, |look| render::simulated(&found, look))
}

/// The target of a plan: its only one, or the one that is asked for.
pub(super) fn choose(
    targets: Vec<Target>,
    wanted: Option<&TargetName>,
    file: String,
) -> Result<Target, UnclearPlan> {
    let count = targets.len();
    let mut targets = targets.into_iter();
    match (wanted, targets.next()) {
        (None, Some(only)) if count == 1 => Ok(only),
        (None, _) => Err(UnclearPlan::Several { file, count }),
        (Some(wanted), first) => {
            let found = first.into_iter().chain(targets).find(|target| target.name == *wanted);
            found.ok_or_else(|| UnclearPlan::NotThere { file, wanted: wanted.to_string() })
        }
    }
}
