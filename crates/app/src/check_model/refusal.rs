//! Why an upload is not released, in words that say what to do.

use std::fmt;

use perch_core::manifest::{FileFault, InvalidGolden, InvalidManifest, Missed, SignatureFault};
use perch_core::names::{BucketName, ModelName, Version};

use crate::ports::PortError;

/// How an upload was found not to be releasable, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is refused; the same check again refuses it again, unless somebody mends the bucket.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// A port failed: trying again may help.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Why an upload is refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The bucket keeps one version of each object.
    #[error(
        "bucket {0} keeps no versions of its objects: turn on its versioning (`aws s3api \
         put-bucket-versioning --bucket {0} --versioning-configuration Status=Enabled`) and push again"
    )]
    NotVersioned(BucketName),
    /// The manifest or the file was deleted.
    #[error("{0} was deleted after the upload")]
    Gone(String),
    /// Another object has the key now.
    #[error("{key} was written more than once; {rule}")]
    Overwritten {
        /// The key.
        key: String,
        /// What counts.
        rule: &'static str,
    },
    /// The manifest can't be read.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    /// The manifest is that of another version.
    #[error("manifest.json: `{field}` is {found}, expected {expected}")]
    Elsewhere {
        /// The field.
        field: &'static str,
        /// What the folder says.
        expected: String,
        /// What the manifest says.
        found: String,
    },
    /// The manifest is that of another model than the servers hold.
    #[error(
        "manifest.json: `model` is {found}, but the target's servers know their model as {expected} \
         (`service.modelServers.model`): push it under another version with that name, or correct the \
         target file"
    )]
    OtherModel {
        /// What the target says.
        expected: ModelName,
        /// What the manifest says.
        found: ModelName,
    },
    /// Files are missing or others than the manifest says.
    #[error("the upload is not complete: {0}")]
    Incomplete(Faults),
    /// All files together are too large.
    #[error("the model is too large: {0}")]
    TooLarge(String),
    /// A metric is not good enough.
    #[error("the model does not meet {0}")]
    Missed(#[from] Missed),
    /// The baseline's metrics can't be read.
    #[error("the manifest of the baseline {version} can't be read: {why}")]
    Baseline {
        /// The baseline.
        version: Version,
        /// What is wrong with it.
        why: String,
    },
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// The golden requests can't be read.
    #[error(transparent)]
    Golden(#[from] InvalidGolden),
}

impl Refusal {
    /// Whether what was uploaded is no manifest at all: for the dead-letter queue, as any event that
    /// can't be read.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Refusal::Manifest(_))
    }
}

/// What is wrong with the files of an upload.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The first of them.
    pub first: Vec<FileFault>,
    /// How many there are.
    pub count: usize,
    /// How many files were looked at.
    pub files: usize,
}

/// As many are named; a note is read by people.
const NAMED: usize = 5;

impl Faults {
    /// Counts a file; its fault is kept if it is one of the first.
    pub(super) fn note(&mut self, fault: Option<FileFault>) {
        self.files += 1;
        if let Some(fault) = fault {
            self.count += 1;
            if self.first.len() < NAMED {
                self.first.push(fault);
            }
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} files", self.count, self.files)?;
        for (place, fault) in self.first.iter().enumerate() {
            write!(f, "{} {fault}", if place == 0 { ":" } else { ";" })?;
        }
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
