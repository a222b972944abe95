//! Journal entries that the stream gave up.
//!
//! A stream's dead letter has the place of its records, not the records, and the stream forgets them
//! after a day. The journal is the same list and stays, so the entries are read from there: all of
//! the time in question. Some of them may have been told before; a repeat has the same entry id.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use perch_core::journal::JournalEntry;
use perch_core::names::{FunctionName, ReleaseId};
use perch_core::release::Release;

use super::Batch;
use crate::ports::{CallFunction, ListReleases, PortError, ReadJournal};

/// An entry's time is when it was decided; the stream gets it when it is written. Functions decide at
/// their start and have 30 seconds, so this is twice what can lie between.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);
/// The stream's times are whole seconds, and two clocks are compared.
const CLOCKS: Duration = Duration::from_secs(5);

/// Tells entries again, each once however many letters are about its time.
pub(super) struct Retelling<'a, S> {
    store: &'a S,
    releases: Option<Vec<Release>>,
    told: BTreeSet<(ReleaseId, u64)>,
}

impl<'a, S: ListReleases + ReadJournal> Retelling<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self { store, releases: None, told: BTreeSet::new() }
    }

    /// The entries that people are told about among those that the batch may have had, oldest first.
    pub(super) async fn entries(&mut self, batch: Batch) -> Result<Vec<JournalEntry>, PortError> {
        let from = batch.first.checked_sub(WRITTEN_WITHIN).unwrap_or(Timestamp::MIN);
        let to = batch.last.checked_add(CLOCKS).unwrap_or(Timestamp::MAX);
        if self.releases.is_none() {
            // How long a release may take is up to its target: any of them may reach into the time.
            self.releases = Some(self.store.releases(None, usize::MAX).await?);
        }
        let mut found = Vec::new();
        for release in self.releases.iter().flatten() {
            if release.started_at > to || release.ended_at.is_some_and(|end| end < from) {
                continue;
            }
            let journal = self.store.journal(&release.id, 0).await?;
            let of_the_time = |entry: &JournalEntry| entry.at >= from && entry.at <= to;
            found.extend(journal.into_iter().filter(of_the_time));
        }
        found.retain(|entry| entry.what.is_notified());
        found.sort_by(|a, b| (a.at, &a.release, a.seq).cmp(&(b.at, &b.release, b.seq)));
        Ok(found)
    }

    /// Has people told about those entries that were not told since this was made.
    pub(super) async fn tell(
        &mut self,
        functions: &impl CallFunction,
        function: &FunctionName,
        entries: &[JournalEntry],
    ) -> Result<(), PortError> {
        for entry in entries {
            let key = (entry.release.clone(), entry.seq);
            if !self.told.contains(&key) {
                functions.tell(function, entry).await?;
                self.told.insert(key);
            }
        }
        Ok(())
    }
}
