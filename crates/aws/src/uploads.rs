//! What the sweep does in S3 and Lambda: lists uploads, and has those that no event announced taken.

use aws_config::SdkConfig;
use perch_app::announce_model::Uploaded;
use perch_app::ports::{AnnounceUpload, CallFunction as _, ListUploads, PortError, Written};
use perch_core::names::{BucketName, FunctionName};
use perch_core::target::ModelSource;

use crate::events::upload_event;
use crate::letters::FunctionCalls;
use crate::models::Models;

/// The sources of models, and the function that takes uploads.
#[derive(Debug, Clone)]
pub struct Uploads {
    models: Models,
    calls: FunctionCalls,
    function: FunctionName,
}

impl Uploads {
    /// Uploads under this configuration; `function` takes their events.
    pub fn new(sdk: &SdkConfig, function: FunctionName) -> Self {
        Self { models: Models::new(sdk), calls: FunctionCalls::new(sdk), function }
    }
}

impl ListUploads for Uploads {
    async fn uploads(&self, source: &ModelSource) -> Result<Vec<String>, PortError> {
        self.models.uploads(source).await
    }

    async fn written(&self, bucket: &BucketName, key: &str) -> Result<Option<Written>, PortError> {
        self.models.written(bucket, key).await
    }
}

impl AnnounceUpload for Uploads {
    /// Lambda keeps the event, tries it again and hands it to the dead letters as it does with S3's.
    async fn announce(&self, uploaded: &Uploaded) -> Result<(), PortError> {
        self.calls.hand_over(&self.function, &upload_event(uploaded)).await
    }
}
