//! What can happen to a release.

use crate::deployment::Rollback;
use crate::head::Ledger;
use crate::judge::Verdict;
use crate::names::{AlarmName, DeploymentId, Version};
use crate::phase::RollbackCause;
use crate::reload::{LeftOut, ModelFacts};
use crate::smoke::SmokeResult;
use crate::stop::Stop;
use crate::weight::Weight;

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
        version: Version,
    },
    /// The canary's smoke tests were done.
    SmokeTested {
        /// What became of each.
        results: Vec<SmokeResult>,
    },
    /// The model is complete and may be released.
    ModelChecked {
        /// What is known of it.
        facts: ModelFacts,
    },
    /// The alias, or the replicas of the step, were read back at its weight.
    WeightShifted,
    /// The deployment that moves the weights exists.
    DeploymentStarted {
        /// Its id.
        id: DeploymentId,
        /// What it runs in and how it moves traffic.
        how: String,
    },
    /// The driver moves by itself and was found at this weight, further than the release had followed.
    WeightFound {
        /// The weight that was read.
        weight: Weight,
    },
    /// A deployment of the release is told to stop.
    DeploymentStopped {
        /// Its id.
        id: DeploymentId,
        /// What becomes of the traffic.
        rollback: Rollback,
        /// What the traffic goes to, where someone else moved it.
        found: Option<String>,
    },
    /// A batch of replicas was read back with the canary; some may have been left out.
    ReplicasReloaded {
        /// The names of those that serve the canary since.
        replicas: Vec<String>,
        /// Those that could not be brought over.
        left_out: Vec<LeftOut>,
        /// The share of all replicas that serves the canary now.
        weight: Weight,
    },
    /// The cache's pointer was read back with this generation.
    CacheSwitched {
        /// The generation before.
        from: Option<String>,
        /// The generation now.
        to: String,
    },
    /// The cache could not be switched, which the target says is no reason to stop.
    CacheNotSwitched {
        /// What was tried and what came back.
        why: String,
    },
    /// The judge looked.
    Judged {
        /// What it said.
        verdict: Verdict,
        /// The stop that stood at the look.
        stop: Option<Stop>,
    },
    /// The alias, or enough replicas, were read back with the canary alone.
    AliasPromoted,
    /// Someone or something wants the baseline back.
    RollbackRequested(RollbackCause),
    /// The alias, or every replica, was read back with the baseline alone.
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
            Event::SmokeTested { .. } => "SmokeTested",
            Event::ModelChecked { .. } => "ModelChecked",
            Event::WeightShifted => "WeightShifted",
            Event::DeploymentStarted { .. } => "DeploymentStarted",
            Event::WeightFound { .. } => "WeightFound",
            Event::DeploymentStopped { .. } => "DeploymentStopped",
            Event::ReplicasReloaded { .. } => "ReplicasReloaded",
            Event::CacheSwitched { .. } => "CacheSwitched",
            Event::CacheNotSwitched { .. } => "CacheNotSwitched",
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
