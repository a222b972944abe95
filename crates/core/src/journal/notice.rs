//! What happens outside of any release, and is told all the same.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Severity;
use crate::names::TargetName;

/// Something that happened to a target outside of any release, or to the whole installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What tells it from others: the same again is the same notice.
    pub id: String,
    /// The target; all targets without it.
    #[serde(default)]
    pub target: Option<TargetName>,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: Happened,
    /// Why, in a sentence, and what to do.
    pub text: String,
}

/// What can happen outside of any release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// A person stopped the line.
    LineStopped,
    /// A person ended the stop.
    LineResumed,
    /// The alias sends something else than what was promoted last.
    DriftFound,
    /// The alias sends again what was promoted last.
    DriftEnded,
    /// A target was held by a release that is over.
    TargetFreed,
}

impl Happened {
    /// How much it matters to a person.
    pub fn severity(self) -> Severity {
        match self {
            Happened::LineStopped | Happened::DriftFound | Happened::TargetFreed => {
                Severity::Warning
            }
            Happened::LineResumed | Happened::DriftEnded => Severity::Info,
        }
    }
}
