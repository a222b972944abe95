//! Tells people about journal entries and [notices](notice): the installation's topic always, Slack
//! where the target says so.
//!
//! The topic must get it: a failure is returned and the stream delivers the entry again. Slack may
//! miss it: a failing or slow Slack is logged and never holds anything up.

mod message;
pub mod notice;
mod slack;

use perch_core::journal::JournalEntry;
use perch_core::names::ReleaseId;

pub use message::message;
pub use slack::body;

use crate::ports::{LoadRelease, LoadTarget, Message, PortError, PostSlack, PublishMessage};

/// Why an entry could not be told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The entry's release is not known.
    #[error("release {0} does not exist")]
    UnknownRelease(ReleaseId),
}

/// Tells people about one entry, if it is one that people are told about.
pub async fn run(
    store: &(impl LoadRelease + LoadTarget),
    topic: &impl PublishMessage,
    slack: &impl PostSlack,
    entry: &JournalEntry,
) -> Result<(), NotifyError> {
    if !entry.what.is_notified() {
        return Ok(());
    }
    let release = store
        .release(&entry.release)
        .await?
        .ok_or_else(|| NotifyError::UnknownRelease(entry.release.clone()))?;
    let message: Message = message(entry, &release);
    topic.publish(&message).await?;
    let target = store.target(&entry.target).await?;
    if let Some(config) = target.and_then(|target| target.notify.slack) {
        let body = slack::body(entry, &release);
        if let Err(error) = slack.post(&config.webhook, &body).await {
            tracing::warn!(
                release.id = %entry.release,
                error = &error as &dyn std::error::Error,
                "Slack did not take the message; the topic has it"
            );
        }
    }
    Ok(())
}
