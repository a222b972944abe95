//! What follows from the smoke tests of a canary.

use jiff::Timestamp;

use super::turn::{advance, roll_back};
use super::{Decision, Next, resume};
use crate::journal::What;
use crate::phase::{Phase, RollbackCause};
use crate::release::Release;
use crate::smoke::{SmokeResult, all_passed, failures, summary};

/// The canary exists: its smoke tests come first, where they come before the first shift.
pub(super) fn published(release: &Release, entries: Vec<(What, String)>) -> Decision {
    if release.plan.smokes_before_the_shift() {
        return Decision { phase: Phase::Preparing, next: Next::Smoke, entries };
    }
    advance(release, 0, entries)
}

/// No traffic was moved yet: all have to pass, else the release ends here.
pub(super) fn before_the_shift(release: &Release, results: &[SmokeResult]) -> Decision {
    let tested = (What::SmokeTested, summary(results));
    if all_passed(results) {
        return advance(release, 0, vec![tested]);
    }
    let why = format!("{}. No traffic was moved", tested.1);
    Decision {
        phase: Phase::Rejected { why: why.clone() },
        next: Next::Close,
        entries: vec![tested, (What::ReleaseRejected, why)],
    }
}

/// The driver moves the weights itself and has begun: a failure takes back what it moved.
pub(super) fn once_begun(release: &Release, results: &[SmokeResult], now: Timestamp) -> Decision {
    let tested = (What::SmokeTested, summary(results));
    if all_passed(results) {
        let (phase, next) = (release.phase.clone(), resume(release, now));
        return Decision { phase, next, entries: vec![tested] };
    }
    let failures = failures(results);
    let mut decision = roll_back(release, RollbackCause::Smoke { failures });
    decision.entries.insert(0, tested);
    decision
}
