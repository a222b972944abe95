//! Synthetic requests: asynchronous invocations of the alias, whose weights split them.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use perch_app::ports::{PortError, SendRequests, Sent};
use perch_core::target::Lambda;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Functions, alias_of};
use crate::error::port_error;

/// Invocations that are under way at once.
const AT_ONCE: usize = 8;

/// The time for all of them. A call may take 10 s with its retries; the function that looks has 30 s, and
/// its look and its commit matter more.
const WITHIN: Duration = Duration::from_secs(5);

impl SendRequests for Functions {
    /// After a first failure no more are sent: what is throttled or denied is so for the next one, too.
    async fn send(&self, lambda: &Lambda, events: &[&Value]) -> Sent {
        let until = Instant::now() + WITHIN;
        let (mut sent, mut waiting, mut under_way) =
            (Sent::default(), events.iter(), JoinSet::new());
        for event in waiting.by_ref().take(AT_ONCE) {
            under_way.spawn(invoke(self.client.clone(), lambda.clone(), event.to_string()));
        }
        loop {
            match timeout_at(until, under_way.join_next()).await {
                Ok(None) => return sent,
                Ok(Some(Ok(Ok(())))) => sent.accepted += 1,
                Ok(Some(Ok(Err(error)))) => sent.failure = sent.failure.or(Some(error)),
                Ok(Some(Err(error))) => sent.failure = sent.failure.or(Some(late(lambda, error))),
                // What is under way is dropped with the set.
                Err(error) => {
                    sent.failure = sent.failure.or(Some(late(lambda, error)));
                    return sent;
                }
            }
            if let (None, Some(event)) = (&sent.failure, waiting.next()) {
                under_way.spawn(invoke(self.client.clone(), lambda.clone(), event.to_string()));
            }
        }
    }
}

async fn invoke(client: Client, lambda: Lambda, payload: String) -> Result<(), PortError> {
    client
        .invoke()
        .function_name(lambda.function.as_str())
        .qualifier(lambda.alias.as_str())
        .invocation_type(InvocationType::Event)
        .payload(Blob::new(payload))
        .send()
        .await
        .map_err(|error| port_error(alias_of(&lambda), error))?;
    Ok(())
}

fn late(lambda: &Lambda, error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::Unavailable { what: alias_of(lambda), source: error.into() }
}
