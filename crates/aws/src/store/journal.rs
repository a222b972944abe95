//! Journals, notes, and what became of events.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use perch_app::ports::{EventTrace, KeepNote, Note, PortError, ReadJournal, Tidings, TraceEvent};
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use serde_json::{Value, json};

use super::item::{number, read_items, text, write_item, write_value};
use super::transaction::{putting, transaction_error, updating};
use super::{Range, Table, keys};

/// How long a note and the trace of an event are kept: 30 days.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;

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

/// The item of an entry or a notice as the stream shows it, in `DynamoDB`'s JSON.
pub(crate) fn stream_image(tidings: &Tidings) -> Result<Value, PortError> {
    let (key, item): (_, Result<serde_dynamo::Item, _>) = match tidings {
        Tidings::Entry(entry) => {
            (keys::journal(&entry.release, entry.seq), serde_dynamo::to_item(entry))
        }
        Tidings::Notice(notice) => (
            keys::notice(notice.target.as_ref(), notice.at, &notice.id),
            serde_dynamo::to_item(notice),
        ),
    };
    let unwritable = |error: String| PortError::Invalid { what: key.to_string(), message: error };
    let item = item.map_err(|error| unwritable(error.to_string()))?;
    let mut image = serde_json::to_value(item).map_err(|error| unwritable(error.to_string()))?;
    image["pk"] = json!({ "S": key.pk });
    image["sk"] = json!({ "S": key.sk });
    Ok(image)
}

impl KeepNote for Table {
    async fn note(&self, note: &Note) -> Result<(), PortError> {
        let key = keys::note(note.target.as_ref(), note.at, &note.event);
        let mut item = write_item(&key, note)?;
        item.insert("expiresAt".into(), number(note.at.as_second() + KEPT_SECONDS));
        let writes = vec![putting(self.put(item))?, self.trace_why(note)?];
        self.transact(writes).await.map_err(|error| transaction_error(&key.to_string(), error))
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

impl TraceEvent for Table {
    async fn traces(&self, event: &str) -> Result<Vec<EventTrace>, PortError> {
        read_items(self.query(&keys::event_pk(event), Range::all("")).await?)
    }
}

impl Table {
    /// The trace of the event that started a release.
    pub(super) fn trace_of(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let trace = EventTrace {
            event: release.cause.id(),
            target: Some(release.target.clone()),
            at: release.cause.pushed_at(),
            subject: release.artifact.to_string(),
            release: Some(release.id.clone()),
            why: None,
        };
        let mut item = write_item(&keys::trace(&trace.event, Some(&release.target)), &trace)?;
        item.insert("expiresAt".into(), number(release.started_at.as_second() + KEPT_SECONDS));
        putting(self.put(item))
    }

    /// The trace of an event that led to nothing, or to nothing more: where the event had started a
    /// release, the trace still says so.
    fn trace_why(&self, note: &Note) -> Result<TransactWriteItem, PortError> {
        let key = keys::trace(&note.event, note.target.as_ref());
        let names = ["event", "target", "at", "subject", "why", "expiresAt"];
        let values = [
            text(&note.event),
            write_value(&key, &note.target)?,
            write_value(&key, &note.at)?,
            text(&note.subject),
            text(&note.text),
            number(note.at.as_second() + KEPT_SECONDS),
        ];
        let set: Vec<String> = names.iter().map(|name| format!("#{name} = :{name}")).collect();
        let names_of = names.iter().map(|name| (format!("#{name}"), (*name).to_owned()));
        let values_of = names.iter().map(|name| format!(":{name}")).zip(values);
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(format!("SET {}", set.join(", ")))
            .set_expression_attribute_names(Some(names_of.collect::<HashMap<_, _>>()))
            .set_expression_attribute_values(Some(values_of.collect()));
        updating(update)
    }
}
