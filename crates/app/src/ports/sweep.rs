//! What the sweep needs: targets that are due, what their sources hold, and its own journal.

use std::collections::BTreeSet;
use std::future::Future;

use jiff::Timestamp;
use perch_core::head::Fence;
use perch_core::journal::Notice;
use perch_core::names::{BucketName, ReleaseId, TargetName, Version};
use perch_core::sweep::Pushed;
use perch_core::target::{ImageSource, ModelSource};
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::announce_model::Uploaded;

/// A target that is due for a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The target.
    pub target: TargetName,
    /// Since when.
    pub at: Timestamp,
}

/// Finds targets that are due.
pub trait FindDue {
    /// The next of those that were due before `now`, the longest first, at most `limit`.
    fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Due>, PortError>> + Send;

    /// Makes the target due at `next`; false when another sweep was faster.
    fn claim(
        &self,
        due: &Due,
        next: Timestamp,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Mends a head.
pub trait MendHead {
    /// Lets go of a release that is over or does not exist, if the head still names it under this
    /// fence; whether it did.
    fn free_target(
        &self,
        target: &TargetName,
        release: &ReleaseId,
        fence: Fence,
        notice: &Notice,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// Remembers what the alias was found to send, or that it is as it should be, with the notice.
    fn tell_drift(
        &self,
        target: &TargetName,
        drift: Option<&str>,
        notice: &Notice,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Lists what sources hold.
pub trait ListSources {
    /// The image that the source takes and that was pushed last.
    fn newest_image(
        &self,
        source: &ImageSource,
    ) -> impl Future<Output = Result<Option<Pushed>, PortError>> + Send;
}

/// An object as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its version id.
    pub object: String,
    /// When.
    pub at: Timestamp,
}

/// Lists what was uploaded to sources of models.
pub trait ListUploads: Sync {
    /// The keys that may be models: the manifest of each folder, which may not be there yet; of plain
    /// files the newest alone.
    fn uploads(
        &self,
        source: &ModelSource,
    ) -> impl Future<Output = Result<Vec<String>, PortError>> + Send;

    /// What is under a key; nothing where it is not there.
    fn written(
        &self,
        bucket: &BucketName,
        key: &str,
    ) -> impl Future<Output = Result<Option<Written>, PortError>> + Send;
}

/// The model versions of a source that a target has heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Their names.
    pub versions: BTreeSet<Version>,
    /// Whether a sweep has looked at the source.
    pub swept: bool,
}

/// Remembers what targets have heard of. Without it the sweep would have to look at every model that was
/// ever uploaded, since S3 lists folders without their times.
pub trait KeepHeard {
    /// What the target has heard of from a source.
    fn heard(
        &self,
        target: &TargetName,
        source: &ModelSource,
    ) -> impl Future<Output = Result<Heard, PortError>> + Send;

    /// Adds a version.
    fn hear(
        &self,
        target: &TargetName,
        source: &ModelSource,
        version: &Version,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Writes what a sweep came to: these versions and no other.
    fn swept(
        &self,
        target: &TargetName,
        source: &ModelSource,
        versions: &BTreeSet<Version>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Announces uploads.
pub trait AnnounceUpload: Sync {
    /// Has the upload taken as if its event had come; what comes of it is not waited for.
    fn announce(&self, uploaded: &Uploaded) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// One run of the sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepRun {
    /// Its id.
    pub id: String,
    /// When it began.
    pub at: Timestamp,
    /// How many targets it looked at.
    pub looked_at: u64,
    /// What it did, a line each.
    pub did: Vec<String>,
    /// What it could not do, a line each.
    pub failed: Vec<String>,
    /// Whether targets were left for the next run.
    pub more: bool,
}

/// The sweep's journal.
pub trait KeepRuns {
    /// Writes a run.
    fn run(&self, run: &SweepRun) -> impl Future<Output = Result<(), PortError>> + Send;

    /// The newest runs, newest first.
    fn runs(&self, limit: usize) -> impl Future<Output = Result<Vec<SweepRun>, PortError>> + Send;
}
