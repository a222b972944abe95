//! A look under the rule `thresholds`, and every look of a watch: what both arms answered since the weight
//! was reached.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::judge::{self, Arm, Observed, Readings, Side, Verdict};
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::{Driver, Release};

use super::{Guards, whole_periods};
use crate::move_alias::way;
use crate::ports::{Ask, PortError, ReadEvidence, ReadMetrics, Window};
use crate::step::StepError;

/// What the look read, and what the judge says of it.
pub(super) async fn look(
    metrics: &(impl ReadMetrics + ReadEvidence),
    release: &Release,
    since: Timestamp,
    guards: Guards,
    now: Timestamp,
) -> Result<(Readings, Verdict), StepError> {
    let watching = matches!(release.phase, Phase::Watching { .. });
    let window = settled(release, since, now);
    let arms = arms(metrics, release, window, watching).await?;
    let readings = guards.with(window, arms);
    let rule = &release.plan.judge;
    let verdict = if watching {
        judge::judge_watch(rule, &readings)
    } else {
        judge::judge_bake(rule, &readings)
    };
    Ok((readings, verdict))
}

async fn arms(
    metrics: &(impl ReadMetrics + ReadEvidence),
    release: &Release,
    window: Window,
    watching: bool,
) -> Result<[Arm; 2], StepError> {
    if window.from >= window.to {
        return Ok([Arm::default(); 2]);
    }
    let quantile = release.plan.judge.latency.quantile;
    let (ledger, canary) = way(release)?;
    let versions = [&canary, &ledger.baseline];
    let alias = match &release.plan.driver {
        Driver::Alias(alias) => alias,
        Driver::Service(_) | Driver::Servers(_) => {
            return Ok(of_buckets(metrics, release, versions, window).await?);
        }
    };
    if watching {
        let total = metrics.alias_total(alias, window, quantile).await?;
        return Ok([total, Arm::default()]);
    }
    Ok(metrics.versions(alias, versions, window, quantile).await?)
}

/// What replicas or tasks answered, from metrics that are not those of an alias.
async fn of_buckets(
    metrics: &impl ReadEvidence,
    release: &Release,
    versions: [&Version; 2],
    window: Window,
) -> Result<[Arm; 2], PortError> {
    let ask = Ask::of(release, &[]);
    let weight = release.weight();
    let taken = metrics.buckets(ask, versions, window).await?;
    let observed: Vec<Observed> = taken
        .into_iter()
        .map(|taken| Observed {
            at: taken.at,
            weight,
            latency_ms: taken.latency_ms,
            bucket: taken.bucket,
        })
        .collect();
    Ok([Side::Canary, Side::Baseline].map(|side| Arm::of(&observed, side)))
}

/// The length of the periods that are read: one minute, or the interval where it is shorter.
fn period_seconds(release: &Release) -> u32 {
    if release.plan.driver.alias().is_none() {
        return release.plan.bucket_seconds();
    }
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
    let mut window =
        whole_periods(since, now, period_seconds(release), period_seconds(release) / 2);
    let warm = window.from.saturating_add(warm_up).unwrap_or(window.from);
    window.latency_from = warm.min(window.to);
    window
}
