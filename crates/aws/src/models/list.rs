//! What lies in a source of models.

use jiff::Timestamp;
use perch_app::ports::{ListUploads, PortError, ReadModels as _, Written};
use perch_core::names::BucketName;
use perch_core::target::{ModelSource, Upload};

use super::Models;
use super::read::absent;
use crate::error::port_error;

impl ListUploads for Models {
    async fn uploads(&self, source: &ModelSource) -> Result<Vec<String>, PortError> {
        if source.upload == Upload::File {
            return Ok(self.newest_file(source).await?.into_iter().collect());
        }
        let folders = self.folders(&source.bucket, &source.versions_prefix()).await?;
        Ok(folders.iter().map(|folder| source.key(folder, "manifest.json")).collect())
    }

    async fn written(&self, bucket: &BucketName, key: &str) -> Result<Option<Written>, PortError> {
        let head = self.s3.head_object().bucket(bucket.as_str()).key(key).send().await;
        let head = match head {
            Ok(head) => head,
            Err(error) => return absent(format!("s3://{bucket}/{key}"), error).map(|_| None),
        };
        let at = head.last_modified().and_then(|at| Timestamp::from_second(at.secs()).ok());
        // A bucket without versions has none to release; the event says so to people.
        Ok(head.version_id().zip(at).map(|(object, at)| Written { object: object.to_owned(), at }))
    }
}

impl Models {
    /// The key of the plain file that was written last.
    async fn newest_file(&self, source: &ModelSource) -> Result<Option<String>, PortError> {
        let (bucket, prefix) = (&source.bucket, source.versions_prefix());
        let request = self.s3.list_objects_v2().bucket(bucket.as_str()).prefix(&prefix);
        let mut pages = request.into_paginator().send();
        let mut newest = None;
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| port_error(format!("s3://{bucket}/{prefix}"), error))?;
            let files = page.contents().iter().filter_map(|object| {
                let at = object.last_modified()?.as_nanos();
                let key = object.key().filter(|key| source.admits_file(key))?;
                Some((at, key.to_owned()))
            });
            newest = newest.into_iter().chain(files).max();
        }
        Ok(newest.map(|(_, key)| key))
    }
}
