//! The ways to people, in memory.

use std::sync::{Arc, Mutex};

use perch_app::ports::{Message, PortError, PostSlack, PublishMessage};
use perch_core::names::SecretRef;
use serde_json::Value;

use crate::calls::Calls;

/// A topic that keeps what it was given.
#[derive(Debug)]
pub struct MemoryTopic {
    calls: Arc<Calls>,
    messages: Mutex<Vec<Message>>,
}

impl MemoryTopic {
    /// A topic without messages.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), messages: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), messages: Mutex::new(self.messages()) }
    }

    /// What was published, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }
}

impl PublishMessage for MemoryTopic {
    async fn publish(&self, message: &Message) -> Result<(), PortError> {
        let publish = || {
            self.messages.lock().unwrap().push(message.clone());
            Ok(())
        };
        self.calls.port("publish_message", publish).await
    }
}

/// Slack webhooks that keep what they were given.
#[derive(Debug)]
pub struct MemorySlack {
    calls: Arc<Calls>,
    posts: Mutex<Vec<(SecretRef, Value)>>,
}

impl MemorySlack {
    /// Slack without posts.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), posts: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), posts: Mutex::new(self.posts()) }
    }

    /// What was posted and where, oldest first.
    pub fn posts(&self) -> Vec<(SecretRef, Value)> {
        self.posts.lock().unwrap().clone()
    }
}

impl PostSlack for MemorySlack {
    async fn post(&self, webhook: &SecretRef, body: &Value) -> Result<(), PortError> {
        let post = || {
            self.posts.lock().unwrap().push((webhook.clone(), body.clone()));
            Ok(())
        };
        self.calls.port("post", post).await
    }
}
