//! The append-only list of what happened to a release, with cause and evidence.

mod notice;

pub use notice::{Happened, Notice};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::head::Fence;
use crate::judge::sequential::Look;
use crate::judge::{Observed, Readings, Verdict};
use crate::names::{AliasName, EcsName, FunctionName, ModelName, ReleaseId, TargetName, Version};
use crate::release::{Driver, Release};
use crate::smoke::SmokeResult;
use crate::weight::Weight;

/// One thing that happened to a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// The release.
    pub release: ReleaseId,
    /// Its target.
    pub target: TargetName,
    /// Its place in the release's journal, from 1.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// Why, in a sentence.
    pub cause: String,
    /// What the decision rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What became of each smoke test, in the entry that they were done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<SmokeResult>,
    /// How the release was then, where others are told. An entry from before there was a bus has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<Box<Moment>>,
}

/// How a release was once an entry was written. It is kept with the entry, so that who tells others
/// need not read the release, which may have gone on, and tells the same each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// What is released.
    pub artifact: Artifact,
    /// What serves it.
    pub service: Moved,
    /// The name of the phase that the entry led to.
    pub phase: String,
    /// The share on the canary, as last read back.
    pub weight: Weight,
    /// The fence that the release holds its target with.
    pub fence: Fence,
    /// The version that served before, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Version>,
    /// The version under test, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Version>,
}

/// What a release moves, by name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Moved {
    /// An alias of a Lambda function.
    Alias {
        /// The function's name.
        function: FunctionName,
        /// The alias that callers use.
        alias: AliasName,
    },
    /// A group of model servers.
    Servers {
        /// The name under which they know the model.
        model: ModelName,
    },
    /// An ECS service.
    Service {
        /// Its cluster.
        cluster: EcsName,
        /// Its name.
        service: EcsName,
    },
}

impl Moment {
    /// How a release is now.
    pub fn of(release: &Release) -> Self {
        Self {
            artifact: release.artifact.clone(),
            service: match &release.plan.driver {
                Driver::Alias(lambda) => {
                    Moved::Alias { function: lambda.function.clone(), alias: lambda.alias.clone() }
                }
                Driver::Service(of) => {
                    Moved::Service { cluster: of.cluster.clone(), service: of.service.clone() }
                }
                Driver::Servers(servers) => Moved::Servers { model: servers.model.clone() },
            },
            phase: release.phase.name().to_owned(),
            weight: release.weight(),
            fence: release.fence,
            baseline: release.ledger.as_ref().map(|ledger| ledger.baseline.clone()),
            canary: release.canary.clone(),
        }
    }
}

/// What can happen to a release. Past tense: it is written with the state that it led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The release was recorded.
    ReleasePlanned,
    /// The snapshot of what served was taken.
    LedgerTaken,
    /// The function's unpublished code is the artifact.
    CodeSet,
    /// The canary version exists.
    CanaryPublished,
    /// The canary's smoke tests were done; what a failure leads to is the next entry.
    SmokeTested,
    /// The model is complete and may be released.
    ModelChecked,
    /// The alias, or the replicas of a step, were read back at its weight.
    WeightShifted,
    /// A deployment that moves the weights by itself was started.
    DeploymentStarted,
    /// A deployment was told to stop and to put the baseline back.
    DeploymentStopped,
    /// A batch of replicas was read back with the canary.
    ReplicasReloaded,
    /// Replicas could not be brought over and serve something else: a person must look.
    ReplicasLeftOut,
    /// The cache's pointer was read back with a generation.
    CacheSwitched,
    /// The cache could not be switched, and the target says that this is no reason to stop: a person
    /// must look.
    CacheNotSwitched,
    /// The judge looked.
    BakeJudged,
    /// A person gave an order.
    OrderGiven,
    /// The promotion was decided.
    PromotionDecided,
    /// The alias was read back with the canary alone.
    CanaryPromoted,
    /// The watch ended without a reason to go back.
    ReleasePromoted,
    /// The rollback was decided.
    RollbackDecided,
    /// The alias was read back with the baseline alone.
    ReleaseRolledBack,
    /// The release ended before any traffic moved.
    ReleaseRejected,
    /// A newer release took the target.
    ReleaseSuperseded,
    /// Somebody else moved the alias; the release ended without touching it.
    TrafficTakenOver,
    /// Traffic could not be restored: a person must look.
    ReleaseStuck,
    /// Its execution was lost; the sweep started another.
    ReleaseRevived,
}

impl What {
    /// Whether people are told. A look that changed nothing, and entries that the next one completes
    /// within seconds, would only be noise.
    pub fn is_notified(self) -> bool {
        match self {
            What::BakeJudged
            | What::LedgerTaken
            | What::DeploymentStarted
            | What::DeploymentStopped
            | What::CodeSet
            | What::SmokeTested
            | What::ModelChecked
            | What::PromotionDecided => false,
            What::ReleasePlanned
            | What::CanaryPublished
            | What::WeightShifted
            | What::ReplicasReloaded
            | What::ReplicasLeftOut
            | What::CacheSwitched
            | What::CacheNotSwitched
            | What::OrderGiven
            | What::CanaryPromoted
            | What::ReleasePromoted
            | What::RollbackDecided
            | What::ReleaseRolledBack
            | What::ReleaseRejected
            | What::ReleaseSuperseded
            | What::TrafficTakenOver
            | What::ReleaseStuck
            | What::ReleaseRevived => true,
        }
    }

    /// How much it matters to a person.
    pub fn severity(self) -> Severity {
        match self {
            What::ReleaseStuck
            | What::TrafficTakenOver
            | What::ReplicasLeftOut
            | What::CacheNotSwitched => Severity::Page,
            What::RollbackDecided
            | What::ReleaseRolledBack
            | What::ReleaseRejected
            | What::ReleaseRevived => Severity::Warning,
            What::ReleasePlanned
            | What::LedgerTaken
            | What::CodeSet
            | What::CanaryPublished
            | What::SmokeTested
            | What::ModelChecked
            | What::WeightShifted
            | What::DeploymentStarted
            | What::DeploymentStopped
            | What::ReplicasReloaded
            | What::CacheSwitched
            | What::BakeJudged
            | What::OrderGiven
            | What::PromotionDecided
            | What::CanaryPromoted
            | What::ReleasePromoted
            | What::ReleaseSuperseded => Severity::Info,
        }
    }
}

/// How much something matters to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something was put back or refused; callers are safe.
    Warning,
    /// A person must act.
    Page,
}

/// What a decision rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// What was read.
    pub readings: Readings,
    /// What the judge said of it.
    pub verdict: Verdict,
    /// The look that the verdict rests on, under the rule `sequential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Box<Look>>,
    /// The buckets that were settled since the look before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<Observed>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<String>,
    /// Requests that the look sent to the alias because callers sent too few.
    #[serde(default, skip_serializing_if = "is_none")]
    pub synthetic: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_none(requests: &u32) -> bool {
    *requests == 0
}
