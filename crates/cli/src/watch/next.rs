//! What happens next to a release, and when.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{Next, resume};
use perch_core::journal::{JournalEntry, What};
use perch_core::phase::Phase;
use perch_core::release::{Order, Release};
use perch_core::stop::Stop;
use perch_core::target::NoData;
use perch_core::weight::Weight;

use super::follow::Followed;
use crate::render::text::{between, length};

/// The next decision in a sentence.
pub(crate) fn decision(followed: &Followed, release: &Release, now: Timestamp) -> String {
    let (plan, journal) = (&release.plan, followed.journal.as_slice());
    let kept = kept(release, followed.stop.as_ref(), now);
    match &release.phase {
        Phase::Pending => "waits for its execution to take it up".to_owned(),
        Phase::Preparing if release.awaits_smoke_tests() => {
            format!("sends the canary its smoke tests, then {}", after(release, 0))
        }
        Phase::Preparing if plan.smokes_before_the_shift() => {
            format!("publishes the canary version, then tests it, then {}", after(release, 0))
        }
        Phase::Preparing => format!("publishes the canary version, then {}", after(release, 0)),
        // Only a canary without traffic is kept from its shift.
        Phase::Shifting { weight, .. } => match kept.filter(|_| release.weight() == Weight::ZERO) {
            Some(kept) => format!("waits with its first traffic: {kept}"),
            None => format!("moves {} to {weight} and reads it back", plan.driver),
        },
        Phase::Baking { step, since, .. } => {
            let bake = plan.steps.get(*step).map_or(Duration::ZERO, |step| step.bake.duration());
            let end = since.saturating_add(bake).unwrap_or(Timestamp::MAX);
            let look = look_again(release, journal, now);
            match kept {
                Some(kept) => format!("{look}; stays at {}: {kept}", release.weight()),
                None => format!("{look}; {}", end_of_bake(release, *step, end, now)),
            }
        }
        Phase::Promoting { .. } => match kept.filter(|_| release.weight() == Weight::ZERO) {
            Some(kept) => format!("waits with its first traffic: {kept}"),
            None => {
                format!("moves all of {} to the canary and reads it back", plan.driver)
            }
        },
        Phase::Watching { until, .. } => format!(
            "{}; the watch ends in {}",
            look_again(release, journal, now),
            length(between(now, *until))
        ),
        Phase::RollingBack { .. } => match &release.ledger {
            Some(ledger) => format!("all traffic goes back to version {}", ledger.baseline),
            None => "ends without having moved traffic".to_owned(),
        },
        Phase::Stuck { .. } => {
            format!("a person must look; then: perch rollback {} --reason ...", release.target)
        }
        Phase::Promoted
        | Phase::RolledBack { .. }
        | Phase::Rejected { .. }
        | Phase::Superseded { .. } => ended(release, now),
    }
}

/// What keeps a canary from more traffic, and for how long.
fn kept(release: &Release, stop: Option<&Stop>, now: Timestamp) -> Option<String> {
    let who = match (stop, &release.order) {
        (Some(stop), _) => format!("stopped by {}", stop.by),
        (None, Some(Order::Hold { by, .. })) => format!("held by {by}"),
        (None, Some(Order::Promote { .. } | Order::Continue { .. }) | None) => return None,
    };
    Some(format!(
        "{who}; rolls back in {} unless it goes on",
        length(between(now, release.deadline))
    ))
}

fn end_of_bake(release: &Release, step: usize, end: Timestamp, now: Timestamp) -> String {
    match &release.order {
        Some(Order::Promote { by, .. }) => {
            return format!("promotes then, as {by} ordered, unless it fails");
        }
        Some(Order::Continue { by, .. }) => {
            let next = after(release, step + 1);
            return format!("goes on to {next} then, as {by} ordered, unless it fails");
        }
        Some(Order::Hold { .. }) | None => {}
    }
    let left = between(now, end);
    if !left.is_zero() {
        return format!("the bake ends in {}, then {}", length(left), after(release, step + 1));
    }
    match release.plan.judge.no_data {
        NoData::Hold => format!(
            "the bake is over: holds here until a Pass, at most {}",
            length(between(now, release.deadline))
        ),
        NoData::Fail => "the bake is over: a Pass goes on, no verdict rolls back".to_owned(),
    }
}

/// What follows the step before `step`.
fn after(release: &Release, step: usize) -> String {
    match release.plan.steps.get(step) {
        Some(step) => step.weight.to_string(),
        None => "100%".to_owned(),
    }
}

fn look_again(release: &Release, journal: &[JournalEntry], now: Timestamp) -> String {
    match next_look(release, journal).map(|at| between(now, at)) {
        Some(left) if left.as_secs() > 0 => format!("looks again in {}", length(left)),
        Some(_) | None => "looks now".to_owned(),
    }
}

/// When the judge looks next: as core decided after the last look or shift.
fn next_look(release: &Release, journal: &[JournalEntry]) -> Option<Timestamp> {
    let set_a_look =
        |what| matches!(what, What::WeightShifted | What::BakeJudged | What::CanaryPromoted);
    let last = journal.iter().rev().find(|entry| set_a_look(entry.what))?;
    match resume(release, last.at) {
        Next::Judge { after_seconds } => {
            last.at.saturating_add(Duration::from_secs(after_seconds)).ok()
        }
        _ => None,
    }
}

fn ended(release: &Release, now: Timestamp) -> String {
    let Some(end) = release.ended_at else { return "nothing: the release is over".to_owned() };
    format!(
        "nothing: ended {} ago, after {}",
        length(between(end, now)),
        length(between(release.started_at, end))
    )
}
