//! What a release needs of a model besides the check: where its files can be read, and its golden
//! requests.

use perch_core::artifact::Artifact;
use perch_core::manifest::{
    Checksum, Found, GoldenRequest, MOST_BYTES, Manifest, Sha256, read_golden,
};
use perch_core::reload::{ModelFile, ModelFiles};

use super::{CheckError, GOLDEN_BYTES, Refusal, Upload};
use crate::ports::{ObjectId, ReadModels};

/// The files of a model as a server loads them, with URLs that are good for an hour; `None` for an
/// artifact that is no model.
///
/// # Errors
/// [`CheckError`] when the manifest is gone or can't be read.
pub async fn model_files(
    models: &impl ReadModels,
    artifact: &Artifact,
) -> Result<Option<ModelFiles>, CheckError> {
    let Some(upload) = Upload::of(artifact) else { return Ok(None) };
    let (object, version) = (upload.object, upload.version.clone());
    let Some(folder) = upload.folder() else {
        return plain_file(models, upload).await.map(Some);
    };
    let manifest = manifest(models, object).await?;
    let mut files = Vec::with_capacity(manifest.files.len());
    for file in &manifest.files {
        let key = format!("{folder}/{}", file.path);
        let part = ObjectId { bucket: object.bucket, key: &key, version: &file.version_id };
        files.push(ModelFile {
            path: file.path.to_string(),
            size: file.size,
            sha256: file.sha256.to_string(),
            url: models.url(part).await?,
        });
    }
    let source = format!("s3://{}/{folder}/", object.bucket);
    Ok(Some(ModelFiles { version, source, bytes: manifest.bytes(), files }))
}

async fn plain_file(
    models: &impl ReadModels,
    upload: Upload<'_>,
) -> Result<ModelFiles, CheckError> {
    let object = upload.object;
    let gone = || CheckError::from(Refusal::Gone(object.key.to_owned()));
    let Found::Object(stored) = models.object(object.bucket, object.key).await? else {
        return Err(gone());
    };
    let sha256: Sha256 = match stored.checksum {
        Checksum::Full(sum) if stored.version_id == object.version => sum,
        Checksum::Full(_) | Checksum::Composite { .. } | Checksum::None => {
            models.digest(object).await?
        }
    };
    let name = object.key.rsplit('/').next().unwrap_or(object.key);
    let file = ModelFile {
        path: name.to_owned(),
        size: stored.size,
        sha256: sha256.to_string(),
        url: models.url(object).await?,
    };
    let source = format!("s3://{}/{}", object.bucket, object.key);
    Ok(ModelFiles {
        version: upload.version.clone(),
        source,
        bytes: stored.size,
        files: vec![file],
    })
}

/// The golden requests of a model; none where it brings none.
///
/// # Errors
/// [`CheckError`] when the manifest or the requests are gone or can't be read.
pub async fn golden(
    models: &impl ReadModels,
    artifact: &Artifact,
) -> Result<Vec<GoldenRequest>, CheckError> {
    let Some(upload) = Upload::of(artifact) else { return Ok(Vec::new()) };
    let Some(folder) = upload.folder() else { return Ok(Vec::new()) };
    let manifest = manifest(models, upload.object).await?;
    let Some(file) = manifest.golden_file() else { return Ok(Vec::new()) };
    let key = format!("{folder}/{}", file.path);
    let bucket = upload.object.bucket;
    let object = ObjectId { bucket, key: &key, version: &file.version_id };
    let bytes = models.content(object, GOLDEN_BYTES).await?;
    read_golden(&bytes).map_err(|error| Refusal::from(error).into())
}

async fn manifest(models: &impl ReadModels, object: ObjectId<'_>) -> Result<Manifest, CheckError> {
    let bytes = models.content(object, MOST_BYTES).await?;
    Manifest::read(&bytes).map_err(|error| Refusal::from(error).into())
}
