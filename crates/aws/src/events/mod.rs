//! What EventBridge delivers, as commands of the use cases. Fields that AWS adds later are ignored;
//! a field that is missing is named.

mod alarm;
mod deployment;
mod ecr;
mod s3;
mod stream;

pub use alarm::alarm_of;
pub use deployment::deployment_of;
pub use ecr::{image_of, not_a_push};
pub(crate) use s3::upload_event;
pub use s3::{model_of, package_of};
pub use stream::{Told, told_of};

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use serde_json::Value;

/// An event as EventBridge delivers it, with its detail not yet read.
pub type Delivered = EventBridgeEvent<Value>;

/// Why an event can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is another kind of event.
    #[error("expected a `{expected}` event, got `{found}`; check the rule that delivers it")]
    OtherKind {
        /// The detail type that the function takes.
        expected: &'static str,
        /// The detail type that came.
        found: String,
    },
    /// The detail is not as AWS documents it.
    #[error("detail of the `{kind}` event {id}: {message}")]
    Malformed {
        /// The detail type.
        kind: &'static str,
        /// The event's id.
        id: String,
        /// What is missing or wrong, with the field.
        message: String,
    },
}

impl From<EventError> for crate::diagnostic::Failed {
    fn from(error: EventError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// The detail of an event of this kind.
fn detail<T: serde::de::DeserializeOwned>(
    event: &Delivered,
    kind: &'static str,
) -> Result<T, EventError> {
    if event.detail_type != kind {
        return Err(EventError::OtherKind { expected: kind, found: event.detail_type.clone() });
    }
    serde_path_to_error::deserialize(&event.detail).map_err(|error| {
        let field = error.path().to_string();
        // A missing field is named by the error itself.
        let at = if field == "." { String::new() } else { format!("`{field}`: ") };
        malformed(event, kind, format!("{at}{}", error.inner()))
    })
}

fn malformed(event: &Delivered, kind: &'static str, error: impl ToString) -> EventError {
    EventError::Malformed { kind, id: id(event), message: error.to_string() }
}

fn id(event: &Delivered) -> String {
    event.id.clone().unwrap_or_default()
}

/// When the event happened, to the second, as ECR and S3 say it: times of one precision also compare
/// as text. Events without a time happened at the epoch, so that they never count as the newest.
fn time(event: &Delivered) -> Timestamp {
    event
        .time
        .and_then(|time| Timestamp::from_second(time.timestamp()).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
