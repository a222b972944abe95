//! Where models come from, and what an upload has to be.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::ByteSize;
use crate::artifact::MANIFEST;
use crate::manifest::{Requirement, SignatureRule};
use crate::names::BucketName;

/// Model versions in a versioned S3 bucket with EventBridge notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelSource {
    /// The bucket's name.
    pub bucket: BucketName,
    /// The folder that has a folder for each version, such as `models/news`.
    pub prefix: String,
    /// What an upload is: a folder with a manifest, or one plain file.
    #[serde(default, skip_serializing_if = "Upload::is_default")]
    pub upload: Upload,
    /// Which plain files below the prefix are models: globs with `*` and `?`, for `upload: file`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// What the manifest's metrics have to be, such as `accuracy >= baseline - 0.01`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Requirement>,
    /// The most bytes that all files together may have, such as `2GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
    /// Whose signature every manifest needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureRule>,
}

/// What an upload of a model is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Upload {
    /// A folder for each version, whose `manifest.json` is written last.
    #[default]
    Manifest,
    /// One file; each upload of it is a version.
    File,
}

impl Upload {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl ModelSource {
    /// The prefix without slashes around it.
    fn folder(&self) -> &str {
        self.prefix.trim_matches('/')
    }

    /// What follows the prefix in a key; `None` for a key elsewhere.
    fn below<'k>(&self, key: &'k str) -> Option<&'k str> {
        match self.folder() {
            "" => Some(key),
            folder => key.strip_prefix(folder)?.strip_prefix('/'),
        }
    }

    /// The name of the version whose manifest has this key; `None` for any other key.
    pub fn version_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        let version = self.below(key)?.strip_suffix(MANIFEST)?;
        (self.upload == Upload::Manifest && !version.is_empty() && !version.contains('/'))
            .then_some(version)
    }

    /// Whether an object under this key is a model in one file.
    pub fn admits_file(&self, key: &str) -> bool {
        let Some(name) = self.below(key).filter(|_| self.upload == Upload::File) else {
            return false;
        };
        self.keys.iter().any(|glob| WildMatch::new(glob).matches(name))
    }

    /// The key of a file of a version, or of its manifest.
    pub fn key(&self, version: &str, path: &str) -> String {
        match self.folder() {
            "" => format!("{version}/{path}"),
            folder => format!("{folder}/{version}/{path}"),
        }
    }

    /// Where its versions are: `BUCKET/PREFIX`.
    pub fn place(&self) -> String {
        format!("{}/{}", self.bucket, self.folder())
    }

    /// What the keys of all versions begin with.
    pub fn versions_prefix(&self) -> String {
        match self.folder() {
            "" => String::new(),
            folder => format!("{folder}/"),
        }
    }
}
