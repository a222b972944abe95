//! Journals and notes.

use perch_app::ports::{KeepNote, Note, PortError, ReadJournal};
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};

use super::item::{number, read_items, write_item};
use super::{Range, Table, keys};
use crate::error::port_error;

/// How long a note is kept: 30 days.
const NOTE_SECONDS: i64 = 30 * 24 * 3600;

impl ReadJournal for Table {
    async fn journal(
        &self,
        release: &ReleaseId,
        after: u64,
    ) -> Result<Vec<JournalEntry>, PortError> {
        let from = keys::journal_sk(after);
        let range = Range { after: Some(&from), ..Range::all(keys::JOURNAL) };
        read_items(self.query(&keys::release_pk(release), range).await?)
    }
}

impl KeepNote for Table {
    async fn note(&self, note: &Note) -> Result<(), PortError> {
        let key = keys::note(note.target.as_ref(), note.at, &note.event);
        let mut item = write_item(&key, note)?;
        item.insert("expiresAt".into(), number(note.at.as_second() + NOTE_SECONDS));
        let sent = self.client.put_item().table_name(&self.name).set_item(Some(item)).send();
        sent.await.map_err(|error| port_error(key.to_string(), error))?;
        Ok(())
    }

    async fn notes(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> Result<Vec<Note>, PortError> {
        let pk = target.map_or_else(|| keys::UNMATCHED.to_owned(), keys::target_pk);
        read_items(self.query(&pk, Range::newest(keys::NOTE, limit)).await?)
    }
}
