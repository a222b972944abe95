//! What happened: journals of releases, lists of releases, and notes about events without one.

use std::future::Future;

use jiff::Timestamp;
use perch_core::journal::JournalEntry;
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
