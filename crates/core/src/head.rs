//! Who may touch a target's traffic: all ownership is one conditional write on the head.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::names::{FunctionVersion, ReleaseId, TargetName};
use crate::target::Lambda;

/// A number that grows with every change of who may touch a target's traffic.
pub type Fence = u64;

/// The one item that owns a target's traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The target.
    pub target: TargetName,
    /// Grows with every release and every rollback; a write under an older one is refused.
    pub fence: Fence,
    /// The release that holds the target, if one does.
    #[serde(default)]
    pub active: Option<ReleaseId>,
    /// Whether the canary of the active release may be serving.
    #[serde(default)]
    pub exposed: bool,
    /// The active release's way back.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// The newest admissible artifact that came while a release was active.
    #[serde(default)]
    pub waiting: Option<Waiting>,
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
    /// When it was taken.
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
    pub pushed_at: Timestamp,
}
