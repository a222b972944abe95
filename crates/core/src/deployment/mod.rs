//! What is known of a deployment that moves a release's traffic by a schedule of its own.

mod passage;
mod schedule;
mod stage_hook;

pub use passage::{BEFORE_EACH_SHIFT, GATES, Passage, passage};
pub use schedule::{Schedule, Unfit};
pub use stage_hook::{HookKind, StageHook, are_gated, hook_problems};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{DeploymentId, ReleaseId};
use crate::stamp;

/// The deployment of a release. CodeDeploy takes no client token, so the intent is written down before
/// the deployment is made, and who goes on looks for it by the release's id in its description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// When the intent was written down. No deployment of the release is older.
    #[serde(with = "stamp")]
    pub asked_at: Timestamp,
    /// Its id, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<DeploymentId>,
    /// The task token under which its release waits for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Whether it was told to stop.
    #[serde(default)]
    pub is_stopped: bool,
    /// The deployment of the release that was told to stop because someone else moved the traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_way: Option<DeploymentId>,
    /// The deployment that brings the baseline back after this one has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<WayBack>,
    /// When no step of the release can ask for it any more, once the release goes back or someone else
    /// moved the traffic.
    #[serde(default, with = "stamp::optional", skip_serializing_if = "Option::is_none")]
    pub settles_at: Option<Timestamp>,
}

/// The deployment that brings the baseline back, noted as [`Deployment`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WayBack {
    /// When the intent was written down.
    #[serde(with = "stamp")]
    pub asked_at: Timestamp,
    /// Its id, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<DeploymentId>,
}

impl Deployment {
    /// The intent to make one.
    pub fn asked_at(at: Timestamp) -> Self {
        Self {
            asked_at: at,
            id: None,
            token: None,
            is_stopped: false,
            gave_way: None,
            way_back: None,
            settles_at: None,
        }
    }

    /// The description under which a release's deployment is found.
    pub fn description(release: &ReleaseId, purpose: Purpose) -> String {
        format!("{}{release}", purpose.prefix())
    }

    /// The release that a description names, if Perch wrote it for a deployment of this purpose.
    pub fn release_of(description: &str, purpose: Purpose) -> Option<ReleaseId> {
        description.strip_prefix(purpose.prefix())?.parse().ok()
    }
}

/// What becomes of the traffic when a deployment is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollback {
    /// The baseline gets all of it back.
    ToBaseline,
    /// It stays as it is found.
    LeaveAsFound,
}

/// What a release has a deployment for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To bring the canary up.
    Canary,
    /// To bring the baseline back after the canary's deployment has ended.
    WayBack,
}

impl Purpose {
    fn prefix(self) -> &'static str {
        match self {
            Purpose::Canary => "perch release ",
            Purpose::WayBack => "perch way back of release ",
        }
    }
}
