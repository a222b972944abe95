//! What a plan would have said of a release, bucket by bucket, from what was written down of it.

use jiff::Timestamp;

use super::evidence::{Judging, Observed, Place, judge_evidence};
use super::sequential::{Basis, Look};
use super::thresholds::judge_bake;
use super::verdict::{Outcome, Verdict};
use super::{Arm, Readings};
use crate::release::Plan;
use crate::target::Rule;
use crate::weight::Weight;

/// What would have been said after one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// When the bucket ended.
    pub at: Timestamp,
    /// The weight that the canary really had.
    pub weight: Weight,
    /// Whether the promotion follows the step.
    pub is_last: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// The look that it rests on, under the rule `sequential`.
    pub look: Option<Look>,
}

/// Replays a release's buckets under a plan, until the first rollback.
///
/// The traffic is what was recorded, at the weights that it had: a step begins where the weight changed.
/// What was fixed before the start stays, but for the length of the plan and the warm-up of latency.
pub fn replay(plan: &Plan, judging: &Judging) -> Vec<Replayed> {
    let all = &judging.observed;
    let mut out = Vec::new();
    let mut so_far = Judging { basis: basis_of(plan, &judging.basis), ..judging.clone() };
    so_far.observed.clear();
    let (mut step, mut before) = (0, 0);
    for (seen, observed) in all.iter().enumerate() {
        if seen > 0 && observed.weight != all[seen - 1].weight {
            (step, before) = (step + 1, seen);
        }
        so_far.observed.push(observed.clone());
        let place = Place {
            seen,
            before,
            planned: plan.buckets_of(step.min(plan.steps.len().saturating_sub(1))),
            is_last: step + 1 >= plan.steps.len(),
            early: plan.judge.early,
        };
        let (verdict, look) = match plan.judge.rule {
            Rule::Sequential => {
                let method = plan.judge.method();
                let (verdict, look) = judge_evidence(&method, &so_far, &place);
                (verdict, Some(look))
            }
            Rule::Thresholds => (by_limits(plan, &so_far.observed, &place), None),
        };
        let failed = verdict.outcome == Outcome::Fail;
        let at = end_of(observed, judging.basis.bucket_seconds);
        out.push(Replayed { at, weight: observed.weight, is_last: place.is_last, verdict, look });
        if failed {
            break;
        }
    }
    out
}

fn basis_of(plan: &Plan, recorded: &Basis) -> Basis {
    let bucket = u64::from(recorded.bucket_seconds.max(1));
    let buckets: u64 = plan.steps.iter().map(|step| (step.bake.as_secs() / bucket).max(1)).sum();
    let per_block = u64::try_from(recorded.buckets_per_block()).unwrap_or(1);
    let block = u64::from(recorded.block_seconds.max(1));
    let warm_up = plan.judge.latency.warm_up.map_or(0, |warm_up| warm_up.as_secs().div_ceil(block));
    Basis {
        blocks: u32::try_from(buckets.div_ceil(per_block)).unwrap_or(u32::MAX),
        latency_warm_up: u32::try_from(warm_up).unwrap_or(u32::MAX),
        ..recorded.clone()
    }
}

/// The rule `thresholds` on the buckets of a step; a pass waits for the end of the bake.
fn by_limits(plan: &Plan, observed: &[Observed], place: &Place) -> Verdict {
    let step = &observed[place.before..];
    let (Some(first), Some(last)) = (step.first(), step.last()) else {
        return Verdict::new(Outcome::Inconclusive, Vec::new());
    };
    let readings = Readings {
        from: first.at,
        to: last.at,
        canary: Arm::of(step, Side::Canary),
        baseline: Arm::of(step, Side::Baseline),
        alarms: Vec::new(),
        missing_guards: Vec::new(),
    };
    let mut verdict = judge_bake(&plan.judge, &readings);
    verdict.pending = verdict.outcome != Outcome::Fail && step.len() < place.planned;
    if verdict.pending && verdict.outcome == Outcome::Pass {
        verdict.outcome = Outcome::Inconclusive;
    }
    verdict
}

fn end_of(observed: &Observed, bucket_seconds: u32) -> Timestamp {
    let length = std::time::Duration::from_secs(u64::from(bucket_seconds));
    observed.at.saturating_add(length).unwrap_or(observed.at)
}

/// One of the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The version under test.
    Canary,
    /// The version that served before.
    Baseline,
}

impl Arm {
    /// What one version answered in these buckets; the latency is the mean of the buckets' quantiles,
    /// weighed by requests.
    pub fn of(observed: &[Observed], side: Side) -> Self {
        let counts = |o: &Observed| match side {
            Side::Canary => o.bucket.canary,
            Side::Baseline => o.bucket.baseline,
        };
        let latency = |o: &Observed| match side {
            Side::Canary => o.latency_ms[0],
            Side::Baseline => o.latency_ms[1],
        };
        let sum = |pick: &dyn Fn(&Observed) -> f64| observed.iter().map(pick).sum::<f64>();
        let timed = sum(&|o| latency(o).map_or(0.0, |_| counts(o).requests));
        let weighed = sum(&|o| latency(o).unwrap_or(0.0) * counts(o).requests);
        Self {
            requests: whole(sum(&|o| counts(o).requests)),
            errors: whole(sum(&|o| counts(o).errors)),
            latency_ms: (timed > 0.0).then(|| weighed / timed),
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of counts: not negative, far below 2^53"
)]
fn whole(count: f64) -> u64 {
    count.round().max(0.0) as u64
}

#[cfg(test)]
mod tests;
