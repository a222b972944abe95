//! What S3 keeps of models.

use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{BucketVersioningStatus, ChecksumMode};
use perch_app::ports::{KeptVersion, ObjectId, PortError, ReadBucket, ReadModels};
use perch_core::manifest::{Found, Sha256, Stored};
use perch_core::names::BucketName;
use sha2::Digest as _;

use super::Models;
use super::checksum::checksum;
use crate::error::port_error;

/// How long servers may take to begin with a file.
const URL_VALID: Duration = Duration::from_secs(3600);

/// The versions of one key that are looked at: two are one too many for a manifest.
const VERSIONS: i32 = 100;

fn named(object: ObjectId<'_>) -> String {
    format!("s3://{}/{} ({})", object.bucket, object.key, object.version)
}

impl ReadModels for Models {
    async fn is_versioned(&self, bucket: &BucketName) -> Result<bool, PortError> {
        let found = self.s3.get_bucket_versioning().bucket(bucket.as_str()).send().await;
        let found = found.map_err(|error| port_error(format!("bucket {bucket}"), error))?;
        Ok(found.status() == Some(&BucketVersioningStatus::Enabled))
    }

    async fn versions(
        &self,
        bucket: &BucketName,
        key: &str,
    ) -> Result<Vec<KeptVersion>, PortError> {
        let listed = self
            .s3
            .list_object_versions()
            .bucket(bucket.as_str())
            .prefix(key)
            .max_keys(VERSIONS)
            .send()
            .await
            .map_err(|error| port_error(format!("versions of s3://{bucket}/{key}"), error))?;
        // Other keys begin with this one: S3 lists by prefix.
        let objects = listed.versions().iter().filter(|object| object.key() == Some(key));
        let objects = objects.map(|o| (o.last_modified(), o.is_latest(), o.version_id(), false));
        let markers = listed.delete_markers().iter().filter(|marker| marker.key() == Some(key));
        let markers = markers.map(|m| (m.last_modified(), m.is_latest(), m.version_id(), true));
        let mut found: Vec<_> = objects.chain(markers).collect();
        found.sort_by_key(|(at, latest, ..)| {
            (std::cmp::Reverse(*latest), std::cmp::Reverse(at.map(|at| at.as_nanos())))
        });
        let kept = found.into_iter().map(|(_, _, id, deleted)| KeptVersion {
            id: id.unwrap_or("null").to_owned(),
            deleted,
        });
        Ok(kept.collect())
    }

    async fn object(&self, bucket: &BucketName, key: &str) -> Result<Found, PortError> {
        let head = self
            .s3
            .head_object()
            .bucket(bucket.as_str())
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        match head {
            Ok(head) => Ok(Found::Object(Stored {
                version_id: head.version_id().unwrap_or("null").to_owned(),
                size: head.content_length().and_then(|n| n.try_into().ok()).unwrap_or_default(),
                checksum: checksum(head.checksum_sha256()),
            })),
            Err(error) => absent(format!("s3://{bucket}/{key}"), error),
        }
    }

    async fn content(&self, object: ObjectId<'_>, most: u64) -> Result<Vec<u8>, PortError> {
        let what = named(object);
        let mut answer = self.get(object).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.try_next().await.map_err(|e| broken(&what, e))? {
            if (bytes.len() + chunk.len()) as u64 > most {
                let message = format!("it has more than {most} bytes");
                return Err(PortError::Invalid { what, message });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn digest(&self, object: ObjectId<'_>) -> Result<Sha256, PortError> {
        let what = named(object);
        let mut answer = self.get(object).await?;
        let mut sum = sha2::Sha256::new();
        while let Some(chunk) = answer.try_next().await.map_err(|e| broken(&what, e))? {
            sum.update(&chunk);
        }
        Ok(Sha256::new(sum.finalize().into()))
    }

    async fn url(&self, object: ObjectId<'_>) -> Result<String, PortError> {
        let invalid = |message: String| PortError::Invalid { what: named(object), message };
        let valid =
            PresigningConfig::expires_in(URL_VALID).map_err(|error| invalid(error.to_string()))?;
        let request = self
            .s3
            .get_object()
            .bucket(object.bucket.as_str())
            .key(object.key)
            .version_id(object.version)
            .presigned(valid)
            .await;
        Ok(request.map_err(|error| port_error(named(object), error))?.uri().to_owned())
    }

    async fn folders(&self, bucket: &BucketName, prefix: &str) -> Result<Vec<String>, PortError> {
        let mut pages = self
            .s3
            .list_objects_v2()
            .bucket(bucket.as_str())
            .prefix(prefix)
            .delimiter("/")
            .into_paginator()
            .send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| port_error(format!("s3://{bucket}/{prefix}"), error))?;
            let names = page.common_prefixes().iter().filter_map(|common| common.prefix());
            let names = names.filter_map(|name| name.strip_prefix(prefix)?.strip_suffix('/'));
            folders.extend(names.map(str::to_owned));
        }
        Ok(folders)
    }
}

impl ReadBucket for Models {
    async fn announces(&self, bucket: &BucketName) -> Result<bool, PortError> {
        let request = self.s3.get_bucket_notification_configuration().bucket(bucket.as_str());
        let found = request.send().await;
        let found = found
            .map_err(|error| port_error(format!("notifications of bucket {bucket}"), error))?;
        Ok(found.event_bridge_configuration().is_some())
    }
}

impl Models {
    async fn get(
        &self,
        object: ObjectId<'_>,
    ) -> Result<aws_sdk_s3::primitives::ByteStream, PortError> {
        let answer = self
            .s3
            .get_object()
            .bucket(object.bucket.as_str())
            .key(object.key)
            .version_id(object.version)
            .send()
            .await;
        Ok(answer.map_err(|error| port_error(named(object), error))?.body)
    }
}

/// A HEAD has no body, so that the status and a header say what the error is.
pub(super) fn absent(what: String, error: SdkError<HeadObjectError>) -> Result<Found, PortError> {
    let (status, marked) = error.raw_response().map_or((0, false), |answer| {
        let marked = answer.headers().get("x-amz-delete-marker") == Some("true");
        (answer.status().as_u16(), marked)
    });
    match status {
        404 if error.code() == Some("NoSuchBucket") => Err(port_error(what, error)),
        404 if marked => Ok(Found::Deleted),
        404 => Ok(Found::Nothing),
        403 => Err(PortError::Denied { what, message: "s3:GetObject or s3:ListBucket".to_owned() }),
        _ => Err(port_error(what, error)),
    }
}

/// The line broke while the content came.
fn broken(what: &str, error: aws_sdk_s3::primitives::ByteStreamError) -> PortError {
    PortError::Unavailable { what: what.to_owned(), source: Box::new(error) }
}
