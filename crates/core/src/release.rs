//! One attempt to move a target to an artifact, and all that is known about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::decide::Event;
use crate::head::{Fence, Ledger};
use crate::judge::Verdict;
use crate::names::{AlarmName, FunctionVersion, ReleaseId, TargetName};
use crate::phase::Phase;
use crate::span::Span;
use crate::target::{JudgeRule, Lambda, Step, Target};
use crate::weight::Weight;

/// A release. The plan is copied from the target at its start: a later `apply` changes the next one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Its id; also the name of its executions.
    pub id: ReleaseId,
    /// What is released to.
    pub target: TargetName,
    /// What is released.
    pub artifact: Artifact,
    /// Where it is.
    pub phase: Phase,
    /// How it goes.
    pub plan: Plan,
    /// The fence it holds the target with.
    pub fence: Fence,
    /// The number of its last journal entry: each transition adds at least one.
    pub seq: u64,
    /// The snapshot of what served before, once taken.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// Lambda's `CodeSha256` of the artifact, once it is the function's unpublished code.
    #[serde(default)]
    pub code: Option<String>,
    /// The version under test, once published.
    #[serde(default)]
    pub canary: Option<FunctionVersion>,
    /// What started it.
    pub cause: Cause,
    /// When it started.
    pub started_at: Timestamp,
    /// When it is rolled back unless it was promoted.
    pub deadline: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The newest verdict.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// A person's decision that waits for the next look.
    #[serde(default)]
    pub order: Option<Order>,
}

/// What a release follows, as the target file said when it started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The function and the alias.
    pub lambda: Lambda,
    /// The steps before full traffic.
    pub steps: Vec<Step>,
    /// How the canary is judged.
    pub judge: JudgeRule,
    /// The alarms that roll it back.
    pub guards: Vec<AlarmName>,
    /// How long it is watched after promotion.
    pub watch: Span,
}

impl Plan {
    /// The plan that follows from a target.
    pub fn of(target: &Target) -> Self {
        Self {
            lambda: target.service.lambda.clone(),
            steps: target.rollout.steps(),
            judge: target.judge.clone(),
            guards: target.guards.clone(),
            watch: target.watch,
        }
    }
}

/// What started a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Cause {
    /// An event announced the artifact.
    Event {
        /// The event's id.
        id: String,
        /// When the artifact was pushed.
        pushed_at: Timestamp,
    },
    /// The artifact had waited for the release before.
    Waited {
        /// The id of the event that announced it.
        id: String,
        /// When the artifact was pushed.
        pushed_at: Timestamp,
    },
}

impl Cause {
    /// When the artifact was pushed.
    pub fn pushed_at(&self) -> Timestamp {
        match self {
            Cause::Event { pushed_at, .. } | Cause::Waited { pushed_at, .. } => *pushed_at,
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Event { id, .. } => write!(f, "event {id}"),
            Cause::Waited { id, .. } => write!(f, "event {id}, which waited"),
        }
    }
}

/// A person's decision that the next look carries out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Order {
    /// Skip the rest of the bakes, unless the judge says Fail.
    Promote {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Release {
    /// Takes over what an event says besides its phase.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::LedgerTaken(ledger) => self.ledger = Some(ledger.clone()),
            Event::CodeSet { code } => self.code = Some(code.clone()),
            Event::CanaryPublished { version } => self.canary = Some(version.clone()),
            Event::Judged(verdict) => self.verdict = Some(verdict.clone()),
            Event::Refused { .. }
            | Event::WeightShifted
            | Event::AliasPromoted
            | Event::RollbackRequested(_)
            | Event::TrafficRestored
            | Event::RestoreFailed { .. }
            | Event::Superseded { .. } => {}
        }
    }

    /// The share of traffic on the canary, as last read back.
    pub fn weight(&self) -> Weight {
        let before = match self.phase {
            Phase::Shifting { step, .. } => step.checked_sub(1),
            Phase::Promoting => self.plan.steps.len().checked_sub(1),
            Phase::Pending
            | Phase::Preparing
            | Phase::Baking { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. }
            | Phase::Promoted
            | Phase::RolledBack { .. }
            | Phase::Rejected { .. }
            | Phase::Superseded { .. }
            | Phase::Stuck { .. } => None,
        };
        let before = before.and_then(|step| self.plan.steps.get(step)).map(|step| step.weight);
        self.phase.weight(before.unwrap_or(Weight::ZERO))
    }
}
