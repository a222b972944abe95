//! Stop-the-line: a person's order that nothing goes up, for one target or for all.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// While it stands no release starts and no canary gets more traffic. Rollbacks go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped by {} at {:.0}: {}", self.by, self.at, self.reason)
    }
}
