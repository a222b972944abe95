//! What serves traffic, and where its artifacts come from.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::{CodeDeploy, EcsService, ModelServers, ModelSource};
use crate::names::{AliasName, BucketName, FunctionName, RepositoryName};

/// What serves the traffic of a target. At least one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// A Lambda function behind an alias; Perch shifts the alias's weights, or has CodeDeploy do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<Lambda>,
    /// An ECS service behind a load balancer; CodeDeploy or ECS itself shifts its traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs: Option<EcsService>,
    /// Servers that hold a model in memory. A model goes to them, and an image to the function or the
    /// ECS service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_servers: Option<ModelServers>,
}

/// A Lambda function and the alias that callers use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lambda {
    /// The function's name.
    pub function: FunctionName,
    /// The alias that callers and event sources use.
    pub alias: AliasName,
    /// A deployment group of CodeDeploy that shifts the alias's weights. Without it Perch does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_deploy: Option<Box<CodeDeploy>>,
}

/// Where artifacts come from. At least one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sources {
    /// Images in an ECR repository, for image functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSource>,
    /// Zip packages in an S3 bucket, for zip functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageSource>,
    /// Model versions in an S3 bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSource>,
}

/// Images in an ECR repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageSource {
    /// The repository's name.
    pub repository: RepositoryName,
    /// Which tags start a release: globs with `*` and `?`. An untagged push never does.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub tags: Vec<String>,
}

impl ImageSource {
    /// Whether a push with this tag starts a release.
    pub fn admits(&self, tag: &str) -> bool {
        self.tags.iter().any(|glob| WildMatch::new(glob).matches(tag))
    }
}

/// Zip packages in a versioned S3 bucket with EventBridge notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackageSource {
    /// The bucket's name.
    pub bucket: BucketName,
    /// Which keys start a release: globs with `*` and `?`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub keys: Vec<String>,
}

impl PackageSource {
    /// Whether an upload under this key starts a release.
    pub fn admits(&self, key: &str) -> bool {
        self.keys.iter().any(|glob| WildMatch::new(glob).matches(key))
    }
}
