//! Who may touch a target's traffic: all ownership is one conditional write on the head.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::artifact::Lane;
use crate::names::EcsName;
use crate::names::{ReleaseId, TargetName, Version};
use crate::phase::Phase;
use crate::pointer::ModelPointer;
use crate::release::{Driver, Release};
use crate::reload::Replica;
use crate::stamp;
use crate::stop::Stop;
use crate::target::{EcsService, Lambda};

/// A number that grows with every change of who may touch a target's traffic.
pub type Fence = u64;

/// The one item that owns a target's traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The target.
    pub target: TargetName,
    /// Grows with the start and the end of every release and with every rollback; a write under an
    /// older one is refused.
    pub fence: Fence,
    /// The release that holds the target, if one does.
    #[serde(default)]
    pub active: Option<ReleaseId>,
    /// Whether the canary of the active release may be serving and a guard may take it back.
    #[serde(default)]
    pub exposed: bool,
    /// The active release's way back.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// The newest admissible artifact that came while a release was active.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// What was promoted last, as far as Perch knows.
    #[serde(default)]
    pub serving: Option<Serving>,
    /// Artifacts that were pushed before this have no turn: a newer one was promoted, or a person
    /// went back to an older one later.
    #[serde(default, with = "stamp::optional")]
    pub horizon: Option<Timestamp>,
    /// The newest admissible model that came while a release was active. Images and models do not
    /// replace each other.
    #[serde(default)]
    pub model_waiting: Option<Waiting>,
    /// What was promoted last on the model servers.
    #[serde(default)]
    pub model_serving: Option<Serving>,
    /// Models that were uploaded before this have no turn.
    #[serde(default, with = "stamp::optional")]
    pub model_horizon: Option<Timestamp>,
    /// The sweep does not look for artifacts that were pushed up to this time.
    #[serde(default, with = "stamp::optional")]
    pub seen: Option<Timestamp>,
    /// A person's order that nothing goes up.
    #[serde(default)]
    pub stopped: Option<Stop>,
    /// What the sweep found the alias to send, where that is not what was promoted last and people
    /// were told.
    #[serde(default)]
    pub drift: Option<String>,
}

impl Head {
    /// The head of a target that nothing was released to.
    pub fn new(target: TargetName) -> Self {
        Self {
            target,
            fence: 0,
            active: None,
            exposed: false,
            ledger: None,
            waiting: None,
            serving: None,
            horizon: None,
            model_waiting: None,
            model_serving: None,
            model_horizon: None,
            seen: None,
            stopped: None,
            drift: None,
        }
    }

    /// Whether an artifact of a lane that was pushed at this time may have a turn.
    pub fn admits(&self, lane: Lane, pushed_at: Timestamp) -> bool {
        self.horizon_of(lane).is_none_or(|horizon| pushed_at >= horizon)
    }

    /// Artifacts of a lane that were pushed before this have no turn.
    pub fn horizon_of(&self, lane: Lane) -> Option<Timestamp> {
        match lane {
            Lane::Code => self.horizon,
            Lane::Model => self.model_horizon,
        }
    }

    /// The newest artifact of a lane that waits.
    pub fn waiting_of(&self, lane: Lane) -> Option<&Waiting> {
        match lane {
            Lane::Code => self.waiting.as_ref(),
            Lane::Model => self.model_waiting.as_ref(),
        }
    }

    /// What the head has to know of a release that is as `release` says. The end of a release
    /// raises the fence: who read the head before decides again.
    pub fn follow(&mut self, release: &Release) {
        let over = release.phase.is_over();
        self.exposed = release.is_guarded() && !over;
        self.ledger = release.ledger.clone().filter(|_| !over);
        if !over {
            return;
        }
        self.active = None;
        self.fence += 1;
        match &release.phase {
            Phase::Promoted => {
                *self.serving_by(release) = release.serving();
                let horizon = match release.artifact.lane() {
                    Lane::Code => &mut self.horizon,
                    Lane::Model => &mut self.model_horizon,
                };
                *horizon = (*horizon).max(Some(release.cause.pushed_at()));
                self.drift = None;
            }
            // Somebody else moved what serves: it is theirs to say.
            Phase::Superseded { by: None } => *self.serving_by(release) = None,
            Phase::Pending
            | Phase::Preparing
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. }
            | Phase::RolledBack { .. }
            | Phase::Rejected { .. }
            | Phase::Superseded { .. }
            | Phase::Stuck { .. } => {}
        }
    }
}

impl Head {
    fn serving_by(&mut self, release: &Release) -> &mut Option<Serving> {
        match release.plan.driver {
            Driver::Alias(_) | Driver::Service(_) => &mut self.serving,
            Driver::Servers(_) => &mut self.model_serving,
        }
    }
}

/// What was promoted last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    /// The artifact.
    pub artifact: Artifact,
    /// Its version of the function, or the model's.
    pub version: Version,
    /// The release that promoted it.
    pub release: ReleaseId,
}

/// The snapshot of what served, taken before the first change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// The version that had all traffic.
    pub baseline: Version,
    /// The version under test, once there is one: with the baseline all that may serve while the release
    /// holds the target.
    #[serde(default)]
    pub canary: Option<Version>,
    /// What is put back.
    pub snapshot: Snapshot,
    /// When it was taken. An alarm that is older says nothing about this release.
    #[serde(with = "stamp")]
    pub taken_at: Timestamp,
}

/// What is put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Snapshot {
    /// An alias.
    Alias(AliasSnapshot),
    /// An ECS service.
    Service(ServiceSnapshot),
    /// Model servers and the cache in front of them.
    Servers(ServersSnapshot),
}

/// An alias as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasSnapshot {
    /// The function and its alias.
    pub lambda: Lambda,
    /// What the baseline was built from, as Lambda reports it: the image digest of an image
    /// function (`sha256:...`), or the base64 `CodeSha256` of a zip.
    pub code: String,
    /// The alias's revision when this was last written: a hint that saves a read in a hurry.
    pub revision: String,
    /// The model that the baseline points at, if it points at one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelPointer>,
}

/// An ECS service as it was. Versions are revisions of its task definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSnapshot {
    /// The service.
    pub service: EcsService,
    /// The family of its task definition.
    pub family: EcsName,
    /// The image of the baseline's container, as its task definition names it.
    pub image: String,
    /// The container that the load balancer sends to.
    pub container: EcsName,
    /// Its port.
    pub port: u16,
    /// What is in front of it.
    pub groups: TargetGroups,
}

/// The two target groups between which a load balancer splits the traffic of an ECS service, by the names
/// that CloudWatch has for them (Elastic Load Balancing, "CloudWatch metrics for your Application Load
/// Balancer", dimensions).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroups {
    /// The load balancer: `app/NAME/ID`.
    pub balancer: String,
    /// The one with the baseline's tasks: `targetgroup/NAME/ID`.
    pub baseline: String,
    /// The one that gets the canary's.
    pub canary: String,
}

/// Model servers as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServersSnapshot {
    /// The replicas, in the order in which they go over.
    pub replicas: Vec<Replica>,
    /// The generation that the cache's pointer had.
    #[serde(default)]
    pub generation: Option<String>,
    /// Other versions than the baseline that replicas served: an earlier release went on without them.
    #[serde(default)]
    pub others: Vec<Version>,
}

impl Ledger {
    /// The alias, where that is what moves.
    pub fn alias(&self) -> Option<&AliasSnapshot> {
        match &self.snapshot {
            Snapshot::Alias(alias) => Some(alias),
            Snapshot::Service(_) | Snapshot::Servers(_) => None,
        }
    }

    /// The alias, to note its newest revision.
    pub fn alias_mut(&mut self) -> Option<&mut AliasSnapshot> {
        match &mut self.snapshot {
            Snapshot::Alias(alias) => Some(alias),
            Snapshot::Service(_) | Snapshot::Servers(_) => None,
        }
    }

    /// The ECS service, where that is what moves.
    pub fn service(&self) -> Option<&ServiceSnapshot> {
        match &self.snapshot {
            Snapshot::Service(service) => Some(service),
            Snapshot::Alias(_) | Snapshot::Servers(_) => None,
        }
    }

    /// The model version that served, where one did: a function may serve the model of its image.
    pub fn model(&self) -> Option<Version> {
        match &self.snapshot {
            Snapshot::Alias(alias) => alias.model.as_ref()?.version.parse().ok(),
            Snapshot::Service(_) => None,
            Snapshot::Servers(_) => Some(self.baseline.clone()),
        }
    }

    /// The model servers, where they are what moves.
    pub fn servers(&self) -> Option<&ServersSnapshot> {
        match &self.snapshot {
            Snapshot::Alias(_) | Snapshot::Service(_) => None,
            Snapshot::Servers(servers) => Some(servers),
        }
    }
}

/// An artifact that came while a release was active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The artifact.
    pub artifact: Artifact,
    /// The id of the event that announced it.
    pub event: String,
    /// When it was pushed, which is what decides the newest.
    #[serde(with = "stamp")]
    pub pushed_at: Timestamp,
}
