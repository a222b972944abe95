//! The ways to people.

use std::future::Future;

use perch_core::names::SecretRef;
use serde_json::Value;

use super::PortError;

/// A notification as the topic's subscribers get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// One line, at most 100 characters.
    pub subject: String,
    /// The whole text.
    pub text: String,
    /// What subscription filters can match: target, release, what, severity.
    pub attributes: Vec<(&'static str, String)>,
}

/// Publishes to the installation's topic.
pub trait PublishMessage {
    /// Publishes the message.
    fn publish(&self, message: &Message) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Posts to a Slack incoming webhook.
pub trait PostSlack {
    /// Posts a Block Kit body to the webhook whose URL is kept under `webhook`.
    fn post(
        &self,
        webhook: &SecretRef,
        body: &Value,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
