//! S3 in memory: every version of every object, delete markers, and the checksums that S3 stores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use perch_app::announce_model::Uploaded;
use perch_app::ports::{KeptVersion, ObjectId, PortError, ReadModels, VerifySignature};
use perch_core::manifest::{Checksum, Found, Sha256, Signature, Stored};
use perch_core::names::BucketName;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::build::at;
use crate::calls::Calls;

/// Buckets in memory.
#[derive(Debug)]
pub struct MemoryModels {
    calls: Arc<Calls>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    unversioned: BTreeSet<String>,
    /// By bucket and key, the oldest first.
    objects: BTreeMap<(String, String), Vec<Object>>,
    written: u32,
    under_way: usize,
    most: usize,
}

#[derive(Debug, Clone)]
struct Object {
    id: String,
    /// `None` for a delete marker.
    content: Option<Vec<u8>>,
    checksum: Checksum,
}

/// The bucket of the usual target.
const BUCKET: &str = "models";

impl MemoryModels {
    /// Versioned buckets without objects.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), state: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), state: Mutex::new(self.state().clone()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Turns the versioning of bucket `models` off.
    pub fn suspend(&self) {
        self.state().unversioned.insert(BUCKET.to_owned());
    }

    /// Writes an object of bucket `models`; its version id.
    pub fn put(&self, key: &str, content: impl Into<Vec<u8>>) -> String {
        let content = content.into();
        let checksum = Checksum::Full(sum(&content));
        self.write(key, Some(content), checksum)
    }

    /// Writes an object as a tool without SHA-256 does.
    pub fn put_without_sum(&self, key: &str, content: impl Into<Vec<u8>>) -> String {
        self.write(key, Some(content.into()), Checksum::None)
    }

    /// Puts a delete marker on a key.
    pub fn delete(&self, key: &str) {
        self.write(key, None, Checksum::None);
    }

    /// Takes every version of a key away.
    pub fn erase(&self, key: &str) {
        self.state().objects.remove(&(BUCKET.to_owned(), key.to_owned()));
    }

    fn write(&self, key: &str, content: Option<Vec<u8>>, checksum: Checksum) -> String {
        let mut state = self.state();
        state.written += 1;
        let id = format!("object{:04}", state.written);
        let of_key = state.objects.entry((BUCKET.to_owned(), key.to_owned())).or_default();
        of_key.push(Object { id: id.clone(), content, checksum });
        id
    }

    /// Writes the files of a version of model `news` and then its manifest, with these changes; the
    /// event of the manifest.
    pub fn push(&self, version: &str, files: &[(&str, &str)], changes: Value) -> Uploaded {
        let files: Vec<Value> = files
            .iter()
            .map(|(path, content)| {
                let id = self.put(&format!("models/news/{version}/{path}"), *content);
                let sha256 = sum(content.as_bytes()).to_string();
                json!({ "path": path, "size": content.len(), "sha256": sha256, "versionId": id })
            })
            .collect();
        let mut manifest = json!({
            "schemaVersion": 1, "model": "news", "version": version, "files": files,
            "createdBy": "ada", "createdAt": "2026-11-21T10:00:00Z",
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            manifest[name] = value.clone();
        }
        self.announce(&format!("models/news/{version}/manifest.json"), manifest.to_string())
    }

    /// Writes an object; the event of it, `event-` and its version id.
    pub fn announce(&self, key: &str, content: impl Into<Vec<u8>>) -> Uploaded {
        let object = self.put(key, content);
        Uploaded {
            bucket: BUCKET.parse().unwrap(),
            key: key.to_owned(),
            event: format!("event-{object}"),
            object: Some(object),
            at: at(0),
            missed: false,
        }
    }

    /// The most files that were looked at at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state().most
    }

    /// The signature of this key over these bytes, as `holds` takes it.
    pub fn signature(key: &str, signed: &[u8]) -> String {
        sum(&[key.as_bytes(), signed].concat()).to_string()
    }

    fn current(&self, bucket: &BucketName, key: &str) -> Option<Object> {
        let of_key = (bucket.to_string(), key.to_owned());
        self.state().objects.get(&of_key).and_then(|versions| versions.last().cloned())
    }

    fn kept(&self, object: ObjectId<'_>) -> Result<Vec<u8>, PortError> {
        let of_key = (object.bucket.to_string(), object.key.to_owned());
        let state = self.state();
        let versions = state.objects.get(&of_key).into_iter().flatten();
        let found =
            versions.filter(|kept| kept.id == object.version).find_map(|o| o.content.clone());
        found.ok_or_else(|| PortError::NotFound { what: format!("{object:?}") })
    }
}

fn sum(content: &[u8]) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(content).into())
}

impl ReadModels for MemoryModels {
    async fn is_versioned(&self, bucket: &BucketName) -> Result<bool, PortError> {
        self.calls.port("is_versioned", || Ok(())).await?;
        Ok(!self.state().unversioned.contains(bucket.as_str()))
    }

    async fn versions(
        &self,
        bucket: &BucketName,
        key: &str,
    ) -> Result<Vec<KeptVersion>, PortError> {
        self.calls.port("versions", || Ok(())).await?;
        let of_key = (bucket.to_string(), key.to_owned());
        let state = self.state();
        let versions = state.objects.get(&of_key).into_iter().flatten().rev();
        Ok(versions
            .map(|kept| KeptVersion { id: kept.id.clone(), deleted: kept.content.is_none() })
            .collect())
    }

    async fn object(&self, bucket: &BucketName, key: &str) -> Result<Found, PortError> {
        {
            let mut state = self.state();
            state.under_way += 1;
            state.most = state.most.max(state.under_way);
        }
        let called = self.calls.port("object", || Ok(())).await;
        self.state().under_way -= 1;
        called?;
        Ok(match self.current(bucket, key) {
            None => Found::Nothing,
            Some(Object { content: None, .. }) => Found::Deleted,
            Some(Object { id, content: Some(content), checksum }) => {
                Found::Object(Stored { version_id: id, size: content.len() as u64, checksum })
            }
        })
    }

    async fn content(&self, object: ObjectId<'_>, most: u64) -> Result<Vec<u8>, PortError> {
        self.calls.port("content", || Ok(())).await?;
        let content = self.kept(object)?;
        if content.len() as u64 > most {
            let message = format!("it has more than {most} bytes");
            return Err(PortError::Invalid { what: object.key.to_owned(), message });
        }
        Ok(content)
    }

    async fn digest(&self, object: ObjectId<'_>) -> Result<Sha256, PortError> {
        self.calls.port("digest", || Ok(())).await?;
        Ok(sum(&self.kept(object)?))
    }

    async fn url(&self, object: ObjectId<'_>) -> Result<String, PortError> {
        self.calls.port("url", || Ok(())).await?;
        let ObjectId { bucket, key, version } = object;
        Ok(format!("https://{bucket}/{key}?versionId={version}"))
    }

    async fn folders(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<String>, PortError> {
        self.calls.port("folders", || Ok(())).await?;
        let state = self.state();
        let there = state.objects.iter().filter(|((of, _), versions)| {
            of == bucket.as_str() && versions.last().is_some_and(|last| last.content.is_some())
        });
        let names: BTreeSet<String> = there
            .filter_map(|((_, key), _)| {
                Some(key.strip_prefix(prefix)?.split_once('/')?.0.to_owned())
            })
            .collect();
        Ok(names.into_iter().collect())
    }
}

impl VerifySignature for MemoryModels {
    async fn holds(
        &self,
        key: &str,
        signed: &[u8],
        signature: &Signature,
    ) -> Result<bool, PortError> {
        self.calls.port("holds", || Ok(())).await?;
        Ok(signature.value == Self::signature(key, signed))
    }
}
