//! Reads metrics and guards, asks the judge, and decides.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::journal::Evidence;
use perch_core::judge::{self, Arm, Readings};
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::ports::{CommitRelease, LoadHead, LoadRelease, ReadAlarms, ReadMetrics, Window};
use crate::shift_weight::way;
use crate::step::{StepError, StepInput, StepOutput, held, settle};

/// Looks once at the canary.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    metrics: &impl ReadMetrics,
    alarms: &impl ReadAlarms,
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let (since, watching) = match release.phase {
        Phase::Baking { since, .. } => (since, false),
        Phase::Watching { since, .. } => (since, true),
        _ => return Ok(input.then(resume(&release, now))),
    };
    let window = settled(since, now, period_seconds(&release));
    let [canary, baseline] = arms(metrics, &release, window, watching).await?;
    let alarms = alarms.alarms(&release.plan.guards).await?.in_alarm;
    let readings = Readings { from: window.from, to: window.to, canary, baseline, alarms };
    let rule = &release.plan.judge;
    let verdict = if watching {
        judge::judge_watch(rule, &readings)
    } else {
        judge::judge_bake(rule, &readings)
    };
    let event = Event::Judged(verdict.clone());
    settle(store, input, release, &event, Some(Evidence { readings, verdict }), now).await
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

/// The whole periods between `since` and `now` that are settled.
///
/// The period in which the weight was reached also holds requests from before it, so the window
/// starts with the next one. The end leaves half a period for late values: Lambda publishes a value
/// when the invocation ends.
fn settled(since: Timestamp, now: Timestamp, period_seconds: u32) -> Window {
    let period = i64::from(period_seconds);
    let floor = |second: i64| second.div_euclid(period) * period;
    let started = since.as_second() + i64::from(since.subsec_nanosecond() > 0);
    let from = floor(started + period - 1);
    let to = floor(now.as_second() - period / 2).max(from);
    let stamp = |second| Timestamp::from_second(second).unwrap_or(since);
    Window { from: stamp(from), to: stamp(to), period_seconds }
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
            let window = settled(day(since), day(now), 60);
            assert_eq!((window.from, window.to), (day(from), day(to)), "{since} {now}");
        }
    }
}
