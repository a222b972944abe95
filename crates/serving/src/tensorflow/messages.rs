//! The messages of TensorFlow Serving that Perch uses, by their published names and field numbers.
//!
//! Written by hand: of the published files, which need TensorFlow's own, a dozen messages are used.

use std::collections::HashMap;

/// A number that may be missing (`google.protobuf.Int64Value`).
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Int64Value {
    /// The number.
    #[prost(int64, tag = "1")]
    pub value: i64,
}

/// Which model, and which version of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModelSpec {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version; the newest where it is missing.
    #[prost(oneof = "VersionChoice", tags = "2, 4")]
    pub version_choice: Option<VersionChoice>,
}

/// A version by its number or by a label.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum VersionChoice {
    /// The number.
    #[prost(message, tag = "2")]
    Version(Int64Value),
    /// The label.
    #[prost(string, tag = "4")]
    VersionLabel(String),
}

/// Asks for the versions of a model.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetModelStatusRequest {
    /// The model.
    #[prost(message, optional, tag = "1")]
    pub model_spec: Option<ModelSpec>,
}

/// The versions of a model.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetModelStatusResponse {
    /// One of each.
    #[prost(message, repeated, tag = "1")]
    pub model_version_status: Vec<ModelVersionStatus>,
}

/// How far a version is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModelVersionStatus {
    /// Its number.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// Where it is in its life.
    #[prost(enumeration = "State", tag = "2")]
    pub state: i32,
    /// What went wrong.
    #[prost(message, optional, tag = "3")]
    pub status: Option<StatusProto>,
}

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum State {
    /// Not known.
    Unknown = 0,
    /// Known, nothing done.
    Start = 10,
    /// Being loaded.
    Loading = 20,
    /// Answers.
    Available = 30,
    /// Being unloaded.
    Unloading = 40,
    /// Unloaded, or failed.
    End = 50,
}

/// An error, or none where the code is 0.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatusProto {
    /// The code, as gRPC counts them.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// What went wrong.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// Replaces all that the server serves.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReloadConfigRequest {
    /// What it is to serve.
    #[prost(message, optional, tag = "1")]
    pub config: Option<ModelServerConfig>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReloadConfigResponse {
    /// What went wrong.
    #[prost(message, optional, tag = "1")]
    pub status: Option<StatusProto>,
}

/// What a server serves.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModelServerConfig {
    /// The models.
    #[prost(message, optional, tag = "1")]
    pub model_config_list: Option<ModelConfigList>,
}

/// Models.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModelConfigList {
    /// One of each.
    #[prost(message, repeated, tag = "1")]
    pub config: Vec<ModelConfig>,
}

/// A model that a server serves.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModelConfig {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The folder with its versions.
    #[prost(string, tag = "2")]
    pub base_path: String,
    /// Its kind: `tensorflow`.
    #[prost(string, tag = "4")]
    pub model_platform: String,
    /// Which versions; the newest alone where it is missing.
    #[prost(message, optional, tag = "7")]
    pub model_version_policy: Option<VersionPolicy>,
    /// Names for versions.
    #[prost(map = "string, int64", tag = "8")]
    pub version_labels: HashMap<String, i64>,
}

/// Which versions are served. Of the published choices Perch uses this one.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VersionPolicy {
    /// These.
    #[prost(message, optional, tag = "102")]
    pub specific: Option<Specific>,
}

/// Versions by number.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Specific {
    /// The numbers.
    #[prost(int64, repeated, tag = "1")]
    pub versions: Vec<i64>,
}

/// Asks about a version that is ready.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetModelMetadataRequest {
    /// The model.
    #[prost(message, optional, tag = "1")]
    pub model_spec: Option<ModelSpec>,
    /// What about it: `signature_def`.
    #[prost(string, repeated, tag = "2")]
    pub metadata_field: Vec<String>,
}

/// Which version it is; the rest is not read.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetModelMetadataResponse {
    /// The version that was found by its label.
    #[prost(message, optional, tag = "1")]
    pub model_spec: Option<ModelSpec>,
}
