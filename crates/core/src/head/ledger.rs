//! The way back: what served before a release, as it was read before its first change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{EcsName, Version};
use crate::pointer::ModelPointer;
use crate::reload::Replica;
use crate::stamp;
use crate::target::{EcsService, Lambda};

/// The snapshot of what served, taken before the first change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// The version that had all traffic.
    pub baseline: Version,
    /// The version under test, once there is one: with the baseline all that may serve while the release
    /// holds the target.
    #[serde(default)]
    pub canary: Option<Version>,
    /// What is put back.
    pub snapshot: Snapshot,
    /// When it was taken. An alarm that is older says nothing about this release.
    #[serde(with = "stamp")]
    pub taken_at: Timestamp,
}

/// What is put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Snapshot {
    /// An alias.
    Alias(AliasSnapshot),
    /// An ECS service.
    Service(Box<ServiceSnapshot>),
    /// Model servers and the cache in front of them.
    Servers(ServersSnapshot),
}

/// An alias as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasSnapshot {
    /// The function and its alias.
    pub lambda: Lambda,
    /// What the baseline was built from, as Lambda reports it: the image digest of an image
    /// function (`sha256:...`), or the base64 `CodeSha256` of a zip.
    pub code: String,
    /// The alias's revision when this was last written: a hint that saves a read in a hurry.
    pub revision: String,
    /// The model that the baseline points at, if it points at one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelPointer>,
}

/// An ECS service as it was. Versions are revisions of its task definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSnapshot {
    /// The service.
    pub service: EcsService,
    /// The family of its task definition.
    pub family: EcsName,
    /// The image of the baseline's container, as its task definition names it.
    pub image: String,
    /// The container that the load balancer sends to.
    pub container: EcsName,
    /// Its port.
    pub port: u16,
    /// What is in front of it.
    pub groups: TargetGroups,
    /// Whether its deployments wait for Perch before every shift.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_gated: bool,
}

/// The two target groups between which a load balancer splits the traffic of an ECS service.
///
/// By the names that CloudWatch has for them (Elastic Load Balancing, "CloudWatch metrics for your
/// Application Load Balancer", dimensions).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroups {
    /// The load balancer: `app/NAME/ID`.
    pub balancer: String,
    /// The one with the baseline's tasks: `targetgroup/NAME/ID`.
    pub baseline: String,
    /// The one that gets the canary's.
    pub canary: String,
}

/// Model servers as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServersSnapshot {
    /// The replicas, in the order in which they go over.
    pub replicas: Vec<Replica>,
    /// The generation that the cache's pointer had.
    #[serde(default)]
    pub generation: Option<String>,
    /// Other versions than the baseline that replicas served: an earlier release went on without them.
    #[serde(default)]
    pub others: Vec<Version>,
}

impl Ledger {
    /// The alias, where that is what moves.
    pub fn alias(&self) -> Option<&AliasSnapshot> {
        match &self.snapshot {
            Snapshot::Alias(alias) => Some(alias),
            Snapshot::Service(_) | Snapshot::Servers(_) => None,
        }
    }

    /// The alias, to note its newest revision.
    pub fn alias_mut(&mut self) -> Option<&mut AliasSnapshot> {
        match &mut self.snapshot {
            Snapshot::Alias(alias) => Some(alias),
            Snapshot::Service(_) | Snapshot::Servers(_) => None,
        }
    }

    /// The ECS service, where that is what moves.
    pub fn service(&self) -> Option<&ServiceSnapshot> {
        match &self.snapshot {
            Snapshot::Service(service) => Some(service.as_ref()),
            Snapshot::Alias(_) | Snapshot::Servers(_) => None,
        }
    }

    /// The model version that served, where one did: a function may serve the model of its image.
    pub fn model(&self) -> Option<Version> {
        match &self.snapshot {
            Snapshot::Alias(alias) => alias.model.as_ref()?.version.parse().ok(),
            Snapshot::Service(_) => None,
            Snapshot::Servers(_) => Some(self.baseline.clone()),
        }
    }

    /// The model servers, where they are what moves.
    pub fn servers(&self) -> Option<&ServersSnapshot> {
        match &self.snapshot {
            Snapshot::Alias(_) | Snapshot::Service(_) => None,
            Snapshot::Servers(servers) => Some(servers),
        }
    }
}
