//! Reads alias, metrics and guards, asks the judge, and decides.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::journal::Evidence;
use perch_core::judge::{self, Arm, Readings};
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::move_alias::way;
use crate::ports::{
    AlarmStates, CommitRelease, LoadHead, LoadRelease, LoadStanding, ReadAlarms, ReadAlias,
    ReadMetrics, Route, Window,
};
use crate::step::{StepError, StepInput, StepOutput, held, settle};

/// Looks once at the canary.
pub async fn run(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    lambda: &impl ReadAlias,
    (metrics, alarms): (&impl ReadMetrics, &impl ReadAlarms),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let (since, watching) = match release.phase {
        Phase::Baking { since, .. } => (since, false),
        Phase::Watching { since, .. } => (since, true),
        _ => return Ok(input.then(resume(&release, now))),
    };
    // The alias before the fence: who takes the fence later moves the alias later, too.
    let route = lambda.alias(&release.plan.lambda).await?.route;
    let standing = store.standing(&release.target).await?;
    if !standing.is_held_by(&release) {
        return Ok(input.then(Next::End));
    }
    let (ledger, canary) = way(&release)?;
    if route != Route::at(ledger, &canary, release.weight()) {
        let event = Event::TakenOver { found: route.to_string() };
        return settle(store, input, release, &event, None, now).await;
    }
    let window = settled(&release, since, now);
    let [canary, baseline] = arms(metrics, &release, window, watching).await?;
    let guards = alarms.alarms(&release.plan.guards).await?;
    let readings = readings(&mut release, window, [canary, baseline], guards);
    let rule = &release.plan.judge;
    let verdict = if watching {
        judge::judge_watch(rule, &readings)
    } else {
        judge::judge_bake(rule, &readings)
    };
    let event = Event::Judged { verdict: verdict.clone(), stop: standing.stop };
    settle(
        store,
        input,
        release,
        &event,
        Some(Evidence { readings, verdict, look: None, observed: Vec::new(), queries: Vec::new() }),
        now,
    )
    .await
}

/// A guard that was in ALARM at the start counts from the first look that finds it OK.
fn readings(
    release: &mut Release,
    window: Window,
    [canary, baseline]: [Arm; 2],
    guards: AlarmStates,
) -> Readings {
    release.ignored_guards.retain(|alarm| guards.in_alarm.contains(alarm));
    let counts = |alarm: &perch_core::names::AlarmName| !release.ignored_guards.contains(alarm);
    Readings {
        from: window.from,
        to: window.to,
        canary,
        baseline,
        alarms: guards.in_alarm.into_iter().filter(counts).collect(),
        missing_guards: guards.missing,
    }
}

async fn arms(
    metrics: &impl ReadMetrics,
    release: &Release,
    window: Window,
    watching: bool,
) -> Result<[Arm; 2], StepError> {
    if window.from >= window.to {
        return Ok([Arm::default(); 2]);
    }
    let (plan, quantile) = (&release.plan, release.plan.judge.latency.quantile);
    if watching {
        let total = metrics.alias_total(&plan.lambda, window, quantile).await?;
        return Ok([total, Arm::default()]);
    }
    let (ledger, canary) = way(release)?;
    let versions = [&canary, &ledger.baseline];
    Ok(metrics.versions(&plan.lambda, versions, window, quantile).await?)
}

/// The length of the periods that are read: one minute, or the interval where it is shorter.
fn period_seconds(release: &Release) -> u32 {
    let interval = release.plan.judge.interval.as_secs().clamp(1, 60);
    u32::try_from(interval).unwrap_or(60)
}

/// The settled periods since the weight was reached. Latency counts after the warm-up of the first
/// step: a new version starts cold, and its first callers wait for it.
fn settled(release: &Release, since: Timestamp, now: Timestamp) -> Window {
    let warm_up = match release.phase {
        Phase::Baking { step: 0, .. } => release.plan.warm_up(),
        _ => Duration::ZERO,
    };
    let mut window = whole_periods(since, now, period_seconds(release));
    let warm = window.from.saturating_add(warm_up).unwrap_or(window.from);
    window.latency_from = warm.min(window.to);
    window
}

/// The whole periods between `since` and `now` that are settled.
///
/// The period in which the weight was reached also holds requests from before it, so the window
/// starts with the next one. The end leaves half a period for late values: Lambda publishes a value
/// when the invocation ends.
fn whole_periods(since: Timestamp, now: Timestamp, period_seconds: u32) -> Window {
    let period = i64::from(period_seconds);
    let floor = |second: i64| second.div_euclid(period) * period;
    let started = since.as_second() + i64::from(since.subsec_nanosecond() > 0);
    let from = floor(started + period - 1);
    let to = floor(now.as_second() - period / 2).max(from);
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
            let window = whole_periods(day(since), day(now), 60);
            assert_eq!((window.from, window.to), (day(from), day(to)), "{since} {now}");
        }
    }
}
