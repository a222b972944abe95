//! Dead letters: messages about events that were not delivered, or not processed.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use perch_core::journal::{JournalEntry, Notice};
use perch_core::names::FunctionName;
use serde::Serialize;
use serde_json::Value;

use super::PortError;

/// One of the installation's two queues of dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Queue {
    /// What `EventBridge` could not deliver.
    Undelivered,
    /// What a function could not process.
    Failed,
}

impl Queue {
    /// Both.
    pub const ALL: [Queue; 2] = [Queue::Undelivered, Queue::Failed];

    /// The name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Queue::Undelivered => "undelivered",
            Queue::Failed => "failed",
        }
    }
}

/// A message as it lies in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id, which stays the same however often it is received.
    pub id: String,
    /// Where it lies.
    pub queue: Queue,
    /// When it was put there.
    pub sent_at: Timestamp,
    /// The attributes that its sender gave it.
    pub attributes: BTreeMap<String, String>,
    /// Its text.
    pub body: String,
    /// What this receipt of it is called; the next one has another name.
    pub receipt: String,
}

/// Receives letters. Nothing is lost by receiving: a letter that is neither given back nor deleted
/// comes back by itself.
pub trait ReceiveLetters {
    /// A few letters that nobody holds; nobody else gets them for the time of `hold`. None when no
    /// letter is left.
    fn receive(
        &self,
        queue: Queue,
        hold: Duration,
    ) -> impl Future<Output = Result<Vec<Letter>, PortError>> + Send;

    /// Lets others receive these letters again at once.
    fn give_back(&self, letters: &[Letter]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Deletes letters.
pub trait DeleteLetter {
    /// Deletes a letter that was received.
    fn delete(&self, letter: &Letter) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What people are told about: the table's stream carries both kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum Tidings {
    /// Something happened to a release.
    Entry(Box<JournalEntry>),
    /// Something happened outside of any release.
    Notice(Notice),
}

impl Tidings {
    /// When it was decided.
    pub fn at(&self) -> Timestamp {
        match self {
            Tidings::Entry(entry) => entry.at,
            Tidings::Notice(notice) => notice.at,
        }
    }

    /// What tells it from others.
    pub fn id(&self) -> String {
        match self {
            Tidings::Entry(entry) => format!("{}/{:010}", entry.release, entry.seq),
            Tidings::Notice(Notice { id, target: Some(target), .. }) => format!("{target}/{id}"),
            Tidings::Notice(Notice { id, target: None, .. }) => id.clone(),
        }
    }
}

/// Has functions do again what they could not do.
pub trait CallFunction {
    /// Hands an event over to the function's own retries. When this answers, the event is accepted:
    /// it is processed, or comes back as a dead letter.
    fn hand_over(
        &self,
        function: &FunctionName,
        event: &Value,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Has the function tell people, and waits until it has.
    fn tell(
        &self,
        function: &FunctionName,
        tidings: &Tidings,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
