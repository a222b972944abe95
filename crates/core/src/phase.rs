//! Where a release is. The data that a phase needs is inside its variant.

mod cause;

pub use cause::RollbackCause;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::ReleaseId;
use crate::weight::Weight;

/// Where a release is, from the event that started it to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all_fields = "camelCase")]
pub enum Phase {
    /// Recorded; its execution has not taken it up.
    Pending,
    /// The ledger is taken; the canary version is being made.
    Preparing,
    /// The alias is being moved to the weight of a step.
    Shifting {
        /// The step's place in the plan, from 0.
        step: usize,
        /// The weight of the step.
        weight: Weight,
        /// The weight that was read back last.
        #[serde(default = "none")]
        from: Weight,
    },
    /// The canary is watched at the weight of a step.
    Baking {
        /// The step's place in the plan, from 0.
        step: usize,
        /// The weight that was read back.
        weight: Weight,
        /// When the weight was read back.
        since: Timestamp,
    },
    /// The alias is being moved to the canary.
    Promoting {
        /// The weight that was read back last.
        #[serde(default = "none")]
        from: Weight,
    },
    /// The canary has all traffic; a guard or the judge still rolls back.
    Watching {
        /// When the promotion was read back.
        since: Timestamp,
        /// When the watch ends.
        until: Timestamp,
    },
    /// Traffic is going back to the baseline.
    RollingBack {
        /// Why.
        cause: RollbackCause,
        /// The weight that the canary had.
        from: Weight,
    },
    /// The canary is the new baseline, and the watch is over.
    Promoted,
    /// All traffic was read back on the baseline.
    RolledBack {
        /// Why.
        cause: RollbackCause,
    },
    /// Ended before any traffic moved.
    Rejected {
        /// Why, and what to do.
        why: String,
    },
    /// Ended because another release or person took the target.
    Superseded {
        /// The release that took its place, where one did.
        by: Option<ReleaseId>,
    },
    /// Traffic could not be restored or not be read back: a person must look.
    Stuck {
        /// What was tried and what came back.
        why: String,
        /// The weight that the canary may still have.
        #[serde(default = "none")]
        from: Weight,
    },
}

fn none() -> Weight {
    Weight::ZERO
}

impl Phase {
    /// The name of the phase, as shown to people.
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Preparing => "Preparing",
            Phase::Shifting { .. } => "Shifting",
            Phase::Baking { .. } => "Baking",
            Phase::Promoting { .. } => "Promoting",
            Phase::Watching { .. } => "Watching",
            Phase::RollingBack { .. } => "RollingBack",
            Phase::Promoted => "Promoted",
            Phase::RolledBack { .. } => "RolledBack",
            Phase::Rejected { .. } => "Rejected",
            Phase::Superseded { .. } => "Superseded",
            Phase::Stuck { .. } => "Stuck",
        }
    }

    /// Whether the release is over.
    pub fn is_final(&self) -> bool {
        match self {
            Phase::Promoted
            | Phase::RolledBack { .. }
            | Phase::Rejected { .. }
            | Phase::Superseded { .. }
            | Phase::Stuck { .. } => true,
            Phase::Pending
            | Phase::Preparing
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. } => false,
        }
    }

    /// Whether the release has let go of its target: final, and not Stuck, which keeps it.
    pub fn is_over(&self) -> bool {
        self.is_final() && !matches!(self, Phase::Stuck { .. })
    }

    /// Whether a newer artifact may still replace the release: no promotion was decided.
    pub fn is_replaceable(&self) -> bool {
        match self {
            Phase::Pending | Phase::Preparing | Phase::Shifting { .. } | Phase::Baking { .. } => {
                true
            }
            Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. }
            | Phase::Promoted
            | Phase::RolledBack { .. }
            | Phase::Rejected { .. }
            | Phase::Superseded { .. }
            | Phase::Stuck { .. } => false,
        }
    }

    /// Whether the canary may be serving: from the intent of the first shift until it was read back
    /// that it no longer does, or until it is the baseline.
    pub fn is_exposed(&self) -> bool {
        match self {
            Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. }
            | Phase::Stuck { .. } => true,
            Phase::Pending
            | Phase::Preparing
            | Phase::Promoted
            | Phase::RolledBack { .. }
            | Phase::Rejected { .. }
            | Phase::Superseded { .. } => false,
        }
    }

    /// The share of traffic on the canary, as last read back.
    pub fn weight(&self) -> Weight {
        match self {
            Phase::Baking { weight, .. } => *weight,
            Phase::Shifting { from, .. }
            | Phase::Promoting { from }
            | Phase::RollingBack { from, .. }
            | Phase::Stuck { from, .. } => *from,
            Phase::Watching { .. } | Phase::Promoted => Weight::FULL,
            Phase::Pending
            | Phase::Preparing
            | Phase::RolledBack { .. }
            | Phase::Rejected { .. }
            | Phase::Superseded { .. } => Weight::ZERO,
        }
    }

    /// The most that the canary may have now: a shift may have happened without having been read
    /// back.
    pub fn highest_weight(&self) -> Weight {
        match self {
            Phase::Shifting { weight, .. } => *weight,
            Phase::Promoting { .. } => Weight::FULL,
            Phase::Pending
            | Phase::Preparing
            | Phase::Baking { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. }
            | Phase::Promoted
            | Phase::RolledBack { .. }
            | Phase::Rejected { .. }
            | Phase::Superseded { .. }
            | Phase::Stuck { .. } => self.weight(),
        }
    }
}
