//! What is in an event. Fields are only ever added: `schemas/event.v1.json` is made of these types.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::head::Fence;
use crate::journal::{JournalEntry, Moment, Moved, Notice, Severity};
use crate::names::{ReleaseId, TargetName, Version};

/// Characters of a cause that an event carries. Ten events go out in one call, which takes 256 KB, and
/// a character has at most 6 bytes as JSON writes it (EventBridge User Guide, "Calculating `PutEvents`
/// event entry size").
const CAUSE_CHARACTERS: usize = 2000;

/// The `detail` of an event, told apart by `schema`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Perch events, version 1"))]
#[serde(tag = "schema")]
pub enum Detail {
    /// Something happened to a release.
    #[serde(rename = "perch.release-event/v1")]
    Release(Box<ReleaseEvent>),
    /// Something happened outside of any release.
    #[serde(rename = "perch.notice/v1")]
    Notice(NoticeEvent),
}

/// Something happened to a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReleaseEvent {
    /// What tells it from others: the same id is the same event again.
    pub id: String,
    /// The target.
    pub target: TargetName,
    /// The release.
    pub release: ReleaseId,
    /// Its place in the release's journal. It orders the events of one release.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// How much it matters to a person.
    pub severity: Severity,
    /// Why, in a sentence for people.
    pub cause: String,
    /// What is released.
    pub artifact: Artifact,
    /// What serves it.
    pub service: Moved,
    /// The phase of the release since. There may be others one day.
    pub phase: String,
    /// The canary's share in whole percent, as last read back.
    #[cfg_attr(feature = "schema", schemars(range(max = 100)))]
    pub weight: u8,
    /// Grows with every change of who may touch the target's traffic: of two events of one target, the
    /// one with the lower fence is the older.
    pub fence: Fence,
    /// The version that served before, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Version>,
    /// The version under test, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Version>,
}

impl ReleaseEvent {
    pub(super) fn of(entry: &JournalEntry, moment: &Moment) -> Self {
        Self {
            id: format!("{}/{}", entry.release, entry.seq),
            target: entry.target.clone(),
            release: entry.release.clone(),
            seq: entry.seq,
            at: entry.at,
            severity: entry.what.severity(),
            cause: cut(&entry.cause),
            artifact: moment.artifact.clone(),
            service: moment.service.clone(),
            phase: moment.phase.clone(),
            weight: moment.weight.percent(),
            fence: moment.fence,
            baseline: moment.baseline.clone(),
            canary: moment.canary.clone(),
        }
    }
}

/// Something happened to a target outside of any release, or to the whole installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NoticeEvent {
    /// What tells it from others: the same id is the same event again.
    pub id: String,
    /// The target; all targets without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// When it happened.
    pub at: Timestamp,
    /// How much it matters to a person.
    pub severity: Severity,
    /// Why, in a sentence for people.
    pub cause: String,
}

impl NoticeEvent {
    pub(super) fn of(notice: &Notice) -> Self {
        let scope = notice.target.as_ref().map_or("all", TargetName::as_str);
        Self {
            id: format!("{scope}/{}/{}", notice.at, notice.id),
            target: notice.target.clone(),
            at: notice.at,
            severity: notice.what.severity(),
            cause: cut(&notice.text),
        }
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CAUSE_CHARACTERS {
        return text.to_owned();
    }
    text.chars().take(CAUSE_CHARACTERS - 1).chain(['…']).collect()
}
