//! The model versions of a target's source: what was uploaded, and what became of it.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::manifest::{Found, MOST_BYTES, Manifest};
use perch_core::names::{ReleaseId, TargetName, Version};
use perch_core::target::ModelSource;
use serde::Serialize;

use crate::check_model::{self, CheckError, Rules, Upload};
use crate::ports::{LoadArtifact, LoadHead, ObjectId, PortError, ReadModels, VerifySignature};

/// Manifests that are read at the same time.
const AT_ONCE: usize = 8;

/// A model version.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelVersion {
    /// Its name.
    pub version: String,
    /// What became of it.
    pub state: State,
    /// When its manifest was written.
    pub uploaded: Option<Timestamp>,
    /// The bytes of its files.
    pub bytes: Option<u64>,
    /// What it measures.
    pub metrics: BTreeMap<String, f64>,
    /// Its newest release.
    pub release: Option<ReleaseId>,
    /// What is wrong with the manifest.
    pub problem: Option<String>,
}

/// What became of a model version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It serves, as far as Perch knows.
    Serving,
    /// Its release is under way.
    Releasing,
    /// It was released before.
    Released,
    /// It was rolled back and is not tried again unless a person says so.
    Quarantined,
    /// Its release ended before it served.
    Rejected,
    /// It had no release.
    Uploaded,
    /// It has no manifest: its upload was broken off or goes on.
    Incomplete,
    /// Its manifest can't be read.
    Unreadable,
}

/// A model version in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelInFull {
    /// What the list says of it.
    #[serde(flatten)]
    pub model: ModelVersion,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// Why it would not be released now; nothing when it could be.
    pub refusal: Option<String>,
}

/// Every version of the source, the newest first.
///
/// # Errors
/// [`PortError`] when a port failed.
pub async fn list(
    store: &(impl LoadArtifact + LoadHead),
    models: &impl ReadModels,
    target: &TargetName,
    source: &ModelSource,
) -> Result<Vec<ModelVersion>, PortError> {
    let folders = models.folders(&source.bucket, &source.versions_prefix()).await?;
    let serving = serving(store, target).await?;
    let reads =
        folders.iter().map(|folder| read(store, models, (target, source), folder, &serving));
    let found = futures_util::stream::iter(reads).buffered(AT_ONCE);
    let mut found: Vec<_> = found.map_ok(|(model, ..)| model).try_collect().await?;
    found.sort_by(|one, other| (other.uploaded, &other.version).cmp(&(one.uploaded, &one.version)));
    Ok(found)
}

/// One version, and whether every object of it is there; `None` when there is no such folder.
///
/// # Errors
/// [`PortError`] when a port failed.
pub async fn show(
    store: &(impl LoadArtifact + LoadHead),
    models: &(impl ReadModels + VerifySignature),
    (target, rules): (&TargetName, Rules<'_>),
    version: &Version,
) -> Result<Option<ModelInFull>, PortError> {
    let source = rules.source;
    let folders = models.folders(&source.bucket, &source.versions_prefix()).await?;
    if !folders.iter().any(|folder| folder == version.as_str()) {
        return Ok(None);
    }
    let serving = serving(store, target).await?;
    let (model, manifest, artifact) =
        read(store, models, (target, source), version.as_str(), &serving).await?;
    let refusal = match artifact.as_ref().and_then(Upload::of) {
        // Against itself a model is never worse: what counts here is whether it is complete.
        Some(upload) => match check_model::run(models, rules, upload, None).await {
            Ok(_) => None,
            Err(CheckError::Refused(refusal)) => Some(refusal.to_string()),
            Err(CheckError::Port(error)) => return Err(error),
        },
        None => Some("there is no manifest.json: the upload was broken off or goes on".to_owned()),
    };
    Ok(Some(ModelInFull { model, manifest, refusal }))
}

/// The identities of what serves.
async fn serving(store: &impl LoadHead, target: &TargetName) -> Result<Vec<String>, PortError> {
    let head = store.head(target).await?;
    let serving = head.map(|head| [head.serving, head.model_serving]);
    Ok(serving.into_iter().flatten().flatten().map(|s| s.artifact.identity()).collect())
}

async fn read(
    store: &impl LoadArtifact,
    models: &impl ReadModels,
    (target, source): (&TargetName, &ModelSource),
    folder: &str,
    serving: &[String],
) -> Result<(ModelVersion, Option<Manifest>, Option<Artifact>), PortError> {
    let mut model = ModelVersion {
        version: folder.to_owned(),
        state: State::Incomplete,
        uploaded: None,
        bytes: None,
        metrics: BTreeMap::new(),
        release: None,
        problem: None,
    };
    let (bucket, key) = (&source.bucket, source.key(folder, "manifest.json"));
    let (Found::Object(stored), Ok(version)) =
        (models.object(bucket, &key).await?, folder.parse::<Version>())
    else {
        return Ok((model, None, None));
    };
    let id = ObjectId { bucket, key: &key, version: &stored.version_id };
    let manifest = match Manifest::read(&models.content(id, MOST_BYTES).await?) {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            model.problem = Some(error.to_string());
            None
        }
    };
    let object = stored.version_id.clone();
    let artifact = Artifact::Model { bucket: bucket.clone(), key: key.clone(), object, version };
    let known = store.artifact(target, &artifact).await?;
    model.state = match &known {
        _ if serving.contains(&artifact.identity()) => State::Serving,
        Some(known) => match known.outcome.as_deref() {
            None => State::Releasing,
            Some("RolledBack") => State::Quarantined,
            Some("Promoted") => State::Released,
            Some(_) => State::Rejected,
        },
        None if manifest.is_none() => State::Unreadable,
        None => State::Uploaded,
    };
    model.release = known.map(|known| known.release);
    if let Some(manifest) = &manifest {
        model.uploaded = Some(manifest.created_at);
        model.bytes = Some(manifest.bytes());
        model.metrics.clone_from(&manifest.metrics);
    }
    Ok((model, manifest, Some(artifact)))
}

impl State {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            State::Serving => "serving",
            State::Releasing => "releasing",
            State::Released => "released",
            State::Quarantined => "quarantined",
            State::Rejected => "rejected",
            State::Uploaded => "uploaded",
            State::Incomplete => "incomplete",
            State::Unreadable => "unreadable",
        }
    }
}
