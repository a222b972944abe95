//! A deployment group of CodeDeploy that moves a target's traffic.

use serde::{Deserialize, Serialize};

use crate::names::{ApplicationName, DeploymentGroupName};

/// A deployment group of AWS CodeDeploy, of the compute platform Lambda or ECS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodeDeploy {
    /// The application that the group belongs to.
    pub application: ApplicationName,
    /// The group.
    pub deployment_group: DeploymentGroupName,
    /// What happens when someone else's deployment runs in the group.
    #[serde(default)]
    pub when_busy: WhenBusy,
}

/// What happens at the start of a release when someone else's deployment runs in its group: CodeDeploy
/// takes one at a time (User Guide, "CodeDeploy quotas").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum WhenBusy {
    /// The release waits for its end, up to the release's deadline.
    #[default]
    Wait,
    /// The other deployment is stopped and rolled back, then the release starts.
    Replace,
    /// The release is rejected.
    Reject,
}

impl std::fmt::Display for CodeDeploy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.application, self.deployment_group)
    }
}
