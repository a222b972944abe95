//! What replicas report of themselves.

use serde::{Deserialize, Serialize};

use crate::names::Version;

/// One server of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// What people call it: the host and port, a task's id or an instance's id.
    pub name: String,
    /// Where it is reached, without a slash at the end, such as `http://10.0.0.7:8080`.
    pub url: String,
}

/// What a replica has in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaState {
    /// The version that answers callers who name none; `None` while none does.
    pub active: Option<Version>,
    /// Every version that it has, the active one too.
    pub loaded: Vec<Loaded>,
    /// What it reports of its memory, if it does.
    #[serde(default)]
    pub memory: Option<Memory>,
    /// The cache generation that it writes answers under, if it says.
    #[serde(default)]
    pub generation: Option<String>,
}

/// A version that a replica has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loaded {
    /// The version.
    pub version: Version,
    /// Whether it can answer.
    #[serde(flatten)]
    pub load: Load,
}

/// Whether a version can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Load {
    /// It is being loaded.
    Loading,
    /// It can.
    Ready,
    /// It could not be loaded.
    Failed {
        /// The server's reason.
        reason: String,
    },
}

/// What a replica reports of its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Bytes that another model may take.
    pub free_bytes: u64,
}

impl ReplicaState {
    /// How far it is with a version; `None` where it does not have it.
    pub fn load_of(&self, version: &Version) -> Option<&Load> {
        self.loaded.iter().find(|loaded| loaded.version == *version).map(|loaded| &loaded.load)
    }
}

/// What came back from one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The replica.
    pub replica: Replica,
    /// What it reported, if it answered.
    #[serde(default)]
    pub state: Option<ReplicaState>,
    /// Why it did not answer.
    #[serde(default)]
    pub silent: Option<String>,
}

/// What all replicas of a target and its cache report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    /// The replicas, in the order in which they were found.
    pub replicas: Vec<Seen>,
    /// The generation that the cache's pointer has; `None` without a cache or a pointer.
    #[serde(default)]
    pub generation: Option<String>,
    /// Why the cache did not answer.
    #[serde(default)]
    pub cache_silent: Option<String>,
}

/// A model version as a server loads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFiles {
    /// Its name.
    pub version: Version,
    /// Where it is: `s3://BUCKET/PREFIX/VERSION/`.
    pub source: String,
    /// The bytes of all files.
    pub bytes: u64,
    /// The files.
    pub files: Vec<ModelFile>,
}

/// One file of a model version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFile {
    /// Its path below the folder of the version.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Where it can be read for an hour without credentials: a presigned URL of just this S3 version.
    pub url: String,
}
