//! What can be released: an image by digest, a zip package by S3 object version, or a version of the
//! function that exists already.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::names::{BucketName, FunctionVersion, RepositoryName};

/// An immutable thing to release. Two artifacts are the same when their `identity` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A published version of the function, which a person goes back to.
    Version {
        /// The version.
        version: FunctionVersion,
    },
}

impl Artifact {
    /// What makes it the same artifact again: the image digest; bucket, key and object version; or
    /// the function's version.
    pub fn identity(&self) -> String {
        match self {
            Artifact::Image { digest, .. } => digest.to_string(),
            Artifact::Package { bucket, key, version } => format!("s3://{bucket}/{key}@{version}"),
            Artifact::Version { version } => format!("version:{version}"),
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
            Artifact::Version { version } => write!(f, "version {version}"),
        }
    }
}
