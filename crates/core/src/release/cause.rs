//! What started a release.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::AlarmName;

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
    /// The sweep found an artifact that no event had announced.
    Sweep {
        /// The id of the sweep's run.
        id: String,
        /// When the artifact was pushed.
        pushed_at: Timestamp,
    },
    /// A person started it.
    Person {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
        /// Guards that may be in ALARM at the start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overrides: Vec<AlarmName>,
        /// Whether the person goes back to what served before: all at once, and nothing automatic takes
        /// it back.
        #[serde(default, skip_serializing_if = "is_false")]
        way_back: bool,
    },
}

impl Cause {
    /// When the artifact was pushed; a person's order counts from when it was given.
    pub fn pushed_at(&self) -> Timestamp {
        match self {
            Cause::Event { pushed_at, .. }
            | Cause::Waited { pushed_at, .. }
            | Cause::Sweep { pushed_at, .. } => *pushed_at,
            Cause::Person { at, .. } => *at,
        }
    }

    /// What tells it from other causes: the same cause again is the same release again.
    pub fn id(&self) -> String {
        match self {
            Cause::Event { id, .. } | Cause::Waited { id, .. } | Cause::Sweep { id, .. } => {
                id.clone()
            }
            Cause::Person { by, at, .. } => format!("{by} at {at}"),
        }
    }

    /// Whether a person goes back to what served before.
    pub fn is_way_back(&self) -> bool {
        matches!(self, Cause::Person { way_back: true, .. })
    }

    /// Whether a person started it.
    pub fn is_person(&self) -> bool {
        matches!(self, Cause::Person { .. })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Event { id, .. } => write!(f, "event {id}"),
            Cause::Waited { id, .. } => write!(f, "event {id}, which waited"),
            Cause::Sweep { id, .. } => write!(f, "{id}, because no event announced it"),
            Cause::Person { by, reason, overrides, .. } if overrides.is_empty() => {
                write!(f, "{by}: {reason}")
            }
            Cause::Person { by, reason, overrides, .. } => {
                let names: Vec<&str> = overrides.iter().map(AlarmName::as_str).collect();
                write!(f, "{by}, who overrides {}: {reason}", names.join(", "))
            }
        }
    }
}
