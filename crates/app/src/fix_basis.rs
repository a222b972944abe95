//! Fixes what a release is judged by before its canary gets traffic: the plan, and the baseline's history.

use jiff::Timestamp;
use perch_core::judge::Judging;
use perch_core::judge::sequential::{Basis, Series};
use perch_core::release::Release;
use perch_core::target::Rule;

use crate::ports::{Ask, History, PortError, ReadEvidence};

/// The basis of a release, or nothing where none is needed: another rule, or no bake.
pub(crate) async fn run(
    metrics: &impl ReadEvidence,
    release: &Release,
    timeout_seconds: u32,
    now: Timestamp,
) -> Result<Option<Judging>, PortError> {
    let plan = &release.plan;
    let (Rule::Sequential, Some(first), Some(ledger)) =
        (plan.judge.rule, plan.steps.first(), &release.ledger)
    else {
        return Ok(None);
    };
    let (bucket, block) = (plan.bucket_seconds(), plan.block_seconds());
    let ask = Ask::of(release, &[]);
    let history = metrics.history(ask, &ledger.baseline, now, block).await?;
    let share = first.weight.fraction();
    let blocks =
        u32::try_from(plan.buckets()).unwrap_or(u32::MAX).div_ceil((block / bucket).max(1));
    // A service that is younger than its history has no requests in the first periods.
    let first = history.requests.iter().position(|requests| *requests > 0.0).unwrap_or(0);
    let since = |series: &[f64]| series[first.min(series.len())..].to_vec();
    let history = History {
        requests: since(&history.requests),
        errors: since(&history.errors),
        custom: history.custom.iter().map(|(of, count)| (since(of), since(count))).collect(),
        ..history
    };
    let series = |requests, events| Series { requests, events, of_traffic: 1.0 };
    let errors = series(&history.requests, &history.errors);
    let mut basis = Basis { block_seconds: block, ..Basis::new(bucket, blocks, share, &errors) };
    for (signal, (total, count)) in plan.judge.signals.iter().zip(&history.custom) {
        basis = basis.with_custom(&signal.name, &series(total, count));
    }
    basis.thresholds_ms.clone_from(&history.latency_ms);
    basis.tolerance_ms = plan.judge.latency.tolerance.as_millis();
    let warm_up = plan.judge.latency.warm_up.map_or(0, |warm_up| warm_up.as_secs());
    basis.latency_warm_up = u32::try_from(warm_up.div_ceil(u64::from(block))).unwrap_or(0);
    let usual = timeout_seconds + bucket.min(60).div_ceil(2);
    let settle = plan.judge.settle.map(|settle| u32::try_from(settle.as_secs()).unwrap_or(usual));
    let settle_seconds = settle.unwrap_or(usual);
    Ok(Some(Judging { basis, settle_seconds, observed: Vec::new() }))
}
