//! What a model version consists of: the manifest that is written last, and whether what S3 has is
//! what it says.
//!
//! Pure: reading the bucket is left to adapters, and what a refusal leads to is left to use cases.

mod canonical;
mod check;
mod file;
mod golden;
mod read;
mod requirement;
mod signature;
mod single;

pub use canonical::signed_bytes;
pub use check::{Checksum, Fault, FileFault, Found, Stored, fault, too_large};
pub use file::{FilePath, InvalidPath, InvalidSha256, ManifestFile, Multipart, Sha256};
pub(crate) use golden::short;
pub use golden::{GoldenRequest, InvalidGolden, difference, read_golden};
pub use read::{InvalidManifest, MOST_BYTES, MOST_FILES};
pub use requirement::{InvalidRequirement, Missed, Requirement};
pub use signature::{
    Algorithm, InvalidKey, PublicKey, Signature, SignatureFault, SignatureRule, SigningKey,
};
pub use single::version_of_file;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{ModelName, Version};

/// The manifest of a model version: `PREFIX/VERSION/manifest.json`, written once, after every file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format; always 1.
    pub schema_version: SchemaVersion,
    /// The name under which servers know the model.
    pub model: ModelName,
    /// The name of this version; also the name of its folder. A name is given once.
    pub version: Version,
    /// Its files.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 10_000)))]
    pub files: Vec<ManifestFile>,
    /// What it was made with, such as `onnx` or `sklearn 1.7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<String>,
    /// What it measures on its test set, such as `accuracy`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// Where its training data are, or the run that trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<String>,
    /// Who uploaded it.
    pub created_by: String,
    /// When the manifest was written.
    pub created_at: Timestamp,
    /// Which of its files has the golden requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<FilePath>,
    /// Who vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

impl Manifest {
    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    /// The file with the golden requests.
    pub fn golden_file(&self) -> Option<&ManifestFile> {
        let golden = self.golden.as_ref()?;
        self.files.iter().find(|file| file.path == *golden)
    }
}

/// The version of the manifest's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "u64", extend("const" = 1)))]
#[serde(try_from = "u64", into = "u64")]
pub struct SchemaVersion;

impl TryFrom<u64> for SchemaVersion {
    type Error = String;
    fn try_from(number: u64) -> Result<Self, String> {
        match number {
            1 => Ok(Self),
            other => Err(format!("version {other} is not known; this Perch reads version 1")),
        }
    }
}

impl From<SchemaVersion> for u64 {
    fn from(SchemaVersion: SchemaVersion) -> u64 {
        1
    }
}

#[cfg(test)]
mod tests;
