//! What made a release go back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{AlarmName, ReleaseId};

/// What made a release go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RollbackCause {
    /// The judge found the canary worse than allowed.
    Judge {
        /// The verdict's reasons.
        reasons: Vec<String>,
    },
    /// A guard went into ALARM.
    Alarm {
        /// The alarm.
        alarm: AlarmName,
        /// CloudWatch's reason.
        reason: String,
    },
    /// A person asked for it.
    Abort {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The bake ended without enough requests, and the rule says `noData: fail`.
    NoData {
        /// What was missing.
        reasons: Vec<String>,
    },
    /// The release was not promoted by its deadline.
    Deadline {
        /// The deadline.
        deadline: Timestamp,
    },
    /// A newer artifact came.
    Replaced {
        /// The release of the newer artifact.
        by: ReleaseId,
        /// The newer artifact.
        artifact: String,
    },
    /// A replica answered golden requests otherwise than the model's author expects.
    Golden {
        /// The name of the replica.
        replica: String,
        /// What was expected and what came, for each request that failed.
        differences: Vec<String>,
    },
    /// The canary did not answer its smoke tests as expected.
    Smoke {
        /// The checks that failed, each with what was expected and what came.
        failures: Vec<String>,
    },
    /// A step of the release failed.
    Error {
        /// The error's name and message.
        error: String,
    },
    /// Who moves the traffic ended the deployment: by an alarm or a circuit breaker of its own, because a hook
    /// said no, or because somebody told it to.
    Platform {
        /// Who ended which deployment, and why.
        why: String,
    },
}

impl RollbackCause {
    /// Whether the release makes room for a newer one, and nothing speaks against its artifact.
    pub fn is_replaced(&self) -> bool {
        matches!(self, RollbackCause::Replaced { .. })
    }
}

impl std::fmt::Display for RollbackCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RollbackCause::Judge { reasons } => write!(f, "judged Fail: {}", reasons.join("; ")),
            RollbackCause::Alarm { alarm, reason } if reason.is_empty() => {
                write!(f, "guard {alarm} in ALARM")
            }
            RollbackCause::Alarm { alarm, reason } => {
                write!(f, "guard {alarm} in ALARM: {reason}")
            }
            RollbackCause::Abort { by, reason } => write!(f, "aborted by {by}: {reason}"),
            RollbackCause::NoData { reasons } => {
                write!(f, "no verdict at the end of the bake: {}", reasons.join("; "))
            }
            RollbackCause::Deadline { deadline } => {
                write!(f, "not promoted by the deadline {deadline:.0}")
            }
            RollbackCause::Replaced { artifact, .. } => {
                write!(f, "replaced by the newer artifact {artifact}")
            }
            RollbackCause::Golden { replica, differences } => write!(
                f,
                "{} golden requests failed on {replica}: {}",
                differences.len(),
                differences.join("; ")
            ),
            RollbackCause::Smoke { failures } => {
                write!(f, "smoke tests failed: {}", failures.join("; "))
            }
            RollbackCause::Error { error } => write!(f, "a step failed: {error}"),
            RollbackCause::Platform { why } => f.write_str(why),
        }
    }
}
