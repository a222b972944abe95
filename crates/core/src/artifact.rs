//! What can be released: an image by digest, a zip package by S3 object version, a model
//! version by its manifest, or a version of the function that exists already.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::names::{BucketName, RepositoryName, Version};

/// An immutable thing to release. Two artifacts are the same when their `identity` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Artifact {
    /// A container image in ECR. The tag is for people; the digest is the identity.
    Image {
        /// The repository it was pushed to.
        repository: RepositoryName,
        /// The digest of its manifest.
        digest: Digest,
        /// The tag of the push, if there was one.
        tag: Option<String>,
    },
    /// A zip package in a versioned S3 bucket.
    Package {
        /// The bucket.
        bucket: BucketName,
        /// The object's key.
        key: String,
        /// The object's version id.
        version: String,
    },
    /// A model version in a versioned S3 bucket.
    Model {
        /// The bucket.
        bucket: BucketName,
        /// The key of its manifest, or of its only file where the target takes plain files.
        key: String,
        /// The S3 version id of that object.
        object: String,
        /// The name of the model version.
        version: Version,
    },
    /// A published version of the function, which a person goes back to.
    Version {
        /// The version.
        version: Version,
    },
}

/// What the key of a manifest ends with, after the folder of its model version.
pub const MANIFEST: &str = "/manifest.json";

/// Artifacts that follow each other: the newest of a lane wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lane {
    /// Images, packages and versions of a function.
    Code,
    /// Model versions.
    Model,
}

impl Artifact {
    /// What makes it the same artifact again: the image digest; bucket, key and object version; the
    /// folder of a model version, whose name is given once; or the function's version.
    pub fn identity(&self) -> String {
        match self {
            Artifact::Image { digest, .. } => digest.to_string(),
            Artifact::Package { bucket, key, version } => format!("s3://{bucket}/{key}@{version}"),
            Artifact::Model { bucket, key, object, .. } => match key.strip_suffix(MANIFEST) {
                Some(folder) => format!("s3://{bucket}/{folder}"),
                None => format!("s3://{bucket}/{key}@{object}"),
            },
            Artifact::Version { version } => format!("version:{version}"),
        }
    }

    /// What it is a newer one of: an image never replaces a model, nor a model an image.
    pub fn lane(&self) -> Lane {
        match self {
            Artifact::Model { .. } => Lane::Model,
            Artifact::Image { .. } | Artifact::Package { .. } | Artifact::Version { .. } => {
                Lane::Code
            }
        }
    }

    /// Whether it is a version that exists: nothing has to be built or published for it.
    pub fn is_version(&self) -> bool {
        matches!(self, Artifact::Version { .. })
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Artifact::Image { repository, digest, tag: Some(tag) } => {
                write!(f, "{repository}:{tag} ({})", digest.short())
            }
            Artifact::Image { repository, digest, tag: None } => {
                write!(f, "{repository}@{}", digest.short())
            }
            Artifact::Package { bucket, key, version } => {
                let short: String = version.chars().take(12).collect();
                write!(f, "s3://{bucket}/{key} ({short})")
            }
            Artifact::Model { version, .. } => write!(f, "model {version}"),
            Artifact::Version { version } => write!(f, "version {version}"),
        }
    }
}
