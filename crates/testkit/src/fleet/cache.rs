//! The cache in front of the servers.

use perch_app::ports::{PortError, SwitchCache, Switched};
use perch_core::names::ModelName;
use perch_core::target::Cache;

use super::MemoryFleet;

impl SwitchCache for MemoryFleet {
    async fn generation(&self, _: &Cache, _: &ModelName) -> Result<Option<String>, PortError> {
        self.calls
            .port("generation", || {
                let state = self.state.lock().unwrap();
                if state.cache_is_down {
                    return Err(no_cache());
                }
                Ok(state.pointer.clone())
            })
            .await
    }

    async fn switch(
        &self,
        _: &Cache,
        _: &ModelName,
        from: Option<&str>,
        to: &str,
    ) -> Result<Switched, PortError> {
        self.calls
            .port("switch", || {
                let mut state = self.state.lock().unwrap();
                if state.cache_is_down {
                    return Err(no_cache());
                }
                if state.pointer.as_deref() != from && state.pointer.as_deref() != Some(to) {
                    return Ok(Switched::Other { found: state.pointer.clone() });
                }
                state.pointer = Some(to.to_owned());
                Ok(Switched::Done)
            })
            .await
    }

    async fn clean_up(&self, _: &Cache, _: &ModelName, _: &[&str]) -> Result<u64, PortError> {
        self.calls.port("clean_up", || Ok(0)).await
    }
}

fn no_cache() -> PortError {
    PortError::Unavailable { what: "the cache".to_owned(), source: "connection refused".into() }
}
