//! Requests that Perch sends itself.

use std::future::Future;

use perch_core::target::Lambda;
use serde_json::Value;

use super::PortError;

/// What became of requests that were to be sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// How many were accepted.
    pub accepted: u32,
    /// Why not all were, where that is so.
    pub failure: Option<PortError>,
}

/// Sends requests as a caller does.
pub trait SendRequests {
    /// Sends these to the alias, a few at once, and waits until they are accepted, but not for their
    /// answers. Ends within seconds, also where not all could be sent.
    fn send(&self, lambda: &Lambda, events: &[&Value]) -> impl Future<Output = Sent> + Send;
}
