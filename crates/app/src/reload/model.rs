//! The files and golden requests of a version, read when the first replica needs them.

use std::sync::Arc;

use futures_util::lock::Mutex;
use perch_core::artifact::{Artifact, MANIFEST};
use perch_core::manifest::{Found, GoldenRequest};
use perch_core::names::Version;
use perch_core::reload::ModelFiles;

use crate::check_model::{CheckError, golden, model_files};
use crate::ports::{PortError, ReadModels};

/// A model version with all that servers need of it.
pub(super) struct Opened {
    pub(super) files: ModelFiles,
    pub(super) golden: Vec<GoldenRequest>,
}

/// A model version that may have to be loaded.
pub(super) struct Model<'a, M> {
    models: &'a M,
    artifact: Option<Artifact>,
    with_golden: bool,
    opened: Mutex<Option<Arc<Opened>>>,
}

impl<'a, M: ReadModels> Model<'a, M> {
    /// The version that is released.
    pub(super) fn of(models: &'a M, artifact: &Artifact) -> Self {
        let (artifact, opened) = (Some(artifact.clone()), Mutex::default());
        Self { models, artifact, with_golden: true, opened }
    }

    /// The version that served before, whose folder is beside the canary's. Its golden requests were
    /// answered when it was released.
    pub(super) fn before(models: &'a M, canary: &Artifact, version: &Version) -> Self {
        let artifact = beside(canary, version);
        Self { models, artifact, with_golden: false, opened: Mutex::default() }
    }

    /// The files and golden requests.
    ///
    /// # Errors
    /// [`PortError::Invalid`] where they are gone or can't be read.
    pub(super) async fn open(&self) -> Result<Arc<Opened>, PortError> {
        let mut opened = self.opened.lock().await;
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let read = Arc::new(self.read().await?);
        *opened = Some(read.clone());
        Ok(read)
    }

    /// What has the golden requests, where they are to be answered.
    pub(super) async fn golden(&self) -> Result<Option<Arc<Opened>>, PortError> {
        match self.with_golden {
            true => self.open().await.map(Some),
            false => Ok(None),
        }
    }

    async fn read(&self) -> Result<Opened, PortError> {
        let gone = || PortError::Invalid {
            what: "the model's files".to_owned(),
            message: "its upload is not there any more".to_owned(),
        };
        let artifact = self.newest().await?.ok_or_else(gone)?;
        let files = model_files(self.models, &artifact).await.map_err(unreadable)?;
        let golden = match self.with_golden {
            true => golden(self.models, &artifact).await.map_err(unreadable)?,
            false => Vec::new(),
        };
        Ok(Opened { files: files.ok_or_else(gone)?, golden })
    }

    /// The artifact with the S3 version of its manifest, where that is not known.
    async fn newest(&self) -> Result<Option<Artifact>, PortError> {
        let Some(Artifact::Model { bucket, key, object, version }) = &self.artifact else {
            return Ok(None);
        };
        let object = match object.is_empty() {
            false => object.clone(),
            true => match self.models.object(bucket, key).await? {
                Found::Object(stored) => stored.version_id,
                Found::Deleted | Found::Nothing => return Ok(None),
            },
        };
        let (bucket, key, version) = (bucket.clone(), key.clone(), version.clone());
        Ok(Some(Artifact::Model { bucket, key, object, version }))
    }
}

fn unreadable(error: CheckError) -> PortError {
    match error {
        CheckError::Port(error) => error,
        CheckError::Refused(refusal) => PortError::Invalid {
            what: "the model's files".to_owned(),
            message: refusal.to_string(),
        },
    }
}

/// Another version in the folder beside a model's.
fn beside(artifact: &Artifact, version: &Version) -> Option<Artifact> {
    let Artifact::Model { bucket, key, .. } = artifact else { return None };
    let (prefix, _) = key.strip_suffix(MANIFEST)?.rsplit_once('/')?;
    Some(Artifact::Model {
        bucket: bucket.clone(),
        key: format!("{prefix}/{version}{MANIFEST}"),
        object: String::new(),
        version: version.clone(),
    })
}
