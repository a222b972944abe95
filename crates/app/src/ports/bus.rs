//! The event bus that other systems listen to.

use std::future::Future;

use perch_core::outgoing::Outgoing;

use super::PortError;

/// As many events as one call takes (EventBridge API Reference, `PutEvents`).
pub const MOST_EVENTS: usize = 10;

/// An event that the bus did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// Its place among the events of the call.
    pub at: usize,
    /// The bus's reason.
    pub why: String,
}

/// Puts events on the installation's bus.
pub trait PutEvents {
    /// Puts up to [`MOST_EVENTS`] events, each of which may fail by itself; answers those that did, in
    /// order.
    fn put(
        &self,
        events: &[&Outgoing],
    ) -> impl Future<Output = Result<Vec<NotTaken>, PortError>> + Send;
}
