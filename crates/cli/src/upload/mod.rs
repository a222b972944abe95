//! An upload of a model version: what is in the folder, whether it may be uploaded, the files, and last
//! the manifest.

mod folder;
mod plan;
mod progress;
mod send;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use folder::{Folder, Local};
pub(crate) use plan::Plan;
pub(crate) use progress::{Progress, warn};
pub(crate) use send::Sender;

use std::path::PathBuf;

use perch_core::manifest::{InvalidGolden, InvalidKey, InvalidPath, Missed};
use perch_core::names::{BucketName, TargetName, Version};

/// Why a folder can't be uploaded; nothing was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("target {0} takes no models: give it `sources.model` (docs/models.md)")]
    NoSource(TargetName),
    #[error(
        "target {0} takes plain files: copy one below its prefix, such as with `aws s3 cp`; a folder \
         with a manifest needs `upload: manifest` in the target file"
    )]
    PlainFiles(TargetName),
    #[error(
        "bucket {0} keeps no versions of its objects, and nothing was uploaded: turn on its \
         versioning with `aws s3api put-bucket-versioning --bucket {0} \
         --versioning-configuration Status=Enabled`"
    )]
    NotVersioned(BucketName),
    #[error(
        "bucket {0} does not exist in this account and region; docs/models.md says how it is made"
    )]
    NoBucket(BucketName),
    #[error("{} has no files", .0.display())]
    Empty(PathBuf),
    #[error("{} is not text", .0.display())]
    NotText(PathBuf),
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("{count} files are too many: at most {most}")]
    TooMany { count: usize, most: usize },
    #[error("{}: `{field}`: {message}", file.display())]
    Metrics { file: PathBuf, field: String, message: String },
    #[error(transparent)]
    Golden(#[from] InvalidGolden),
    #[error("{0}, and nothing was uploaded")]
    TooLarge(String),
    #[error("the model does not meet {0}; nothing was uploaded")]
    Missed(#[from] Missed),
    #[error("{}: {source}", file.display())]
    Key { file: PathBuf, source: InvalidKey },
    #[error("{0}; nothing was uploaded")]
    Signature(String),
}

/// The bucket tells nobody of uploads.
#[derive(Debug, thiserror::Error)]
#[error(
    "bucket {bucket} does not tell EventBridge of uploads: the release starts with a later sweep, up to \
     15 minutes after the upload. Turn it on, beside what is configured ({show}): {change}"
)]
pub(crate) struct Silent {
    pub(crate) bucket: BucketName,
    /// Shows what is configured.
    pub(crate) show: String,
    /// Writes another configuration.
    pub(crate) change: String,
}

/// The name of the version was given before.
#[derive(Debug, thiserror::Error)]
#[error(
    "version {version} is there already: s3://{bucket}/{key}; the name of a version is given once, \
     push under another one"
)]
pub(crate) struct Taken {
    pub(crate) version: Version,
    pub(crate) bucket: BucketName,
    pub(crate) key: String,
}

/// The file changed while it was uploaded, or the bucket lost its versioning.
#[derive(Debug, thiserror::Error)]
#[error(
    "{key} got no version id: bucket {bucket} keeps no versions any more; no manifest was written"
)]
pub(crate) struct NoVersion {
    pub(crate) bucket: BucketName,
    pub(crate) key: String,
}
