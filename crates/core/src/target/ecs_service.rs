//! An ECS service behind a load balancer.

use serde::{Deserialize, Serialize};

use super::CodeDeploy;
use crate::names::EcsName;

/// An ECS service behind an Application Load Balancer. The canary is a new revision of its task definition,
/// with the image pinned by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EcsService {
    /// The cluster's name.
    pub cluster: EcsName,
    /// The service's name.
    pub service: EcsName,
    /// The container whose image is released. Without it: the container that the load balancer sends to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<EcsName>,
    /// A deployment group of CodeDeploy that shifts the traffic, of a service with the controller
    /// `CODE_DEPLOY`. Without it ECS does, by a deployment of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_deploy: Option<Box<CodeDeploy>>,
}

impl std::fmt::Display for EcsService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "service {}/{}", self.cluster, self.service)
    }
}
