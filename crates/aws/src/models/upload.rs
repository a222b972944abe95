//! Uploads of models: in one go, or in parts that another try can go on with. S3 checks each against
//! the SHA-256 that is sent along, and stores it.

use std::path::Path;

use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use perch_app::ports::PortError;
use perch_core::manifest::Sha256;
use perch_core::names::BucketName;

use super::Models;
use super::checksum::{encoded, sha256};
use crate::error::port_error;

/// A part that S3 has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number, from 1.
    pub number: i32,
    /// Its size.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
    /// What S3 calls it.
    pub etag: String,
}

/// An upload in parts that was not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its id.
    pub id: String,
    /// The parts that are there.
    pub parts: Vec<Kept>,
}

/// A part of a file that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its number, from 1.
    pub number: i32,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
}

/// What an object is to be.
#[derive(Debug)]
pub enum Put<'a> {
    /// A whole file, under the SHA-256 that it had when it was read.
    File(Part<'a>),
    /// This JSON, unless the key is taken.
    New(Vec<u8>),
}

impl Models {
    /// Writes an object in one request; its version id.
    ///
    /// # Errors
    /// [`PortError::Conflict`] where it was to be new and is not; when a file changed meanwhile S3 refuses
    /// it.
    pub async fn put(
        &self,
        bucket: &BucketName,
        key: &str,
        what: Put<'_>,
    ) -> Result<Option<String>, PortError> {
        let put = self.s3.put_object().bucket(bucket.as_str()).key(key);
        let put = match what {
            Put::File(part) => put.checksum_sha256(encoded(&part.sha256)).body(body(part).await?),
            Put::New(bytes) => put
                .content_type("application/json")
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .if_none_match("*")
                .body(bytes.into()),
        };
        let put = put.send().await;
        let put = put.map_err(|error| port_error(format!("s3://{bucket}/{key}"), error))?;
        Ok(put.version_id().map(str::to_owned))
    }

    /// The uploads in parts that were begun under a key and not finished.
    ///
    /// # Errors
    /// [`PortError`] when S3 does not say.
    pub async fn unfinished(
        &self,
        bucket: &BucketName,
        key: &str,
    ) -> Result<Vec<Unfinished>, PortError> {
        let what = || format!("unfinished uploads of s3://{bucket}/{key}");
        let listed =
            self.s3.list_multipart_uploads().bucket(bucket.as_str()).prefix(key).send().await;
        let listed = listed.map_err(|error| port_error(what(), error))?;
        let mut found = Vec::new();
        for upload in listed.uploads().iter().filter(|upload| upload.key() == Some(key)) {
            let Some(id) = upload.upload_id() else { continue };
            let request = self.s3.list_parts().bucket(bucket.as_str()).key(key).upload_id(id);
            let mut listed = request.into_paginator().items().send();
            let mut parts = Vec::new();
            while let Some(part) = listed.next().await {
                let part = part.map_err(|error| port_error(what(), error))?;
                let (Some(number), Some(etag)) = (part.part_number(), part.e_tag()) else {
                    continue;
                };
                let Some(sum) = part.checksum_sha256().and_then(sha256) else { continue };
                let size = part.size().and_then(|size| size.try_into().ok()).unwrap_or_default();
                parts.push(Kept { number, size, sha256: sum, etag: etag.to_owned() });
            }
            found.push(Unfinished { id: id.to_owned(), parts });
        }
        Ok(found)
    }

    /// Begins an upload in parts; its id.
    ///
    /// # Errors
    /// [`PortError`] when S3 does not take it.
    pub async fn begin(&self, bucket: &BucketName, key: &str) -> Result<String, PortError> {
        let what = format!("upload of s3://{bucket}/{key}");
        let begun = self
            .s3
            .create_multipart_upload()
            .bucket(bucket.as_str())
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_type(ChecksumType::Composite)
            .send()
            .await;
        let begun = begun.map_err(|error| port_error(&what, error))?;
        let message = "S3 gave it no id".to_owned();
        begun.upload_id().map(str::to_owned).ok_or(PortError::Invalid { what, message })
    }

    /// Sends a part.
    ///
    /// # Errors
    /// [`PortError`]; when the file changed meanwhile S3 refuses it.
    pub async fn send_part(
        &self,
        bucket: &BucketName,
        key: &str,
        upload: &str,
        part: Part<'_>,
    ) -> Result<Kept, PortError> {
        let sent = self
            .s3
            .upload_part()
            .bucket(bucket.as_str())
            .key(key)
            .upload_id(upload)
            .part_number(part.number)
            .checksum_sha256(encoded(&part.sha256))
            .body(body(part).await?)
            .send()
            .await;
        let what = format!("part {} of s3://{bucket}/{key}", part.number);
        let sent = sent.map_err(|error| port_error(what, error))?;
        let etag = sent.e_tag().unwrap_or_default().to_owned();
        Ok(Kept { number: part.number, size: part.size, sha256: part.sha256, etag })
    }

    /// Makes an object of the parts; its version id.
    ///
    /// # Errors
    /// [`PortError`]; when the parts do not have the composite sum S3 refuses them.
    pub async fn finish(
        &self,
        bucket: &BucketName,
        key: &str,
        upload: &str,
        (parts, composite): (&[Kept], &Sha256),
    ) -> Result<Option<String>, PortError> {
        let all = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .checksum_sha256(encoded(&part.sha256))
                .build()
        });
        let all = CompletedMultipartUpload::builder().set_parts(Some(all.collect())).build();
        let done = self
            .s3
            .complete_multipart_upload()
            .bucket(bucket.as_str())
            .key(key)
            .upload_id(upload)
            .checksum_type(ChecksumType::Composite)
            .checksum_sha256(format!("{}-{}", encoded(composite), parts.len()))
            .multipart_upload(all)
            .send()
            .await;
        let done = done.map_err(|error| port_error(format!("s3://{bucket}/{key}"), error))?;
        Ok(done.version_id().map(str::to_owned))
    }

    /// Gives up an upload in parts, so that its parts are not paid for.
    ///
    /// # Errors
    /// [`PortError`] when S3 does not.
    pub async fn abandon(
        &self,
        bucket: &BucketName,
        key: &str,
        upload: &str,
    ) -> Result<(), PortError> {
        let request = self.s3.abort_multipart_upload().bucket(bucket.as_str()).key(key);
        let gone = request.upload_id(upload).send().await;
        gone.map(drop).map_err(|error| port_error(format!("upload of s3://{bucket}/{key}"), error))
    }
}

/// The bytes of a part, read while they are sent.
async fn body(part: Part<'_>) -> Result<ByteStream, PortError> {
    let stream = ByteStream::read_from()
        .path(part.file)
        .offset(part.offset)
        .length(Length::Exact(part.size))
        .build()
        .await;
    let what = format!("file {}", part.file.display());
    stream.map_err(|error| PortError::Invalid { what, message: error.to_string() })
}
