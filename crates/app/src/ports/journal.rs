//! What happened: journals of releases, lists of releases, and notes about events without one.

use std::future::Future;

use jiff::Timestamp;
use perch_core::journal::{JournalEntry, Notice};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use serde::{Deserialize, Serialize};

use super::PortError;

/// Reads the journal of a release.
pub trait ReadJournal {
    /// The entries after `after`, oldest first.
    fn journal(
        &self,
        release: &ReleaseId,
        after: u64,
    ) -> impl Future<Output = Result<Vec<JournalEntry>, PortError>> + Send;
}

/// Lists releases.
pub trait ListReleases {
    /// The newest releases, newest first, of one target or of all.
    fn releases(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Release>, PortError>> + Send;
}

/// A line about an event that led to no release: why nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// When the event happened, as its source says.
    pub at: Timestamp,
    /// The target concerned, where the event concerned one.
    pub target: Option<TargetName>,
    /// The event's id.
    pub event: String,
    /// What the event was about, such as an image.
    pub subject: String,
    /// Why nothing happened, and what to do.
    pub text: String,
}

/// Reads what happened outside of releases.
pub trait ListNotices {
    /// The newest notices of a target, or of the installation, newest first.
    fn notices(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Notice>, PortError>> + Send;
}

/// What became of one event for one target: the dedupe item of `perch explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTrace {
    /// The event's id.
    pub event: String,
    /// The target, where it concerned one.
    pub target: Option<TargetName>,
    /// When it happened, as its source says.
    pub at: Timestamp,
    /// What it was about, such as an image.
    pub subject: String,
    /// The release that it started.
    pub release: Option<ReleaseId>,
    /// Why it started none.
    pub why: Option<String>,
}

/// Finds what became of an event.
pub trait TraceEvent {
    /// What it led to, for each target that it concerned.
    fn traces(
        &self,
        event: &str,
    ) -> impl Future<Output = Result<Vec<EventTrace>, PortError>> + Send;
}

/// Writes and reads notes.
pub trait KeepNote {
    /// Writes a note; the same event and target again is the same note.
    fn note(&self, note: &Note) -> impl Future<Output = Result<(), PortError>> + Send;

    /// The newest notes of a target, or of events that concerned none, newest first.
    fn notes(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Note>, PortError>> + Send;
}
