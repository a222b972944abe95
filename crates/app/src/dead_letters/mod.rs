//! Events that got lost on the way: what they were, why they failed, and how they are sent again.
//!
//! `read` makes one shape of the kinds of message in the two queues, `subject` says what an event is
//! about, `look` lists letters without keeping them from others, `redrive` sends events again.

mod look;
mod read;
mod redrive;
mod retell;
mod subject;

use jiff::Timestamp;
use perch_core::names::FunctionName;
use serde::Serialize;
use serde_json::Value;

pub use look::{find, list};
pub use read::read;
pub use redrive::{Outcome, Ports, RedriveError, Sent, Wanted, run};

use crate::ports::Queue;

/// A dead letter, whoever sent it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The message's id.
    pub id: String,
    /// The queue that it lies in.
    pub queue: Queue,
    /// When it was put there.
    pub at: Timestamp,
    /// The rule, schedule or function that gave the event up.
    pub source: Option<String>,
    /// The function that should have had the event.
    pub function: Option<FunctionName>,
    /// The event's id.
    pub event: Option<String>,
    /// What the event is about: an image, a package, an alarm, notifications.
    pub subject: String,
    /// Why it was given up.
    pub error: String,
    /// How often it was tried.
    pub attempts: Option<u64>,
    /// How it is sent again.
    #[serde(skip)]
    pub remedy: Remedy,
}

/// How a dead letter's event is sent again.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// The function gets the event once more.
    HandOver {
        /// The function.
        function: FunctionName,
        /// The event.
        event: Value,
    },
    /// People are told again what happened at that time: the letter does not have it.
    TellAgain {
        /// The function that tells.
        function: FunctionName,
        /// When the stream got what they were to be told.
        batch: Batch,
    },
    /// It can't be.
    None {
        /// What is missing.
        why: String,
    },
}

/// Records of the table's stream, as a dead letter describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// When the stream got the first one.
    pub first: Timestamp,
    /// When it got the last one.
    pub last: Timestamp,
    /// How many there were.
    pub size: u64,
}

impl DeadLetter {
    /// The event, where the letter has it.
    pub fn payload(&self) -> Option<&Value> {
        match &self.remedy {
            Remedy::HandOver { event, .. } => Some(event),
            Remedy::TellAgain { .. } | Remedy::None { .. } => None,
        }
    }
}
