//! One attempt to move a target to an artifact, and all that is known about it.

mod capabilities;
mod cause;
mod driver;
mod plan;

pub use capabilities::{Capabilities, Kind, Pause, Weights};
pub use cause::Cause;
pub use driver::{Driver, Mover};
pub use plan::{LONGEST_REQUEST, Plan, placed, share};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::decide::Event;
use crate::deployment::Deployment;
use crate::head::{Fence, Ledger, Serving};
use crate::judge::{Judging, SentRequests, Verdict};
use crate::names::{AlarmName, DeploymentId, ReleaseId, TargetName, Version};
use crate::phase::Phase;
use crate::reload::Reload;
use crate::smoke::{SmokeResult, all_passed};
use crate::stop::Stop;
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
    /// How often it was kept without a journal entry: who read it before that writes over nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept: u64,
    /// The snapshot of what served before, once taken.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// Lambda's `CodeSha256` of the artifact, once it is the function's unpublished code.
    #[serde(default)]
    pub code: Option<String>,
    /// The version under test, once published.
    #[serde(default)]
    pub canary: Option<Version>,
    /// What started it.
    pub cause: Cause,
    /// When it started.
    pub started_at: Timestamp,
    /// When it is rolled back unless it was promoted.
    pub deadline: Timestamp,
    /// When its next step is to be done. Long after that its execution is lost, as it counts for a
    /// record that does not say.
    #[serde(default)]
    pub due: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The newest verdict.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// What it is judged by under the rule `sequential`, once its canary exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judging: Option<Judging>,
    /// The requests that its looks have sent to the alias themselves.
    #[serde(default, skip_serializing_if = "SentRequests::is_empty")]
    pub synthetic: SentRequests,
    /// The deployment that moves its weights, where the driver does that by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// What is known of the model and how far its servers are, for a release of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// What became of its smoke tests, once they were done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<SmokeResult>,
    /// A person's decision that waits for the next look.
    #[serde(default)]
    pub order: Option<Order>,
    /// Guards that were in ALARM at the start and do not count until they were seen OK.
    #[serde(default)]
    pub ignored_guards: Vec<AlarmName>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
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
    /// Stay at this weight. The judge and the guards go on, and so does the deadline.
    Hold {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Go on to the next step now, unless the judge says Fail. Ends a hold.
    Continue {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Order::Promote { by, reason } => write!(f, "promote, by {by}: {reason}"),
            Order::Hold { by, reason } => write!(f, "hold, by {by}: {reason}"),
            Order::Continue { by, reason } => write!(f, "continue, by {by}: {reason}"),
        }
    }
}

impl Release {
    /// Takes over what an event says besides its phase.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::LedgerTaken { ledger, ignored } => {
                if let Some(servers) = ledger.servers() {
                    self.plan.steps = self.plan.steps_on(servers.replicas.len());
                }
                self.ledger = Some(ledger.clone());
                self.ignored_guards.clone_from(ignored);
            }
            Event::CodeSet { code } => self.code = Some(code.clone()),
            Event::ModelChecked { facts } => self.reload = Some(Reload::of(facts.clone())),
            Event::ReplicasReloaded { replicas, left_out, .. } => {
                if let Some(reload) = &mut self.reload {
                    reload.finish(replicas);
                    reload.left_out.extend(left_out.iter().cloned());
                }
            }
            Event::CacheSwitched { .. } | Event::CacheNotSwitched { .. } => {
                if let Some(reload) = &mut self.reload {
                    reload.cache_settled = true;
                }
            }
            Event::CanaryPublished { version } => {
                self.canary = Some(version.clone());
                if let Some(ledger) = &mut self.ledger {
                    ledger.canary = Some(version.clone());
                }
            }
            Event::SmokeTested { results } => self.smoke.clone_from(results),
            Event::Judged { verdict, .. } => self.verdict = Some(verdict.clone()),
            Event::WeightShifted => {
                let names = self.names_at(self.phase.highest_weight());
                if let Some(reload) = &mut self.reload {
                    reload.finish(&names);
                }
            }
            Event::DeploymentStarted { id, .. } => {
                if let Some(deployment) = &mut self.deployment {
                    deployment.id = Some(id.clone());
                }
            }
            Event::DeploymentStopped { id, found: None, .. } => {
                if let Some(deployment) = &mut self.deployment {
                    deployment.id = Some(id.clone());
                    deployment.is_stopped = true;
                }
            }
            // It may be the one that takes the release's own back.
            Event::DeploymentStopped { id, found: Some(_), .. } => {
                if let Some(deployment) = &mut self.deployment {
                    deployment.gave_way = Some(id.clone());
                }
            }
            // What was begun was begun towards the canary.
            Event::RollbackRequested(_) => {
                if let Some(reload) = &mut self.reload {
                    reload.begun.clear();
                    reload.cache_settled = false;
                }
            }
            Event::Refused { .. }
            | Event::WeightFound { .. }
            | Event::AliasPromoted
            | Event::TrafficRestored
            | Event::RestoreFailed { .. }
            | Event::Revived
            | Event::TakenOver { .. } => {}
        }
    }

    /// Whether its canary exists and has to pass its smoke tests next.
    pub fn awaits_smoke_tests(&self) -> bool {
        let is_published = self.phase == Phase::Preparing && self.canary.is_some();
        is_published && self.plan.smokes_before_the_shift()
    }

    /// Whether its smoke tests have all passed, or it has none.
    pub fn has_passed_smoke_tests(&self) -> bool {
        self.plan.smoke.is_none() || all_passed(&self.smoke)
    }

    /// The names of the replicas that have the canary at a weight.
    fn names_at(&self, weight: Weight) -> Vec<String> {
        let replicas = self.ledger.as_ref().and_then(Ledger::servers).map(|of| &of.replicas);
        let Some(replicas) = replicas else { return Vec::new() };
        let count = placed(weight, replicas.len());
        replicas.iter().take(count).map(|replica| replica.name.clone()).collect()
    }

    /// Whether it can be kept at its weight: by Perch, or by a deployment that waits for Perch before
    /// every shift.
    pub fn can_wait(&self) -> bool {
        let service = self.ledger.as_ref().and_then(Ledger::service);
        match self.plan.driver.capabilities().pause {
            Pause::Always => true,
            Pause::AtGates => service.is_some_and(|service| service.is_gated),
            Pause::Never => false,
        }
    }

    /// A stop or a hold keeps a canary from its first traffic. Once it has traffic the looks of the
    /// bakes hold it, because a release that waited elsewhere would not be judged.
    pub fn is_kept_from_traffic(&self, stop: Option<&Stop>) -> bool {
        let held = matches!(self.order, Some(Order::Hold { .. }));
        self.weight() == Weight::ZERO && (held || stop.is_some())
    }

    /// The id of the deployment that moves its traffic, once that is known.
    pub fn deployment_id(&self) -> Option<&DeploymentId> {
        self.deployment.as_ref()?.id.as_ref()
    }

    /// The share of traffic on the canary, as last read back.
    pub fn weight(&self) -> Weight {
        self.phase.weight()
    }

    /// Whether a guard may take the traffic back now.
    pub fn is_guarded(&self) -> bool {
        self.phase.is_exposed() && !self.plan.guards.is_empty()
    }

    /// Whether a newer artifact may replace it. A person's decision is never replaced.
    pub fn is_replaceable(&self) -> bool {
        self.phase.is_replaceable() && !self.cause.is_person() && self.order.is_none()
    }

    /// Whether its artifact is not tried again unless a person says so.
    pub fn is_quarantined(&self) -> bool {
        matches!(self.phase, Phase::RolledBack { .. })
    }

    /// What serves once the release is promoted.
    pub fn serving(&self) -> Option<Serving> {
        self.canary.clone().map(|version| Serving {
            artifact: self.artifact.clone(),
            version,
            release: self.id.clone(),
        })
    }
}
