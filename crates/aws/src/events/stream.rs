//! Records of the table's stream: journal entries and notices are the outbox.

use aws_lambda_events::event::dynamodb::EventRecord;
use perch_core::journal::{JournalEntry, Notice};

use super::EventError;

const KIND: &str = "DynamoDB stream record";

/// What people are told about.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Something happened to a release.
    Entry(Box<JournalEntry>),
    /// Something happened outside of any release.
    Notice(Notice),
}

/// The journal entry or notice that was written; `None` for another item, a change or a deletion.
///
/// # Errors
/// [`EventError`] for such an item that can't be read.
pub fn told_of(record: EventRecord) -> Result<Option<Told>, EventError> {
    let image = record.change.new_image.into_inner();
    let sk = match image.get("sk") {
        Some(serde_dynamo::AttributeValue::S(sk)) if record.event_name == "INSERT" => sk.as_str(),
        _ => return Ok(None),
    };
    let told = if sk.starts_with("JOURNAL#") {
        serde_dynamo::from_item(image).map(|entry| Told::Entry(Box::new(entry)))
    } else if sk.starts_with("NOTICE#") {
        serde_dynamo::from_item(image).map(Told::Notice)
    } else {
        return Ok(None);
    };
    told.map(Some).map_err(|error| EventError::Malformed {
        kind: KIND,
        id: record.event_id,
        message: error.to_string(),
    })
}
