//! `perch replay ID [--plan FILE]`

use std::io::Read;

use jiff::Timestamp;
use perch_app::ports::LoadRelease;
use perch_core::judge::{Outcome, Replayed, replay};
use perch_core::names::ReleaseId;
use perch_core::release::Plan;
use perch_core::target::{MetricResolution, Rule};
use perch_core::weight::Weight;
use serde::Serialize;

use super::apply::source;
use super::simulate::choose;
use crate::args::looks::Replay;
use crate::console::Console;
use crate::failure::Missing;
use crate::{render, target_file};

/// A release of which no counts were written down.
#[derive(Debug, thiserror::Error)]
#[error(
    "release {0} has no settled counts: it was judged by `rule: thresholds`, or ended before its first \
     minute was settled"
)]
pub(crate) struct NothingRecorded(ReleaseId);

/// What a plan would have done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    /// The release.
    pub(crate) id: ReleaseId,
    /// The rule that was tried.
    pub(crate) rule: Rule,
    /// `rollback`, `promote` or `inconclusive`.
    pub(crate) verdict: &'static str,
    /// Minutes from the first count to the rollback.
    pub(crate) rollback_minute: Option<f64>,
    /// Minutes from the first count to the promotion.
    pub(crate) promote_minute: Option<f64>,
    /// Why.
    pub(crate) reason: String,
    /// What really became of the release.
    pub(crate) really: &'static str,
    /// Each look.
    pub(crate) minutes: Vec<Minute>,
}

/// What would have been said at the end of a bucket.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Minute {
    /// Minutes from the first count.
    pub(crate) minute: f64,
    /// The time.
    pub(crate) at: Timestamp,
    /// The weight that the canary had.
    pub(crate) weight: Weight,
    /// Pass, Fail or Inconclusive. A Pass before the last step leads to the next one.
    pub(crate) outcome: Outcome,
    /// Why.
    pub(crate) reason: String,
    /// ln of the combined evidence against the canary.
    pub(crate) log_evidence: Option<f64>,
}

/// Replays a release and prints what would have become of it.
pub(super) async fn run(
    store: &impl LoadRelease,
    args: &Replay,
    stdin: &mut impl Read,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let release = store.release(&args.id).await?;
    let release = release.ok_or_else(|| Missing::Release(args.id.clone()))?;
    let plan = match &args.plan {
        None => release.plan.clone(),
        Some(file) => {
            let file = source(file, stdin)?;
            let name = file.name.clone();
            let targets = target_file::read(&[file], MetricResolution::Second)?;
            let target = choose(targets, args.target.as_ref(), name)?;
            Plan::of(&target, release.artifact.lane()).unwrap_or_else(|| release.plan.clone())
        }
    };
    let nothing = || NothingRecorded(release.id.clone());
    let judging = release.judging.as_ref().ok_or_else(nothing)?;
    let first = judging.observed.first().ok_or_else(nothing)?.at;
    let replayed = replay(&plan, judging);
    let minute = |at: Timestamp| at.duration_since(first).as_secs_f64() / 60.0;
    let end = |wanted: &dyn Fn(&Replayed) -> bool| replayed.iter().find(|one| wanted(one));
    let back = end(&|one| one.verdict.outcome == Outcome::Fail);
    let on = end(&|one| one.is_last && one.verdict.outcome == Outcome::Pass);
    let (verdict, decided) = match (back, on) {
        (_, Some(on)) if back.is_none_or(|back| on.at < back.at) => ("promote", Some(on)),
        (Some(back), _) => ("rollback", Some(back)),
        (None, _) => ("inconclusive", replayed.last()),
    };
    let answer = Answer {
        id: release.id.clone(),
        rule: plan.judge.rule,
        verdict,
        rollback_minute: back.map(|one| minute(one.at)),
        promote_minute: on.map(|one| minute(one.at)),
        reason: decided.map(|one| one.verdict.texts().join("; ")).unwrap_or_default(),
        really: release.phase.name(),
        minutes: replayed
            .iter()
            .map(|one| Minute {
                minute: minute(one.at),
                at: one.at,
                weight: one.weight,
                outcome: one.verdict.outcome,
                reason: one.verdict.texts().join("; "),
                log_evidence: one.look.as_ref().map(|look| look.evidence),
            })
            .collect(),
    };
    console.show(&answer, |look| render::replayed(&answer, look))
}
