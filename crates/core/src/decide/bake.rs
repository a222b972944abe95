//! What follows from a look during a bake or a watch, and when the next look is.

use std::time::Duration;

use jiff::Timestamp;

use super::turn::{advance, roll_back};
use super::{Decision, Next};
use crate::journal::What;
use crate::judge::{Outcome, Verdict};
use crate::phase::{Phase, RollbackCause};
use crate::release::{Order, Plan, Release};
use crate::stop::Stop;
use crate::target::{NoData, Step};
use crate::weight::Weight;

/// After promotion the judge looks once a minute at most: the guards cover the time between, and
/// `AWS/Lambda` metrics have one value per minute.
const WATCH_LOOK: Duration = Duration::from_secs(60);

/// Looks that a whole plan may take. A look is about 11 events of an execution's history, which ends
/// at 25,000 events (Step Functions Developer Guide, "Quotas related to state machine executions");
/// a plan of days is looked at less often.
const LOOKS_PER_PLAN: u32 = 1000;

/// Looks that a release may take besides, while a bake goes on without a verdict or a person holds it
/// until the deadline. With those of the plan they stay below 17,000 events.
const LOOKS_BEYOND_PLAN: u32 = 500;

/// A bake under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bake {
    /// The step's place in the plan.
    pub(super) step: usize,
    /// When its weight was read back.
    pub(super) since: Timestamp,
    /// Its weight.
    pub(super) weight: Weight,
}

/// What follows from a look during a bake.
///
/// A Fail rolls back at once, and so does the deadline. Then people decide: a stop or a hold keeps
/// the weight, an order to go on or to promote is carried out. Else a Pass counts at the end of the
/// bake, or at once where the evidence is there. Without a verdict at the end, and with all its readings,
/// a weight for low traffic is tried once, then the bake is extended as the rule says, and then the rule's
/// `noData` decides, which never promotes.
pub(super) fn judged(
    release: &Release,
    bake: Bake,
    verdict: &Verdict,
    stop: Option<&Stop>,
    now: Timestamp,
) -> Decision {
    let plan = &release.plan;
    let mut looked = vec![(What::BakeJudged, format!("at {}: {verdict}", bake.weight))];
    let back = |mut looked: Vec<(What, String)>, cause| {
        let mut decision = roll_back(release, cause);
        looked.append(&mut decision.entries);
        Decision { entries: looked, ..decision }
    };
    if verdict.outcome == Outcome::Fail {
        return back(looked, RollbackCause::Judge { reasons: verdict.texts() });
    }
    if now >= release.deadline {
        return back(looked, RollbackCause::Deadline { deadline: release.deadline });
    }
    let stay = |looked| Decision {
        phase: release.phase.clone(),
        next: Next::Judge { after_seconds: next_look(release, bake.step, bake.since, now) },
        entries: looked,
    };
    let by_itself = plan.driver.moves_itself();
    if let Some(stop) = stop {
        looked[0].1 += &format!("; {stop}");
        // Nothing can hold it at its weight.
        if !release.can_wait() {
            let (by, reason) = (stop.by.clone(), format!("the line was stopped: {}", stop.reason));
            return back(looked, RollbackCause::Abort { by, reason });
        }
        return stay(looked);
    }
    match &release.order {
        Some(Order::Hold { by, reason }) => {
            looked[0].1 += &format!("; held by {by}: {reason}");
            return stay(looked);
        }
        Some(Order::Promote { by, reason }) => {
            looked.push((What::PromotionDecided, format!("ordered by {by}: {reason}")));
            let (from, next) = (bake.weight, Next::promote(plan));
            return Decision { phase: Phase::Promoting { from }, next, entries: looked };
        }
        // A schedule can't be hurried: it goes on by one step once it waits for Perch.
        Some(Order::Continue { .. }) if !by_itself || shifts(plan, bake) <= now => {
            return advance(release, bake.step + 1, looked);
        }
        Some(Order::Continue { .. }) | None => {}
    }
    let left = remaining(end_of(plan, bake.step, bake.since), now);
    let is_over = left.is_zero() && !verdict.pending;
    match verdict.outcome {
        Outcome::Pass if is_over || (verdict.early && !by_itself) => {
            advance(release, bake.step + 1, looked)
        }
        _ if !release.can_wait()
            && is_last(plan, bake)
            && (is_over || (left.is_zero() && moves_soon(plan, bake, now))) =>
        {
            back(looked, RollbackCause::NoData { reasons: verdict.texts() })
        }
        Outcome::Inconclusive
            if is_over && verdict.low_traffic && raised(release, bake).is_some() =>
        {
            raise(release, bake, looked)
        }
        Outcome::Inconclusive
            if is_over && plan.judge.no_data == NoData::Fail && now >= extended(plan, bake) =>
        {
            back(looked, RollbackCause::NoData { reasons: verdict.texts() })
        }
        Outcome::Pass | Outcome::Inconclusive | Outcome::Fail => stay(looked),
    }
}

fn is_last(plan: &Plan, bake: Bake) -> bool {
    bake.step + 1 >= plan.steps.len()
}

/// Whether a driver that moves by itself gives the canary all traffic before the next look.
fn moves_soon(plan: &Plan, bake: Bake, now: Timestamp) -> bool {
    remaining(shifts(plan, bake), now) <= 2 * interval(plan)
}

/// When a driver that moves by itself is done with a bake.
fn shifts(plan: &Plan, bake: Bake) -> Timestamp {
    let whole = plan.step(bake.step).map_or(Duration::ZERO, |step| step.bake.duration());
    bake.since.saturating_add(whole).unwrap_or(Timestamp::MAX)
}

/// The step with a higher weight that follows a last bake with too few requests, once.
fn raised(release: &Release, bake: Bake) -> Option<Step> {
    let next = bake.step + 1;
    (next == release.plan.steps.len()).then(|| release.plan.step(next)).flatten()
}

fn raise(release: &Release, bake: Bake, entries: Vec<(What, String)>) -> Decision {
    let weight = raised(release, bake).map_or(bake.weight, |step| step.weight);
    Decision {
        phase: Phase::Shifting { step: bake.step + 1, weight, from: bake.weight },
        next: Next::shift(&release.plan),
        entries,
    }
}

/// The end of a bake with the time that the rule adds for low traffic. The step with a higher weight has
/// it in its own bake.
fn extended(plan: &Plan, bake: Bake) -> Timestamp {
    let end = end_of(plan, bake.step, bake.since);
    let more = plan.judge.low_traffic.extend.filter(|_| bake.step < plan.steps.len());
    more.map_or(end, |more| end.saturating_add(more.duration()).unwrap_or(Timestamp::MAX))
}

/// What follows from a look after the promotion. A lack of requests is no reason to go back: the
/// guards stand, and the verdict of the bakes was Pass.
pub(super) fn watched(
    release: &Release,
    since: Timestamp,
    until: Timestamp,
    verdict: &Verdict,
    now: Timestamp,
) -> Decision {
    let looked = (What::BakeJudged, format!("in the watch: {verdict}"));
    if verdict.outcome == Outcome::Fail {
        let mut decision = roll_back(release, RollbackCause::Judge { reasons: verdict.texts() });
        decision.entries.insert(0, looked);
        return decision;
    }
    if now >= until {
        let text = format!("the watch of {} ended without a reason to go back", release.plan.watch);
        return Decision {
            phase: Phase::Promoted,
            next: Next::Close,
            entries: vec![looked, (What::ReleasePromoted, text)],
        };
    }
    Decision {
        phase: Phase::Watching { since, until },
        next: Next::Judge { after_seconds: watch_look(&release.plan, until, now) },
        entries: vec![looked],
    }
}

/// Seconds to the first look of a bake.
pub(super) fn first_look(release: &Release, step: usize, now: Timestamp) -> u64 {
    let plan = &release.plan;
    let bake = plan.step(step).map_or(Duration::ZERO, |step| step.bake.duration());
    whole_seconds(interval(plan).min(bake).min(remaining(release.deadline, now)))
}

/// Seconds to the next look of a bake: the interval, or less where the bake or the release has to
/// end sooner. A bake that is over and still has no verdict goes on, as often as can be recorded.
pub(super) fn next_look(release: &Release, step: usize, since: Timestamp, now: Timestamp) -> u64 {
    let left = remaining(end_of(&release.plan, step, since), now);
    let interval = interval(&release.plan);
    let look = if left.is_zero() {
        interval.max(remaining(release.deadline, release.started_at) / LOOKS_BEYOND_PLAN)
    } else {
        interval.min(left)
    };
    whole_seconds(look.min(remaining(release.deadline, now)))
}

/// The time between looks: as the rule says, or longer where the plan would take too many.
fn interval(plan: &Plan) -> Duration {
    let bakes: Duration = plan.steps.iter().map(|step| step.bake.duration()).sum();
    plan.judge.interval.duration().max((bakes + plan.watch.duration()) / LOOKS_PER_PLAN)
}

/// Seconds to the next look of a watch.
pub(super) fn watch_look(plan: &Plan, until: Timestamp, now: Timestamp) -> u64 {
    whole_seconds(interval(plan).max(WATCH_LOOK).min(remaining(until, now)))
}

fn end_of(plan: &Plan, step: usize, since: Timestamp) -> Timestamp {
    since.saturating_add(plan.judged_bake(step)).unwrap_or(Timestamp::MAX)
}

fn remaining(end: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// Step Functions waits in whole seconds: rounded up, so that a look never comes before its time.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
