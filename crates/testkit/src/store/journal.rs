//! Journals and notes.

use perch_app::ports::{EventTrace, KeepNote, Note, PortError, ReadJournal};
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};

use super::MemoryStore;

impl ReadJournal for MemoryStore {
    async fn journal(
        &self,
        release: &ReleaseId,
        after: u64,
    ) -> Result<Vec<JournalEntry>, PortError> {
        self.port("journal", |items| {
            let all = (release.clone(), after.saturating_add(1))..=(release.clone(), u64::MAX);
            Ok(items.journal.range(all).map(|(_, entry)| entry.clone()).collect())
        })
        .await
    }
}

impl KeepNote for MemoryStore {
    async fn note(&self, note: &Note) -> Result<(), PortError> {
        self.port("note", |items| {
            let key = (note.target.clone(), note.at, note.event.clone());
            items.notes.insert(key, note.clone());
            let trace = EventTrace {
                event: note.event.clone(),
                target: note.target.clone(),
                at: note.at,
                subject: note.subject.clone(),
                release: None,
                why: Some(note.text.clone()),
            };
            items.traces.insert((note.event.clone(), note.target.clone()), trace);
            Ok(())
        })
        .await
    }

    async fn notes(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> Result<Vec<Note>, PortError> {
        self.port("notes", |items| {
            let newest = items.notes.values().rev();
            Ok(newest.filter(|n| n.target.as_ref() == target).take(limit).cloned().collect())
        })
        .await
    }
}
