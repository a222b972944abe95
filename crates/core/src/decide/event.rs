//! What can happen to a release.

use crate::head::Ledger;
use crate::judge::Verdict;
use crate::names::{AlarmName, FunctionVersion};
use crate::phase::RollbackCause;
use crate::stop::Stop;

/// Something that happened, and that a release has to answer to.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The snapshot of what serves was taken.
    LedgerTaken {
        /// The snapshot.
        ledger: Ledger,
        /// Guards in ALARM that do not count until they were seen OK.
        ignored: Vec<AlarmName>,
    },
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
    Judged {
        /// What it said.
        verdict: Verdict,
        /// The stop that stood at the look.
        stop: Option<Stop>,
    },
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
    /// Its execution was lost, and another goes on.
    Revived,
    /// Somebody else moved the alias to where the release did not send it.
    TakenOver {
        /// What the alias sends.
        found: String,
    },
}

impl Event {
    /// The name of the event, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Event::LedgerTaken { .. } => "LedgerTaken",
            Event::Refused { .. } => "Refused",
            Event::CodeSet { .. } => "CodeSet",
            Event::CanaryPublished { .. } => "CanaryPublished",
            Event::WeightShifted => "WeightShifted",
            Event::Judged { .. } => "Judged",
            Event::AliasPromoted => "AliasPromoted",
            Event::RollbackRequested(_) => "RollbackRequested",
            Event::TrafficRestored => "TrafficRestored",
            Event::RestoreFailed { .. } => "RestoreFailed",
            Event::Revived => "Revived",
            Event::TakenOver { .. } => "TakenOver",
        }
    }
}
