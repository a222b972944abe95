//! Records of the table's stream: the journal is the outbox.

use aws_lambda_events::event::dynamodb::EventRecord;
use perch_core::journal::JournalEntry;

use super::EventError;

const KIND: &str = "DynamoDB stream record";

/// The journal entry that was written; `None` for another item or a deletion.
///
/// # Errors
/// [`EventError`] for a journal item that is not one.
pub fn entry_of(record: EventRecord) -> Result<Option<JournalEntry>, EventError> {
    let image = record.change.new_image.into_inner();
    let is_entry = image.get("sk").is_some_and(
        |sk| matches!(sk, serde_dynamo::AttributeValue::S(sk) if sk.starts_with("JOURNAL#")),
    );
    if record.event_name != "INSERT" || !is_entry {
        return Ok(None);
    }
    serde_dynamo::from_item(image).map(Some).map_err(|error| EventError::Malformed {
        kind: KIND,
        id: record.event_id,
        message: error.to_string(),
    })
}
