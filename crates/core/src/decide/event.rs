//! What can happen to a release.

use crate::head::Ledger;
use crate::judge::Verdict;
use crate::names::{FunctionVersion, ReleaseId};
use crate::phase::RollbackCause;

/// Something that happened, and that a release has to answer to.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The snapshot of what serves was taken.
    LedgerTaken(Ledger),
    /// The release can't be carried out; no traffic was touched.
    Refused {
        /// What is wrong and what to do.
        why: String,
    },
    /// The function's unpublished code is the artifact.
    CodeSet {
        /// Lambda's `CodeSha256` of it.
        code: String,
    },
    /// The canary version exists and is active.
    CanaryPublished {
        /// The version.
        version: FunctionVersion,
    },
    /// The alias was read back at the weight of the step.
    WeightShifted,
    /// The judge looked.
    Judged(Verdict),
    /// The alias was read back with the canary alone.
    AliasPromoted,
    /// Someone or something wants the baseline back.
    RollbackRequested(RollbackCause),
    /// The alias was read back with the baseline alone.
    TrafficRestored,
    /// Traffic could not be restored.
    RestoreFailed {
        /// What was tried and what came back.
        why: String,
    },
    /// Another release took the target.
    Superseded {
        /// That release, where it is known.
        by: Option<ReleaseId>,
    },
}

impl Event {
    /// The name of the event, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Event::LedgerTaken(_) => "LedgerTaken",
            Event::Refused { .. } => "Refused",
            Event::CodeSet { .. } => "CodeSet",
            Event::CanaryPublished { .. } => "CanaryPublished",
            Event::WeightShifted => "WeightShifted",
            Event::Judged(_) => "Judged",
            Event::AliasPromoted => "AliasPromoted",
            Event::RollbackRequested(_) => "RollbackRequested",
            Event::TrafficRestored => "TrafficRestored",
            Event::RestoreFailed { .. } => "RestoreFailed",
            Event::Superseded { .. } => "Superseded",
        }
    }
}
