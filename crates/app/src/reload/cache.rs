//! The cache's pointer: forward when every replica serves the new model, back with the model.

use perch_core::decide::Event;
use perch_core::names::{ModelName, Version};
use perch_core::target::{Cache, OnCacheFailure};

use super::fleet::told;
use crate::ports::{PortError, SwitchCache, Switched};

/// How often a cache is tried in one step where its failure is no reason to stop.
const ATTEMPTS: usize = 3;

/// What became of the pointer: an event for the journal, or nothing where it was right already.
///
/// # Errors
/// [`PortError`] when the cache can't be reached and that is a reason to stop, and
/// [`PortError::Conflict`] when the pointer has a generation that nobody here set.
pub(super) async fn point(
    port: &impl SwitchCache,
    (cache, model): (&Cache, &ModelName),
    from: Option<&str>,
    to: &Version,
) -> Result<Option<Event>, PortError> {
    let mut tried = 0;
    loop {
        tried += 1;
        match point_once(port, (cache, model), from, to).await {
            Ok(event) => return Ok(event),
            Err(error @ PortError::Conflict { .. }) => return Err(error),
            Err(error) if cache.on_failure == OnCacheFailure::Fail => return Err(error),
            Err(error) if tried == ATTEMPTS => {
                let why = format!(
                    "callers may still read answers of generation {}: the cache could not be switched to \
                     {to}: {}",
                    from.unwrap_or("none"),
                    told(&error)
                );
                return Ok(Some(Event::CacheNotSwitched { why }));
            }
            Err(_) => {}
        }
    }
}

async fn point_once(
    port: &impl SwitchCache,
    (cache, model): (&Cache, &ModelName),
    from: Option<&str>,
    to: &Version,
) -> Result<Option<Event>, PortError> {
    let before = port.generation(cache, model).await?;
    if before.as_deref() == Some(to.as_str()) {
        return Ok(None);
    }
    match port.switch(cache, model, from, to.as_str()).await? {
        Switched::Done => Ok(Some(Event::CacheSwitched { from: before, to: to.to_string() })),
        Switched::Other { found } => Err(PortError::Conflict {
            what: format!("the cache's pointer of model {model}"),
            expected: from.unwrap_or("none").to_owned(),
            found: found.unwrap_or_else(|| "none".to_owned()),
        }),
    }
}
