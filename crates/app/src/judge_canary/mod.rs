//! Reads alias, metrics and guards, asks the judge, and decides. Sends requests where there are too few.

mod evidence;
mod synthetic;
mod thresholds;

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::head::Ledger;
use perch_core::journal::Evidence;
use perch_core::judge::{Arm, Health, Readings};
use perch_core::names::AlarmName;
use perch_core::percent::Percent;
use perch_core::phase::Phase;
use perch_core::release::{Driver, Release};
use perch_core::reload::Fleet;
use serde::{Deserialize, Serialize};

use crate::deployment;
use crate::move_alias::way;
use crate::ports::{
    AlarmStates, CommitRelease, LoadHead, LoadRelease, LoadStanding, ReadAlarms, ReadAlias,
    ReadDeployments, ReadEvidence, ReadMetrics, ReadServices, Route, SendRequests, Window,
};
use crate::reload;
use crate::step::{StepError, StepInput, StepOutput, held, missing, settle};

/// What the state machine hands over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgeInput {
    /// The release and its fence.
    #[serde(flatten)]
    pub step: StepInput,
    /// What replicas report, for a release of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
}

impl From<StepInput> for JudgeInput {
    fn from(step: StepInput) -> Self {
        Self { step, fleet: None }
    }
}

/// Looks once at the canary of an alias.
pub async fn run(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    moving: (&(impl ReadAlias + SendRequests), &impl ReadServices, &impl ReadDeployments),
    watching: (&(impl ReadMetrics + ReadEvidence), &impl ReadAlarms),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    run_with(store, moving, watching, &input.clone().into(), now).await
}

/// Looks once at the canary, with what replicas report where it is on model servers.
pub async fn run_with(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    (lambda, services, deployments): (
        &(impl ReadAlias + SendRequests),
        &impl ReadServices,
        &impl ReadDeployments,
    ),
    (metrics, alarms): (&(impl ReadMetrics + ReadEvidence), &impl ReadAlarms),
    input: &JudgeInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let (input, fleet) = (&input.step, input.fleet.as_ref());
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let (Phase::Baking { since, .. } | Phase::Watching { since, .. }) = release.phase else {
        return Ok(input.then(resume(&release, now)));
    };
    // What serves before the fence: who takes the fence later moves it later, too.
    let event = unexpected((lambda, services, deployments), &release, fleet, now).await?;
    let standing = store.standing(&release.target).await?;
    if !standing.is_held_by(&release) {
        return Ok(input.then(Next::End));
    }
    if let Some(event) = event {
        // A deployment would move it again: that is stopped first.
        if release.plan.driver.moves_itself() && matches!(event, Event::TakenOver { .. }) {
            return Ok(input.then(Next::Follow { after_seconds: 0 }));
        }
        return settle(store, input, release, &event, None, now).await;
    }
    let states = alarms.alarms(&release.plan.guards).await?;
    let guards = Guards::of(&mut release, states);
    let mut evidence = match (&release.phase, &release.judging) {
        (Phase::Baking { step, .. }, Some(judging)) => {
            let bake = (*step, since);
            let (evidence, judging) =
                evidence::look(metrics, &release, judging.clone(), bake, guards, now).await?;
            release.judging = Some(judging);
            evidence
        }
        _ => {
            let (readings, verdict) =
                thresholds::look(metrics, &release, since, guards, now).await?;
            Evidence {
                readings,
                verdict,
                look: None,
                observed: Vec::new(),
                queries: Vec::new(),
                synthetic: 0,
            }
        }
    };
    if let Some((least, health)) = health(services, &release).await? {
        evidence.verdict = health.over(Some(least), evidence.verdict);
    }
    let verdict = evidence.verdict.clone();
    let event = Event::Judged { verdict, stop: standing.stop };
    evidence.synthetic = synthetic::fill(lambda, &mut release, &event, now).await?;
    settle(store, input, release, &event, Some(evidence), now).await
}

/// What follows where something else serves than the release set.
async fn unexpected(
    (lambda, services, deployments): (&impl ReadAlias, &impl ReadServices, &impl ReadDeployments),
    release: &Release,
    fleet: Option<&Fleet>,
    now: Timestamp,
) -> Result<Option<Event>, StepError> {
    if release.plan.driver.moves_itself() {
        return deployment::unexpected((lambda, services), deployments, release, now).await;
    }
    let alias = match &release.plan.driver {
        Driver::Alias(alias) => alias,
        Driver::Service(_) => return Ok(None),
        Driver::Servers(_) => {
            let fleet = fleet.ok_or_else(|| missing(release, "report of its replicas"))?;
            return Ok(reload::unexpected(release, fleet, now));
        }
    };
    let route = lambda.alias(alias).await?.route;
    let (ledger, canary) = way(release)?;
    let taken = route != Route::at(ledger, &canary, release.weight());
    Ok(taken.then(|| Event::TakenOver { found: route.to_string() }))
}

/// How healthy the canary's targets are, and how healthy they have to be; nothing where that does not
/// matter.
async fn health(
    services: &impl ReadServices,
    release: &Release,
) -> Result<Option<(Percent, Health)>, StepError> {
    let of = release.ledger.as_ref().and_then(Ledger::service);
    let (Some(least), Some(of)) = (release.plan.judge.healthy_targets, of) else {
        return Ok(None);
    };
    Ok(Some((least, services.health(&of.service, &of.groups.canary).await?)))
}

/// The guards that count at a look.
struct Guards(AlarmStates);

impl Guards {
    /// A guard that was in ALARM at the start counts from the first look that finds it OK.
    fn of(release: &mut Release, mut guards: AlarmStates) -> Self {
        release.ignored_guards.retain(|alarm| guards.in_alarm.contains(alarm));
        let counts = |alarm: &AlarmName| !release.ignored_guards.contains(alarm);
        guards.in_alarm.retain(counts);
        Self(guards)
    }

    /// The readings of a window with these guards.
    fn with(self, window: Window, [canary, baseline]: [Arm; 2]) -> Readings {
        Readings {
            from: window.from,
            to: window.to,
            canary,
            baseline,
            alarms: self.0.in_alarm,
            missing_guards: self.0.missing,
        }
    }
}

/// The whole periods between `since` and `now` that are settled.
///
/// The period in which the weight was reached also holds requests from before it, so the window
/// starts with the next one. The end leaves time for late values: Lambda publishes a value when the
/// invocation ends.
fn whole_periods(
    since: Timestamp,
    now: Timestamp,
    period_seconds: u32,
    settle_seconds: u32,
) -> Window {
    let period = i64::from(period_seconds);
    let floor = |second: i64| second.div_euclid(period) * period;
    let started = since.as_second() + i64::from(since.subsec_nanosecond() > 0);
    let from = floor(started + period - 1);
    let to = floor(now.as_second() - i64::from(settle_seconds)).max(from);
    let stamp = |second| Timestamp::from_second(second).unwrap_or(since);
    let from = stamp(from);
    Window { from, latency_from: from, to: stamp(to), period_seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_settled_periods_are_read() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (since, now, from, to) in [
            ("12:00:00Z", "12:05:30Z", "12:00:00Z", "12:05:00Z"),
            ("12:00:00.5Z", "12:05:30Z", "12:01:00Z", "12:05:00Z"),
            ("12:00:59Z", "12:05:29Z", "12:01:00Z", "12:04:00Z"),
            ("12:00:10Z", "12:00:50Z", "12:01:00Z", "12:01:00Z"),
        ] {
            let day = |time| at(&format!("2026-11-21T{time}"));
            let window = whole_periods(day(since), day(now), 60, 30);
            assert_eq!((window.from, window.to), (day(from), day(to)), "{since} {now}");
        }
    }
}
