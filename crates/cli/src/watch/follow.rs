//! What is known about a target from look to look: its release in flight, or the last one.

use perch_app::ports::{ListReleases, LoadRelease, LoadStanding, PortError, ReadJournal, Standing};
use perch_core::head::{Fence, Waiting};
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::stop::Stop;

/// A target that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) target: TargetName,
    /// The release in flight, or the newest one.
    pub(crate) release: Option<Release>,
    /// Its journal so far.
    pub(crate) journal: Vec<JournalEntry>,
    /// The artifact that waits for its end.
    pub(crate) waiting: Option<Waiting>,
    /// The stop that holds for the target.
    pub(crate) stop: Option<Stop>,
    /// The head's fence when the release was chosen: it grows with every release.
    fence: Option<Fence>,
}

impl Followed {
    /// Nothing is known yet.
    pub(crate) fn new(target: TargetName) -> Self {
        Self { target, release: None, journal: Vec::new(), waiting: None, stop: None, fence: None }
    }

    /// Reads what is new: the head, and of a release in flight its record and its new entries.
    /// The entries that were not there before. The end of a release is always seen: the next one is
    /// taken up a look later.
    pub(crate) async fn refresh(
        &mut self,
        store: &(impl LoadStanding + LoadRelease + ReadJournal + ListReleases),
    ) -> Result<Vec<JournalEntry>, PortError> {
        if let Some(release) = self.release.as_ref().filter(|release| !is_over(release)) {
            let id = release.id.clone();
            self.release = store.release(&id).await?;
            let news = self.read_journal(store, &id).await?;
            if self.release.as_ref().is_none_or(is_over) {
                return Ok(news);
            }
            let other = self.choose(store).await?;
            return Ok(news.into_iter().chain(other).collect());
        }
        self.choose(store).await
    }

    /// Takes up the release that holds the target now, or the newest one if one came and went.
    async fn choose(
        &mut self,
        store: &(impl LoadStanding + LoadRelease + ReadJournal + ListReleases),
    ) -> Result<Vec<JournalEntry>, PortError> {
        let Standing { head, stop } = store.standing(&self.target).await?;
        self.stop = stop;
        let Some(head) = head else { return Ok(Vec::new()) };
        self.waiting = head.waiting;
        let known = self.release.as_ref().map(|release| release.id.clone());
        let chosen = match head.active {
            Some(active) if known.as_ref() == Some(&active) => return Ok(Vec::new()),
            Some(active) => store.release(&active).await?,
            None if self.fence == Some(head.fence) => return Ok(Vec::new()),
            None => store.releases(Some(&self.target), 1).await?.into_iter().next(),
        };
        self.fence = Some(head.fence);
        let Some(release) = chosen else { return Ok(Vec::new()) };
        let id = release.id.clone();
        self.release = Some(release);
        if known.as_ref() != Some(&id) {
            self.journal.clear();
        }
        self.read_journal(store, &id).await
    }

    async fn read_journal(
        &mut self,
        store: &impl ReadJournal,
        id: &ReleaseId,
    ) -> Result<Vec<JournalEntry>, PortError> {
        let last = self.journal.last().map_or(0, |entry| entry.seq);
        // The record has the number of the last entry: no read when there is none.
        if self.release.as_ref().is_some_and(|release| release.seq <= last) {
            return Ok(Vec::new());
        }
        let news = store.journal(id, last).await?;
        self.journal.extend(news.iter().cloned());
        Ok(news)
    }

    /// Whether the release ended, for good or until a person acts.
    pub(crate) fn has_ended(&self) -> bool {
        self.release.as_ref().is_some_and(|release| release.phase.is_final())
    }
}

/// A release that is Stuck goes on when a person tries the rollback again.
fn is_over(release: &Release) -> bool {
    release.phase.is_final() && !matches!(release.phase, Phase::Stuck { .. })
}
