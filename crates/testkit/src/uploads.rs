//! Buckets of models in memory, where uploads are complete or as a test has spoilt them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use perch_app::ports::{KeptVersion, ObjectId, PortError, ReadModels, VerifySignature};
use perch_core::manifest::{Checksum, Found, Sha256, Signature, Stored};
use perch_core::names::BucketName;
use sha2::Digest as _;

use crate::calls::Calls;

/// Versioned buckets, as one: a key has one version, whose id follows from its content.
#[derive(Debug)]
pub struct MemoryUploads {
    calls: Arc<Calls>,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryUploads {
    /// A bucket without objects.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), objects: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        let objects = self.objects.lock().unwrap().clone();
        Self { calls: calls.clone(), objects: Mutex::new(objects) }
    }

    /// Writes an object; its version id.
    pub fn put(&self, key: &str, content: &[u8]) -> String {
        self.objects.lock().unwrap().insert(key.to_owned(), content.to_vec());
        id(content)
    }

    /// Deletes an object.
    pub fn delete(&self, key: &str) {
        self.objects.lock().unwrap().remove(key);
    }

    fn read(&self, object: ObjectId<'_>) -> Result<Vec<u8>, PortError> {
        let found = self.objects.lock().unwrap().get(object.key).cloned();
        let found = found.filter(|content| id(content) == object.version);
        found.ok_or_else(|| PortError::NotFound { what: object.key.to_owned() })
    }
}

/// The hex digits of the content's SHA-256.
pub fn sum(content: &[u8]) -> String {
    sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The version id of this content.
pub fn id(content: &[u8]) -> String {
    sum(content)[..32].to_owned()
}

fn digest(content: &[u8]) -> Sha256 {
    sum(content).parse().unwrap()
}

impl ReadModels for MemoryUploads {
    async fn is_versioned(&self, _: &BucketName) -> Result<bool, PortError> {
        self.calls.port("is_versioned", || Ok(true)).await
    }

    async fn versions(&self, _: &BucketName, key: &str) -> Result<Vec<KeptVersion>, PortError> {
        let versions = || {
            let found = self.objects.lock().unwrap().get(key).map(|content| id(content));
            Ok(found.into_iter().map(|id| KeptVersion { id, deleted: false }).collect())
        };
        self.calls.port("versions", versions).await
    }

    async fn object(&self, _: &BucketName, key: &str) -> Result<Found, PortError> {
        let object = || {
            let found = self.objects.lock().unwrap().get(key).cloned();
            Ok(found.map_or(Found::Nothing, |content| {
                Found::Object(Stored {
                    version_id: id(&content),
                    size: content.len() as u64,
                    checksum: Checksum::Full(digest(&content)),
                })
            }))
        };
        self.calls.port("object", object).await
    }

    async fn content(&self, object: ObjectId<'_>, _: u64) -> Result<Vec<u8>, PortError> {
        self.calls.port("content", || self.read(object)).await
    }

    async fn digest(&self, object: ObjectId<'_>) -> Result<Sha256, PortError> {
        self.calls.port("digest", || self.read(object).map(|content| digest(&content))).await
    }

    async fn url(&self, object: ObjectId<'_>) -> Result<String, PortError> {
        Ok(format!("https://models/{}?versionId={}", object.key, object.version))
    }

    async fn folders(&self, _: &BucketName, _: &str) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }
}

impl VerifySignature for MemoryUploads {
    async fn holds(&self, _: &str, _: &[u8], _: &Signature) -> Result<bool, PortError> {
        Ok(true)
    }
}
