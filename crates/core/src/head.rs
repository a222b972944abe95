//! Who may touch a target's traffic: all ownership is one conditional write on the head.

mod ledger;

pub use ledger::{AliasSnapshot, Ledger, ServersSnapshot, ServiceSnapshot, Snapshot, TargetGroups};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::artifact::Lane;
use crate::names::{ReleaseId, TargetName, Version};
use crate::phase::Phase;
use crate::release::{Driver, Release};
use crate::stamp;
use crate::stop::Stop;

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
