//! Puts journal entries and notices on the event bus, for systems that react to releases.
//!
//! The records of a stream's batch come in order, and the stream delivers again from the first one that
//! is named as failed. So what stands behind a failure may come twice, always with the same id.

use perch_core::outgoing::Outgoing;

use crate::ports::{MOST_EVENTS, PortError, PutEvents};

/// The bus did not take an event.
#[derive(Debug, thiserror::Error)]
#[error("record {at} did not get on the bus")]
pub struct NotPublished {
    /// The place of the first record to deliver again.
    pub at: usize,
    /// Why.
    #[source]
    pub why: PublishError,
}

/// Why an event did not get on the bus.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The call failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The bus refused the event.
    #[error("the bus did not take {event}: {why}")]
    Refused {
        /// The event's name.
        event: &'static str,
        /// The bus's reason.
        why: String,
    },
}

/// Publishes the events of the records of a batch, in order; a record may have none.
///
/// # Errors
/// [`NotPublished`] names the first record that failed; those before it are on the bus.
pub async fn run(bus: &impl PutEvents, records: &[Option<Outgoing>]) -> Result<(), NotPublished> {
    let events = records.iter().enumerate();
    let events: Vec<(usize, &Outgoing)> =
        events.filter_map(|(at, event)| Some((at, event.as_ref()?))).collect();
    for batch in events.chunks(MOST_EVENTS) {
        let call: Vec<&Outgoing> = batch.iter().map(|(_, event)| *event).collect();
        let first = batch.first().map_or(0, |(at, _)| *at);
        let not_taken = bus.put(&call).await;
        let not_taken = not_taken.map_err(|error| NotPublished { at: first, why: error.into() })?;
        let failed = not_taken.into_iter().next();
        let failed = failed.and_then(|failed| Some((batch.get(failed.at)?, failed.why)));
        if let Some(((at, event), why)) = failed {
            let why = PublishError::Refused { event: event.name, why };
            return Err(NotPublished { at: *at, why });
        }
    }
    Ok(())
}
