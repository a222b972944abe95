//! The event bus, in memory.

use std::sync::{Arc, Mutex};

use perch_app::ports::{MOST_EVENTS, NotTaken, PortError, PutEvents};
use perch_core::outgoing::Outgoing;

use crate::calls::Calls;

/// A bus that keeps what it took, and refuses what it is told to.
#[derive(Debug)]
pub struct MemoryBus {
    calls: Arc<Calls>,
    events: Mutex<Vec<Outgoing>>,
    refusals: Mutex<Vec<usize>>,
}

impl MemoryBus {
    /// A bus without events.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), events: Mutex::default(), refusals: Mutex::default() }
    }

    /// What it took, oldest first.
    pub fn events(&self) -> Vec<Outgoing> {
        self.events.lock().unwrap().clone()
    }

    /// Refuses the events at these places of the next call, and takes the others of it.
    pub fn refuse(&self, places: &[usize]) {
        *self.refusals.lock().unwrap() = places.to_vec();
    }
}

impl PutEvents for MemoryBus {
    async fn put(&self, events: &[&Outgoing]) -> Result<Vec<NotTaken>, PortError> {
        assert!((1..=MOST_EVENTS).contains(&events.len()), "{} events in one call", events.len());
        let put = || {
            let refused = std::mem::take(&mut *self.refusals.lock().unwrap());
            let taken = events.iter().enumerate().filter(|(at, _)| !refused.contains(at));
            self.events.lock().unwrap().extend(taken.map(|(_, event)| (*event).clone()));
            Ok(refused)
        };
        let refused = self.calls.port("put_events", put).await?;
        let not_taken = |at| NotTaken { at, why: "InternalFailure: try again".to_owned() };
        Ok(refused.into_iter().map(not_taken).collect())
    }
}
