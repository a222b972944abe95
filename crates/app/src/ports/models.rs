//! Model versions in buckets: what S3 keeps of them, and who signed them.

use std::future::Future;

use perch_core::manifest::{Found, Sha256, Signature};
use perch_core::names::BucketName;

use super::PortError;

/// A version of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectId<'a> {
    /// The bucket.
    pub bucket: &'a BucketName,
    /// The object's key.
    pub key: &'a str,
    /// The object's version id.
    pub version: &'a str,
}

/// One of the versions that a bucket keeps under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVersion {
    /// Its id.
    pub id: String,
    /// Whether it is a delete marker.
    pub deleted: bool,
}

/// Reads model versions.
pub trait ReadModels: Sync {
    /// Whether the bucket keeps every version of its objects.
    fn is_versioned(
        &self,
        bucket: &BucketName,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// The versions under a key, newest first; a hundred at most.
    fn versions(
        &self,
        bucket: &BucketName,
        key: &str,
    ) -> impl Future<Output = Result<Vec<KeptVersion>, PortError>> + Send;

    /// What is under a key now, with its checksum; nothing of its content is read.
    fn object(
        &self,
        bucket: &BucketName,
        key: &str,
    ) -> impl Future<Output = Result<Found, PortError>> + Send;

    /// The content of an object.
    ///
    /// # Errors
    /// [`PortError::NotFound`] where it is gone, [`PortError::Invalid`] where it has more than `most`
    /// bytes.
    fn content(
        &self,
        object: ObjectId<'_>,
        most: u64,
    ) -> impl Future<Output = Result<Vec<u8>, PortError>> + Send;

    /// The SHA-256 of an object's content, which is read piece by piece.
    fn digest(
        &self,
        object: ObjectId<'_>,
    ) -> impl Future<Output = Result<Sha256, PortError>> + Send;

    /// A URL that reads just this version for an hour, without credentials.
    fn url(&self, object: ObjectId<'_>) -> impl Future<Output = Result<String, PortError>> + Send;

    /// The names of the folders under a prefix that ends with a slash, in their order.
    fn folders(
        &self,
        bucket: &BucketName,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<String>, PortError>> + Send;
}

/// Reads how a bucket is set up.
pub trait ReadBucket: Sync {
    /// Whether it tells `EventBridge` of uploads.
    fn announces(
        &self,
        bucket: &BucketName,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Verifies signatures of keys that never leave their service.
pub trait VerifySignature: Sync {
    /// Whether the signature over these bytes is this key's.
    fn holds(
        &self,
        key: &str,
        signed: &[u8],
        signature: &Signature,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
}
