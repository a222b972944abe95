//! A look under the rule `sequential`: the buckets that were settled since the look before are added to
//! those of the release, and the judge weighs them all.

use jiff::Timestamp;
use perch_core::journal::Evidence;
use perch_core::judge::{
    Arm, Judging, Observed, Outcome, Place, Readings, Reason, Side, Verdict, judge_evidence,
};
use perch_core::release::Release;

use super::{Guards, whole_periods};
use crate::move_alias::way;
use crate::ports::{Ask, ReadEvidence};
use crate::step::StepError;

/// What the look read and what the judge says of it, and what the release is judged by with the new
/// buckets.
pub(super) async fn look(
    metrics: &impl ReadEvidence,
    release: &Release,
    mut judging: Judging,
    (step, since): (usize, Timestamp),
    guards: Guards,
    now: Timestamp,
) -> Result<(Evidence, Judging), StepError> {
    let (ledger, canary) = way(release)?;
    let (plan, bucket) = (&release.plan, judging.basis.bucket_seconds);
    let mut window = whole_periods(since, now, bucket, judging.settle_seconds);
    let seen = judging.observed.len();
    if let Some(last) = judging.observed.last() {
        let end = last.at.saturating_add(std::time::Duration::from_secs(u64::from(bucket)));
        window.from = window.from.max(end.unwrap_or(last.at)).min(window.to);
    }
    let thresholds = judging.basis.thresholds_ms.clone();
    let ask = Ask::of(release, &thresholds);
    let versions = [&canary, &ledger.baseline];
    let mut queries = Vec::new();
    if window.from < window.to {
        let weight = release.weight();
        let taken = metrics.buckets(ask, versions, window).await?;
        queries = metrics.queries(ask, versions);
        judging.observed.extend(taken.into_iter().map(|taken| Observed {
            at: taken.at,
            weight,
            latency_ms: taken.latency_ms,
            bucket: taken.bucket,
        }));
    }
    let place = Place {
        seen,
        before: judging.observed.iter().take_while(|observed| observed.at < since).count(),
        planned: plan.buckets_of(step),
        is_last: step + 1 >= plan.steps.len(),
        early: plan.judge.early,
    };
    let method = plan.judge.method();
    let (verdict, look) = judge_evidence(&method, &judging, &place);
    let of_step = &judging.observed[place.before..];
    let arms = [Side::Canary, Side::Baseline].map(|side| Arm::of(of_step, side));
    let readings = guards.with(window, arms);
    let verdict = guarded(&readings, verdict);
    let observed = judging.observed[seen..].to_vec();
    let look = Some(Box::new(look));
    Ok((Evidence { readings, verdict, look, observed, queries, synthetic: 0 }, judging))
}

/// A guard in ALARM is a Fail whatever the evidence, and nothing passes without a guard that is gone.
fn guarded(readings: &Readings, verdict: Verdict) -> Verdict {
    let alarms = readings.alarms.iter().cloned();
    let mut reasons: Vec<Reason> = alarms.map(|alarm| Reason::GuardInAlarm { alarm }).collect();
    if !reasons.is_empty() {
        if verdict.outcome == Outcome::Fail {
            reasons.extend(verdict.reasons);
        }
        return Verdict::new(Outcome::Fail, reasons);
    }
    let missing = readings.missing_guards.iter().cloned();
    let reasons: Vec<Reason> = missing.map(|alarm| Reason::GuardMissing { alarm }).collect();
    if reasons.is_empty() || verdict.outcome == Outcome::Fail {
        return verdict;
    }
    Verdict::new(Outcome::Inconclusive, reasons)
}
