//! Whether what S3 has is what the manifest says: one file at a time, so that memory does not grow
//! with the number of files.

use std::fmt;

use super::{FilePath, Manifest, ManifestFile, Sha256};
use crate::target::ByteSize;

/// What S3 has under the key of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// An object.
    Object(Stored),
    /// A delete marker: the object was deleted, and its versions are still there.
    Deleted,
    /// Nothing.
    Nothing,
}

/// An object as S3 describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The id of its current version.
    pub version_id: String,
    /// Its size in bytes.
    pub size: u64,
    /// What S3 stores of its content.
    pub checksum: Checksum,
}

/// What S3 stores of an object's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// The SHA-256 of all of it.
    Full(Sha256),
    /// The SHA-256 over the SHA-256 of its parts.
    Composite {
        /// The sum.
        sum: Sha256,
        /// How many parts there are.
        parts: u32,
    },
    /// No SHA-256: the content has to be read.
    None,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// The file.
    pub path: FilePath,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It was deleted after the upload.
    Deleted,
    /// It is another version than the one that was uploaded.
    OtherVersion {
        /// The manifest's.
        expected: String,
        /// S3's.
        found: String,
    },
    /// Its size is another one.
    OtherSize {
        /// The manifest's.
        expected: u64,
        /// S3's.
        found: u64,
    },
    /// Its content is another one.
    OtherContent {
        /// The manifest's SHA-256.
        expected: Sha256,
        /// S3's.
        found: Sha256,
    },
    /// S3 stores no SHA-256 that can be compared.
    NoChecksum,
}

/// What is wrong with a file; [`Fault::NoChecksum`] when its content has to be read to know.
pub fn fault(file: &ManifestFile, found: &Found) -> Option<Fault> {
    let stored = match found {
        Found::Nothing => return Some(Fault::Missing),
        Found::Deleted => return Some(Fault::Deleted),
        Found::Object(stored) => stored,
    };
    if stored.version_id != file.version_id {
        let (expected, found) = (file.version_id.clone(), stored.version_id.clone());
        return Some(Fault::OtherVersion { expected, found });
    }
    if stored.size != file.size {
        return Some(Fault::OtherSize { expected: file.size, found: stored.size });
    }
    let differs = |expected: Sha256, found: Sha256| {
        (expected != found).then_some(Fault::OtherContent { expected, found })
    };
    match (stored.checksum, &file.multipart) {
        (Checksum::Full(found), _) => differs(file.sha256, found),
        (Checksum::Composite { sum, parts }, Some(multipart)) if parts == multipart.parts => {
            differs(multipart.composite, sum)
        }
        (Checksum::Composite { .. } | Checksum::None, _) => Some(Fault::NoChecksum),
    }
}

/// Why all files together are too large for a target.
pub fn too_large(manifest: &Manifest, limit: Option<ByteSize>) -> Option<String> {
    let (bytes, limit) = (ByteSize::bytes(manifest.bytes()), limit?);
    (bytes > limit).then(|| {
        format!("its {} files have {bytes}, above the target's {limit}", manifest.files.len())
    })
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => write!(f, "is not there"),
            Fault::Deleted => write!(f, "was deleted after the upload"),
            Fault::OtherVersion { expected, found } => {
                write!(f, "was overwritten: version {expected} was uploaded, {found} is there")
            }
            Fault::OtherSize { expected, found } => {
                write!(f, "has {found} bytes, {expected} were uploaded")
            }
            Fault::OtherContent { expected, found } => {
                write!(f, "has SHA-256 {found}, the manifest says {expected}")
            }
            Fault::NoChecksum => write!(f, "has no SHA-256 in S3, and it could not be read"),
        }
    }
}
