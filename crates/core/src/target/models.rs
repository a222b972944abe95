//! Servers that hold a model in memory, and how a new one gets there.

use serde::{Deserialize, Serialize};

use super::{JudgeRule, Rollout, Tensorflow};
use crate::names::{AlarmName, ModelName, SecretRef};
use crate::span::Span;

/// A group of model servers. Every replica serves the same model; callers reach any of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelServers {
    /// How the servers are spoken to.
    pub protocol: Protocol,
    /// The name under which they know the model.
    pub model: ModelName,
    /// Where the replicas are.
    pub replicas: Replicas,
    /// How many replicas go over together once the canary was judged.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100)))]
    pub batch: u32,
    /// How many replicas load the model at the same time.
    #[serde(default = "four")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 20)))]
    pub max_concurrency: u32,
    /// How many replicas have to serve the new model for the release to be promoted.
    #[serde(default)]
    pub complete: Complete,
    /// How long a replica may take to load, check and activate a model.
    #[serde(default = "five_minutes")]
    pub replica_timeout: Span,
    /// How long a replica may take to answer one request.
    #[serde(default = "five_seconds")]
    pub request_timeout: Span,
    /// The port of Triton's gRPC API, for loading: a load by HTTP holds up callers that are connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_port: Option<u16>,
    /// What TensorFlow Serving serves; with `protocol: tensorflow-serving` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorflow: Option<Tensorflow>,
}

/// How model servers are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Perch's own contract over HTTP (docs/model-servers.md).
    Perch,
    /// Open Inference Protocol with the model repository extension: Triton, `MLServer`, `KServe`.
    OpenInference,
    /// TensorFlow Serving: `ReloadConfig` and `GetModelStatus` over gRPC.
    TensorflowServing,
}

/// Where the replicas are. They are looked up when a release starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Replicas {
    /// These addresses, such as `http://10.0.0.7:8080`.
    Static(#[cfg_attr(feature = "schema", schemars(length(min = 1, max = 100)))] Vec<String>),
    /// The running tasks of an ECS service, by their private addresses.
    Ecs(EcsTasks),
    /// The healthy instances of an AWS Cloud Map service.
    CloudMap(CloudMapService),
}

/// The running tasks of an ECS service in `awsvpc` network mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EcsTasks {
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The port that the model server listens on.
    pub port: u16,
}

/// A service of AWS Cloud Map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudMapService {
    /// The namespace's name.
    pub namespace: String,
    /// The service's name.
    pub service: String,
    /// The port, where the instances do not register `AWS_INSTANCE_PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// How many replicas have to serve the new model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Complete {
    /// Every replica; otherwise all go back.
    #[default]
    All,
    /// At least this many; people are paged about the others.
    AtLeast(#[cfg_attr(feature = "schema", schemars(range(min = 1)))] u32),
}

/// A cache in front of a model, switched from one generation of answers to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cache {
    /// Redis or Valkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// A URL that is told of the new generation, for services with their own invalidation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// What happens when the cache can't be reached.
    #[serde(default)]
    pub on_failure: OnCacheFailure,
}

/// A Redis or Valkey server or cluster. Entries have the key `MODEL:GENERATION:...`; the pointer's value
/// is the generation that callers read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// `redis://HOST:PORT`, or `rediss://` for TLS; without a password.
    pub url: String,
    /// Whether it is a cluster.
    #[serde(default)]
    pub cluster: bool,
    /// The user of an ACL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the password is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// The key whose value is the generation; `MODEL:generation` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Entries of former generations are deleted after the watch, at most this many in one release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_up: Option<u32>,
}

/// A service's own invalidation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// The URL. It gets a POST with `{"model", "generation", "former"}`.
    pub url: String,
    /// Where a bearer token is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}

/// What happens when a cache can't be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnCacheFailure {
    /// The release goes back.
    #[default]
    Fail,
    /// The release goes on, and people are paged.
    Warn,
}

/// How a release of a model goes, where that differs from a release of code.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRelease {
    /// How traffic moves to a new model. On model servers a weight is a share of the replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// When a new model is good enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeRule>,
    /// The alarms that roll a model back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guards: Option<Vec<AlarmName>>,
    /// The time after promotion in which a guard or the judge still rolls back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Span>,
}

impl ModelRelease {
    /// Whether a model is released as code is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Redis {
    /// The key whose value is the generation that callers read.
    pub fn pointer(&self, model: &ModelName) -> String {
        self.pointer.clone().unwrap_or_else(|| format!("{model}:generation"))
    }
}

fn one() -> u32 {
    1
}

fn four() -> u32 {
    4
}

fn five_minutes() -> Span {
    Span::minutes(5)
}

fn five_seconds() -> Span {
    Span::seconds(5)
}
