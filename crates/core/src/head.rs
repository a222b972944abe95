//! Who may touch a target's traffic: all ownership is one conditional write on the head.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::names::{FunctionVersion, ReleaseId, TargetName};
use crate::phase::Phase;
use crate::release::Release;
use crate::stamp;
use crate::stop::Stop;
use crate::target::Lambda;

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
            seen: None,
            stopped: None,
            drift: None,
        }
    }

    /// Whether an artifact that was pushed at this time may have a turn.
    pub fn admits(&self, pushed_at: Timestamp) -> bool {
        self.horizon.is_none_or(|horizon| pushed_at >= horizon)
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
                self.serving = release.serving();
                self.horizon = self.horizon.max(Some(release.cause.pushed_at()));
                self.drift = None;
            }
            // Somebody else moved the alias: what serves is theirs to say.
            Phase::Superseded { by: None } => self.serving = None,
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

/// What was promoted last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    /// The artifact.
    pub artifact: Artifact,
    /// Its version of the function.
    pub version: FunctionVersion,
    /// The release that promoted it.
    pub release: ReleaseId,
}

/// The snapshot of what served, taken before the first change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// The function and its alias.
    pub lambda: Lambda,
    /// The version that had all traffic.
    pub baseline: FunctionVersion,
    /// What the baseline was built from, as Lambda reports it: the image digest of an image
    /// function (`sha256:...`), or the base64 `CodeSha256` of a zip.
    pub code: String,
    /// The alias's revision when this was last written: a hint that saves a read in a hurry.
    pub revision: String,
    /// The version under test, once there is one: with the baseline all that the alias may send
    /// while the release holds it.
    #[serde(default)]
    pub canary: Option<FunctionVersion>,
    /// When it was taken. An alarm that is older says nothing about this release.
    #[serde(with = "stamp")]
    pub taken_at: Timestamp,
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
