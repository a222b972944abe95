//! Whether an uploaded model is complete and may be released.
//!
//! It is checked when its event comes and again when its release starts: what a server loads minutes
//! later is what was uploaded. Nothing is downloaded but the manifest and the golden requests, unless S3
//! has no SHA-256 of a file. Files are looked at a few at a time, so memory does not grow with them.

mod again;
mod files;
mod refusal;

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use perch_core::artifact::{Artifact, MANIFEST};
use perch_core::manifest::{
    Fault, FileFault, Found, MOST_BYTES, Manifest, ManifestFile, Requirement, SignatureFault,
    SignatureRule, fault, read_golden, signed_bytes, too_large,
};
use perch_core::names::{BucketName, ModelName, Version};
use perch_core::reload::ModelFacts;
use perch_core::target::{ByteSize, ModelSource, Target};

pub(crate) use again::again;
pub use files::{golden, model_files};
pub use refusal::{CheckError, Faults, Refusal};

use crate::ports::{ObjectId, PortError, ReadModels, VerifySignature};

/// Files that are looked at at the same time: 1,000 take about as long as 63 calls, far below the
/// 5,500 reads a second that S3 allows per prefix (S3 User Guide, "Optimizing performance").
const AT_ONCE: usize = 16;

/// The most bytes of golden requests.
const GOLDEN_BYTES: u64 = 1_000_000;

/// A model version and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// The manifest, or the only file.
    pub object: ObjectId<'a>,
    /// The name of the version.
    pub version: &'a Version,
}

impl<'a> Upload<'a> {
    /// The upload that a release is of; `None` for an artifact that is no model.
    pub fn of(artifact: &'a Artifact) -> Option<Self> {
        match artifact {
            Artifact::Model { bucket, key, object, version } => {
                let object = ObjectId { bucket, key, version: object };
                Some(Self { object, version })
            }
            Artifact::Image { .. } | Artifact::Package { .. } | Artifact::Version { .. } => None,
        }
    }

    /// The folder of its manifest, without a slash at the end; `None` for a plain file.
    pub(super) fn folder(&self) -> Option<&'a str> {
        self.object.key.strip_suffix(MANIFEST)
    }
}

/// What a target holds an upload to.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Where its models come from.
    pub source: &'a ModelSource,
    /// The name under which its servers know the model; a function knows none.
    pub model: Option<&'a ModelName>,
    /// What the manifest's metrics have to be.
    pub require: &'a [Requirement],
}

impl<'a> Rules<'a> {
    /// The rules of a target; `None` where it takes no models.
    pub fn of(target: &'a Target) -> Option<Self> {
        let source = target.sources.model.as_ref()?;
        let model = target.service.model_servers.as_ref().map(|servers| &servers.model);
        Some(Self { source, model, require: &source.require })
    }
}

/// Checks an upload against the rules of a target; `baseline` is the model version that serves.
///
/// # Errors
/// [`CheckError`] when it may not be released, or that could not be found out.
pub async fn run(
    models: &(impl ReadModels + VerifySignature),
    rules: Rules<'_>,
    upload: Upload<'_>,
    baseline: Option<&Version>,
) -> Result<ModelFacts, CheckError> {
    let ObjectId { bucket, key, .. } = upload.object;
    if !models.is_versioned(bucket).await? {
        return refuse(Refusal::NotVersioned(bucket.clone()));
    }
    let current = models.versions(bucket, key).await?;
    match current.first() {
        None => return refuse(Refusal::Gone(key.to_owned())),
        Some(newest) if newest.deleted => return refuse(Refusal::Gone(key.to_owned())),
        Some(newest) => {
            let (same, folder) = (newest.id == upload.object.version, upload.folder().is_some());
            // A plain file is a new version each time; a folder is written once.
            if folder && current.len() > 1 {
                let rule = "the name of a version is given once: push it under another name";
                return refuse(Refusal::Overwritten { key: key.to_owned(), rule });
            }
            if !same {
                let rule = "the newest upload counts";
                return refuse(Refusal::Overwritten { key: key.to_owned(), rule });
            }
        }
    }
    match upload.folder() {
        Some(folder) => folder_facts(models, rules, upload, folder, baseline).await,
        None => file_facts(models, rules.source, upload).await,
    }
}

fn refuse<T>(refusal: Refusal) -> Result<T, CheckError> {
    Err(CheckError::Refused(Box::new(refusal)))
}

impl From<Refusal> for CheckError {
    fn from(refusal: Refusal) -> Self {
        CheckError::Refused(Box::new(refusal))
    }
}

async fn folder_facts(
    models: &(impl ReadModels + VerifySignature),
    Rules { source, model, require }: Rules<'_>,
    upload: Upload<'_>,
    folder: &str,
    baseline: Option<&Version>,
) -> Result<ModelFacts, CheckError> {
    let bytes = models.content(upload.object, MOST_BYTES).await?;
    let manifest = Manifest::read(&bytes).map_err(Refusal::from)?;
    if manifest.version != *upload.version {
        let (expected, found) = (upload.version.to_string(), manifest.version.to_string());
        return refuse(Refusal::Elsewhere { field: "version", expected, found });
    }
    if let Some(expected) = model.filter(|model| **model != manifest.model) {
        let (expected, found) = (expected.clone(), manifest.model);
        return refuse(Refusal::OtherModel { expected, found });
    }
    if let Some(why) = too_large(&manifest, source.max_bytes) {
        return refuse(Refusal::TooLarge(why));
    }
    let signed_by = match &source.signature {
        Some(rule) => Some(verified(models, rule, &manifest, &bytes).await?),
        None => None,
    };
    drop(bytes);
    let bucket = upload.object.bucket;
    let before = match baseline {
        Some(version) if require.iter().any(|r| r.needs_baseline()) => {
            Some(baseline_metrics(models, source, bucket, version).await?)
        }
        _ => None,
    };
    for requirement in require {
        requirement.check(&manifest.metrics, before.as_ref()).map_err(Refusal::from)?;
    }
    let faults = faults(models, bucket, folder, &manifest).await?;
    if faults.count > 0 {
        return refuse(Refusal::Incomplete(faults));
    }
    let golden = match manifest.golden_file() {
        Some(file) => {
            let key = format!("{folder}/{}", file.path);
            let object = ObjectId { bucket, key: &key, version: &file.version_id };
            let bytes = models.content(object, GOLDEN_BYTES).await?;
            read_golden(&bytes).map_err(Refusal::from)?.len()
        }
        None => 0,
    };
    Ok(ModelFacts {
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        metrics: manifest.metrics,
        baseline: before.unwrap_or_default(),
        golden: golden as u64,
        signed_by,
    })
}

/// What is wrong with the files.
async fn faults(
    models: &impl ReadModels,
    bucket: &BucketName,
    folder: &str,
    manifest: &Manifest,
) -> Result<Faults, PortError> {
    let looks = manifest.files.iter().map(|file| look(models, bucket, folder, file));
    let mut looks = futures_util::stream::iter(looks).buffered(AT_ONCE);
    let mut faults = Faults::default();
    while let Some(found) = looks.next().await {
        faults.note(found?);
    }
    Ok(faults)
}

/// What is wrong with one file.
async fn look(
    models: &impl ReadModels,
    bucket: &BucketName,
    folder: &str,
    file: &ManifestFile,
) -> Result<Option<FileFault>, PortError> {
    let key = format!("{folder}/{}", file.path);
    let mut found = fault(file, &models.object(bucket, &key).await?);
    if found == Some(Fault::NoChecksum) {
        let object = ObjectId { bucket, key: &key, version: &file.version_id };
        let (expected, read) = (file.sha256, models.digest(object).await?);
        found = (read != expected).then_some(Fault::OtherContent { expected, found: read });
    }
    Ok(found.map(|fault| FileFault { path: file.path.clone(), fault }))
}

/// The key that signed the manifest.
async fn verified(
    models: &impl VerifySignature,
    rule: &SignatureRule,
    manifest: &Manifest,
    bytes: &[u8],
) -> Result<String, CheckError> {
    let signature =
        manifest.signature.as_ref().ok_or_else(|| Refusal::from(SignatureFault::Missing))?;
    let signed = signed_bytes(bytes).map_err(Refusal::from)?;
    match rule {
        SignatureRule::Ed25519(key) => {
            key.verify(&signed, signature).map_err(Refusal::from)?;
            Ok(key.to_string())
        }
        SignatureRule::Kms(key) => {
            signature.by_kms().map_err(Refusal::from)?;
            match models.holds(key, &signed, signature).await? {
                true => Ok(key.clone()),
                false => refuse(SignatureFault::Wrong.into()),
            }
        }
    }
}

/// What the baseline measures, as its own manifest says.
async fn baseline_metrics(
    models: &impl ReadModels,
    source: &ModelSource,
    bucket: &BucketName,
    version: &Version,
) -> Result<BTreeMap<String, f64>, CheckError> {
    let unknown =
        |why: String| CheckError::from(Refusal::Baseline { version: version.clone(), why });
    let key = source.key(version.as_str(), "manifest.json");
    let id = match models.object(bucket, &key).await? {
        Found::Object(stored) => stored.version_id,
        Found::Deleted | Found::Nothing => return Err(unknown("it was deleted".to_owned())),
    };
    let bytes = models.content(ObjectId { bucket, key: &key, version: &id }, MOST_BYTES).await?;
    let manifest = Manifest::read(&bytes).map_err(|error| unknown(error.to_string()))?;
    Ok(manifest.metrics)
}

/// What is known of a model that is one plain file.
async fn file_facts(
    models: &impl ReadModels,
    source: &ModelSource,
    upload: Upload<'_>,
) -> Result<ModelFacts, CheckError> {
    let ObjectId { bucket, key, .. } = upload.object;
    let Found::Object(stored) = models.object(bucket, key).await? else {
        return refuse(Refusal::Gone(key.to_owned()));
    };
    let size = ByteSize::bytes(stored.size);
    if let Some(limit) = source.max_bytes.filter(|limit| size > *limit) {
        return refuse(Refusal::TooLarge(format!("it has {size}, above the target's {limit}")));
    }
    Ok(ModelFacts { files: 1, bytes: stored.size, ..ModelFacts::default() })
}
