//! The one map from errors to the names that the state machines' Retry and Catch match.

use std::error::Error;
use std::fmt;

use lambda_runtime::Diagnostic;
use perch_app::announce_model::AnnounceError;
use perch_app::notify::NotifyError;
use perch_app::ports::PortError;
use perch_app::publish_events::{NotPublished, PublishError};
use perch_app::step::StepError;

/// The names, for the contract test of the state machines.
pub const ERROR_TYPES: [&str; 5] = ["Unavailable", "Conflict", "Denied", "Invalid", "Illegal"];

/// An error as Step Functions and the logs see it.
#[derive(Debug)]
pub struct Failed {
    /// One of [`ERROR_TYPES`].
    pub kind: &'static str,
    /// The whole chain of causes.
    pub message: String,
}

impl Failed {
    /// A request that can't be understood.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: "Invalid", message: message.into() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl Error for Failed {}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Diagnostic {
        Diagnostic { error_type: failed.kind.to_owned(), error_message: failed.message }
    }
}

impl From<PortError> for Failed {
    fn from(error: PortError) -> Self {
        let kind = match &error {
            PortError::Unavailable { .. } => "Unavailable",
            PortError::Conflict { .. } => "Conflict",
            PortError::Denied { .. } => "Denied",
            PortError::NotFound { .. } | PortError::Invalid { .. } => "Invalid",
        };
        Self { kind, message: chain(&error) }
    }
}

impl From<StepError> for Failed {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Port(error) => error.into(),
            // Someone else moves the alias at the same time, or the change is not visible yet.
            StepError::NotAsSet { .. } => Self { kind: "Conflict", message: chain(&error) },
            StepError::Illegal(_) => Self { kind: "Illegal", message: chain(&error) },
            StepError::UnknownRelease(_) | StepError::Incomplete { .. } => {
                Self { kind: "Invalid", message: chain(&error) }
            }
        }
    }
}

impl From<NotifyError> for Failed {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::Port(error) => error.into(),
            NotifyError::UnknownRelease(_) => Self::invalid(chain(&error)),
        }
    }
}

impl From<AnnounceError> for Failed {
    fn from(error: AnnounceError) -> Self {
        match error {
            AnnounceError::Port(error) => error.into(),
            AnnounceError::Unreadable { .. } => Self::invalid(chain(&error)),
        }
    }
}

impl From<NotPublished> for Failed {
    fn from(error: NotPublished) -> Self {
        let message = chain(&error);
        let kind = match error.why {
            PublishError::Port(error) => Failed::from(error).kind,
            // Each event is made by Perch's own types: what the bus refuses is mostly for now.
            PublishError::Refused { .. } => "Unavailable",
        };
        Self { kind, message }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
