//! Where a release turns: on to its next step, to its promotion, or back.

use super::{Decision, Next};
use crate::journal::What;
use crate::phase::{Phase, RollbackCause};
use crate::release::Release;

/// On to the step at `index`, or to the promotion when there is none.
pub(super) fn advance(
    release: &Release,
    index: usize,
    mut entries: Vec<(What, String)>,
) -> Decision {
    let from = release.weight();
    match release.plan.steps.get(index) {
        Some(step) => Decision {
            phase: Phase::Shifting { step: index, weight: step.weight, from },
            next: Next::shift(&release.plan),
            entries,
        },
        None => {
            entries.push((What::PromotionDecided, "every step of the plan is done".to_owned()));
            let next = Next::promote(&release.plan);
            Decision { phase: Phase::Promoting { from }, next, entries }
        }
    }
}

/// Back to the baseline.
pub(super) fn roll_back(release: &Release, cause: RollbackCause) -> Decision {
    let text = cause.to_string();
    Decision {
        phase: Phase::RollingBack { cause, from: release.phase.highest_weight() },
        next: Next::Rollback,
        entries: vec![(What::RollbackDecided, text)],
    }
}
