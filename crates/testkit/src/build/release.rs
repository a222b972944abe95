//! Releases in any phase.

use jiff::Timestamp;
use perch_core::artifact::Lane;
use perch_core::head::{AliasSnapshot, Ledger, Snapshot};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Cause, Plan, Release};
use perch_core::target::Target;
use perch_core::weight::Weight;

use super::{at, digest, image, target};

/// A release under construction.
#[derive(Debug, Clone)]
pub struct ReleaseBuilder(Release);

/// A release of image b to the usual target, pending since the test's start.
pub fn release() -> ReleaseBuilder {
    release_to(&target().build())
}

fn release_to(target: &Target) -> ReleaseBuilder {
    let deadline = target.deadline(Lane::Code).duration();
    let deadline = at(0).saturating_add(deadline).unwrap_or(Timestamp::MAX);
    ReleaseBuilder(Release {
        id: format!("{}-1", target.name).parse().unwrap(),
        target: target.name.clone(),
        artifact: image('b', "v2"),
        phase: Phase::Pending,
        plan: Plan::of(target, Lane::Code).unwrap(),
        fence: 1,
        seq: 1,
        kept: 0,
        ledger: None,
        code: None,
        canary: None,
        cause: Cause::Event { id: "event-1".to_owned(), pushed_at: at(0) },
        started_at: at(0),
        deadline,
        due: at(0),
        ended_at: None,
        verdict: None,
        judging: None,
        synthetic: Default::default(),
        deployment: None,
        reload: None,
        smoke: Vec::new(),
        order: None,
        ignored_guards: Vec::new(),
    })
}

impl ReleaseBuilder {
    /// Of this target.
    pub fn to(self, target: &Target) -> Self {
        release_to(target)
    }

    /// The ledger is taken.
    pub fn preparing(mut self) -> Self {
        self.0.ledger = Some(Ledger {
            baseline: "1".parse().unwrap(),
            canary: None,
            snapshot: Snapshot::Alias(AliasSnapshot {
                lambda: self.0.plan.driver.alias().unwrap().clone(),
                code: digest('a').to_string(),
                revision: "r2".to_owned(),
                model: None,
            }),
            taken_at: at(0),
        });
        self.in_phase(Phase::Preparing, 2)
    }

    /// Version 2 is published, and the alias is about to move to the weight of this step.
    pub fn shifting(self, step: usize) -> Self {
        let weight_of = |step: usize| self.0.plan.steps[step].weight;
        let (weight, from) = (weight_of(step), step.checked_sub(1).map_or(Weight::ZERO, weight_of));
        self.published().in_phase(Phase::Shifting { step, weight, from }, 4 + 2 * step as u64)
    }

    /// Baking at the weight of this step, since the test's start.
    pub fn baking(self, step: usize) -> Self {
        let weight = self.0.plan.steps[step].weight;
        let phase = Phase::Baking { step, weight, since: at(0) };
        self.published().in_phase(phase, 5 + 2 * step as u64)
    }

    /// Every bake passed, and the alias is about to move to the canary alone.
    pub fn promoting(self) -> Self {
        let from = self.0.plan.steps.last().map_or(Weight::ZERO, |step| step.weight);
        self.published().in_phase(Phase::Promoting { from }, 10)
    }

    /// Promoted at the test's start, and watched.
    pub fn watching(self) -> Self {
        let until = at(0).saturating_add(self.0.plan.watch.duration()).unwrap_or(Timestamp::MAX);
        self.published().in_phase(Phase::Watching { since: at(0), until }, 11)
    }

    /// The rollback of a release that failed a bake was decided.
    pub fn rolling_back(self, from: u8) -> Self {
        let cause = RollbackCause::Judge { reasons: vec!["too many errors".to_owned()] };
        let from = Weight::new(from).unwrap();
        self.published().in_phase(Phase::RollingBack { cause, from }, 7)
    }

    /// The rollback could not be done.
    pub fn stuck(self) -> Self {
        let why = "traffic could not be restored".to_owned();
        let from = self.0.plan.steps[0].weight;
        self.published().in_phase(Phase::Stuck { why, from }, 8).ended(60)
    }

    /// Promoted, and the watch is over.
    pub fn promoted(self) -> Self {
        self.published().in_phase(Phase::Promoted, 12).ended(600)
    }

    /// Holds the target with this fence.
    pub fn fence(mut self, fence: u64) -> Self {
        self.0.fence = fence;
        self
    }

    /// Has this deadline, in seconds after the test's start.
    pub fn deadline(mut self, seconds: i64) -> Self {
        self.0.deadline = at(seconds);
        self
    }

    /// The release.
    pub fn build(self) -> Release {
        self.0
    }

    fn published(self) -> Self {
        let mut this = self.preparing();
        this.0.code = Some(digest('b').hex().to_owned());
        this.0.canary = Some("2".parse().unwrap());
        if let Some(ledger) = &mut this.0.ledger {
            ledger.canary.clone_from(&this.0.canary);
        }
        this
    }

    fn ended(mut self, seconds: i64) -> Self {
        self.0.ended_at = Some(at(seconds));
        self
    }

    fn in_phase(mut self, phase: Phase, seq: u64) -> Self {
        self.0.phase = phase;
        self.0.seq = seq;
        self
    }
}
