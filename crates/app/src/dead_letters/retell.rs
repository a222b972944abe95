//! Tidings that the stream gave up: journal entries and notices.
//!
//! A stream's dead letter has the place of its records, not the records, and the stream forgets them
//! after a day. The table keeps them, so they are read from there: all of the time in question. Some
//! of them may have been told before; a repeat has the same id.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use perch_core::journal::Notice;
use perch_core::names::FunctionName;
use perch_core::release::Release;

use super::Batch;
use crate::ports::{
    CallFunction, ListNotices, ListReleases, LoadTarget, PortError, ReadJournal, Tidings,
};

/// What is told has the time when it was decided; the stream gets it when it is written. Functions
/// take the time at their start, and the longest, the sweep, may run for 300 seconds.
const WRITTEN_WITHIN: Duration = Duration::from_secs(330);
/// The stream's times are whole seconds, and two clocks are compared.
const CLOCKS: Duration = Duration::from_secs(5);

/// Tells people again, once about everything however many letters are about its time.
pub(super) struct Retelling<'a, S> {
    store: &'a S,
    all: Option<(Vec<Release>, Vec<Notice>)>,
    /// By whom, and what: one function's telling is none of another's.
    told: BTreeSet<(String, String)>,
}

impl<'a, S: LoadTarget + ListReleases + ReadJournal + ListNotices> Retelling<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self { store, all: None, told: BTreeSet::new() }
    }

    /// What people are told about of what the batch may have had, oldest first.
    pub(super) async fn of(&mut self, batch: Batch) -> Result<Vec<Tidings>, PortError> {
        let from = batch.first.checked_sub(WRITTEN_WITHIN).unwrap_or(Timestamp::MIN);
        let to = batch.last.checked_add(CLOCKS).unwrap_or(Timestamp::MAX);
        let (releases, notices) = match self.all.take() {
            Some(all) => all,
            None => self.read().await?,
        };
        let mut found: Vec<Tidings> = notices.iter().cloned().map(Tidings::Notice).collect();
        for release in &releases {
            if release.started_at > to || release.ended_at.is_some_and(|end| end < from) {
                continue;
            }
            let journal = self.store.journal(&release.id, 0).await?;
            let notified = journal.into_iter().filter(|entry| entry.what.is_notified());
            found.extend(notified.map(|entry| Tidings::Entry(Box::new(entry))));
        }
        self.all = Some((releases, notices));
        found.retain(|tidings| tidings.at() >= from && tidings.at() <= to);
        found.sort_by_cached_key(|tidings| (tidings.at(), tidings.id()));
        Ok(found)
    }

    /// Every release, since how long one may take is up to its target; and every notice.
    async fn read(&self) -> Result<(Vec<Release>, Vec<Notice>), PortError> {
        let releases = self.store.releases(None, usize::MAX).await?;
        let mut notices = self.store.notices(None, usize::MAX).await?;
        for target in self.store.targets().await? {
            notices.extend(self.store.notices(Some(&target.name), usize::MAX).await?);
        }
        Ok((releases, notices))
    }

    /// Has people told about what they were not told since this was made.
    pub(super) async fn tell(
        &mut self,
        functions: &impl CallFunction,
        function: &FunctionName,
        all: &[Tidings],
    ) -> Result<(), PortError> {
        for tidings in all {
            let told = (function.to_string(), tidings.id());
            if !self.told.contains(&told) {
                functions.tell(function, tidings).await?;
                self.told.insert(told);
            }
        }
        Ok(())
    }
}
