//! Buckets of models in memory, where uploads are complete or as a test has spoilt them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use perch_app::announce_model::Uploaded;
use perch_app::ports::{
    AnnounceUpload, KeptVersion, ListUploads, ObjectId, PortError, ReadBucket, ReadModels,
    VerifySignature, Written,
};
use perch_core::artifact::Artifact;
use perch_core::manifest::{Checksum, Found, Sha256, Signature, Stored};
use perch_core::names::{BucketName, Version};
use perch_core::target::ModelSource;
use serde_json::json;
use sha2::Digest as _;

use crate::build::at;
use crate::calls::Calls;

/// Versioned buckets, as one: a key has one version, whose id follows from its content.
#[derive(Debug)]
pub struct MemoryUploads {
    calls: Arc<Calls>,
    objects: Mutex<BTreeMap<String, Object>>,
    announced: Mutex<Vec<Uploaded>>,
    set_up: Mutex<SetUp>,
}

/// What the buckets are set up for.
#[derive(Debug, Clone, Copy)]
struct SetUp {
    versioned: bool,
    announces: bool,
}

impl Default for SetUp {
    fn default() -> Self {
        Self { versioned: true, announces: true }
    }
}

#[derive(Debug, Clone)]
struct Object {
    content: Vec<u8>,
    at: Timestamp,
}

impl MemoryUploads {
    /// A bucket without objects.
    pub fn new(calls: &Arc<Calls>) -> Self {
        let (objects, announced, set_up) = Default::default();
        Self { calls: calls.clone(), objects, announced, set_up }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        let objects = self.objects.lock().unwrap().clone();
        let announced = Mutex::new(self.announced());
        let set_up = Mutex::new(*self.set_up.lock().unwrap());
        Self { calls: calls.clone(), objects: Mutex::new(objects), announced, set_up }
    }

    /// Writes an object at the test's start; its version id.
    pub fn put(&self, key: &str, content: &[u8]) -> String {
        self.put_at(key, content, at(0))
    }

    /// Writes an object at this time; its version id.
    pub fn put_at(&self, key: &str, content: &[u8], at: Timestamp) -> String {
        let object = Object { content: content.to_vec(), at };
        self.objects.lock().unwrap().insert(key.to_owned(), object);
        id(content)
    }

    /// Uploads a version of one file for the source, and then its manifest; the model.
    pub fn push(&self, source: &ModelSource, version: &Version, at: Timestamp) -> Artifact {
        let content = format!("the weights of {version}").into_bytes();
        let object = self.put_at(&source.key(version.as_str(), "model.onnx"), &content, at);
        let file = json!({
            "path": "model.onnx", "size": content.len(), "sha256": sum(&content), "versionId": object,
        });
        let manifest = json!({
            "schemaVersion": 1, "model": "news", "version": version, "files": [file],
            "createdBy": "ada", "createdAt": at,
        });
        let key = source.key(version.as_str(), "manifest.json");
        let object = self.put_at(&key, manifest.to_string().as_bytes(), at);
        Artifact::Model { bucket: source.bucket.clone(), key, object, version: version.clone() }
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    /// What was announced as if its event had come, the oldest first.
    pub fn announced(&self) -> Vec<Uploaded> {
        self.announced.lock().unwrap().clone()
    }

    /// Sets up whether the buckets keep versions, and whether they tell `EventBridge`.
    pub fn set_up(&self, versioned: bool, announces: bool) {
        *self.set_up.lock().unwrap() = SetUp { versioned, announces };
    }

    /// Deletes an object.
    pub fn delete(&self, key: &str) {
        self.objects.lock().unwrap().remove(key);
    }

    fn content_of(&self, key: &str) -> Option<Vec<u8>> {
        self.objects.lock().unwrap().get(key).map(|object| object.content.clone())
    }

    fn read(&self, object: ObjectId<'_>) -> Result<Vec<u8>, PortError> {
        let found = self.content_of(object.key);
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
        self.calls.port("is_versioned", || Ok(self.set_up.lock().unwrap().versioned)).await
    }

    async fn versions(&self, _: &BucketName, key: &str) -> Result<Vec<KeptVersion>, PortError> {
        let versions = || {
            let found = self.content_of(key).map(|content| id(&content));
            Ok(found.into_iter().map(|id| KeptVersion { id, deleted: false }).collect())
        };
        self.calls.port("versions", versions).await
    }

    async fn object(&self, _: &BucketName, key: &str) -> Result<Found, PortError> {
        let object = || {
            let found = self.content_of(key);
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

impl ListUploads for MemoryUploads {
    async fn uploads(&self, source: &ModelSource) -> Result<Vec<String>, PortError> {
        let uploads = || {
            let objects = self.objects.lock().unwrap();
            let newest = objects.iter().filter(|(key, _)| source.admits_file(key));
            let newest = newest.max_by_key(|(_, object)| object.at).map(|(key, _)| key.clone());
            let prefix = source.versions_prefix();
            let names = objects.keys().filter_map(|key| key.strip_prefix(&prefix)?.split_once('/'));
            let mut keys: Vec<String> =
                names.map(|(folder, _)| source.key(folder, "manifest.json")).collect();
            keys.dedup();
            Ok(if source.keys.is_empty() { keys } else { newest.into_iter().collect() })
        };
        self.calls.port("uploads", uploads).await
    }

    async fn written(&self, _: &BucketName, key: &str) -> Result<Option<Written>, PortError> {
        let written = || {
            let objects = self.objects.lock().unwrap();
            let found = objects.get(key);
            Ok(found.map(|object| Written { object: id(&object.content), at: object.at }))
        };
        self.calls.port("written", written).await
    }
}

impl AnnounceUpload for MemoryUploads {
    async fn announce(&self, uploaded: &Uploaded) -> Result<(), PortError> {
        let announce = || {
            self.announced.lock().unwrap().push(uploaded.clone());
            Ok(())
        };
        self.calls.port("announce", announce).await
    }
}

impl ReadBucket for MemoryUploads {
    async fn announces(&self, _: &BucketName) -> Result<bool, PortError> {
        self.calls.port("announces", || Ok(self.set_up.lock().unwrap().announces)).await
    }
}

impl VerifySignature for MemoryUploads {
    async fn holds(&self, _: &str, _: &[u8], _: &Signature) -> Result<bool, PortError> {
        Ok(true)
    }
}
