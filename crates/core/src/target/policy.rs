//! What happens when events meet: a new artifact while a release runs, an alarm before it starts.

use serde::{Deserialize, Serialize};

/// What happens to an artifact that comes while a release of an older one runs. In every case a
/// release whose promotion is decided runs to the end of its watch first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhileReleasing {
    /// The canary goes back to the baseline, then the release of the newest artifact starts.
    #[default]
    Replace,
    /// The newest artifact waits for the end of the release; those between are skipped.
    Queue,
    /// The artifact is not released.
    Reject,
}

/// What happens when a guard is in ALARM at the start of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AlarmAtStart {
    /// The release is rejected, with the name of the guard.
    #[default]
    Block,
    /// The guard does not count until it was seen OK.
    IgnoreUntilOk,
}
