//! What all servers and the cache report together.

use perch_app::ports::{PortError, ReadFleet};
use perch_core::names::{FunctionName, TargetName};
use perch_core::reload::{Fleet, Load, Loaded, Replica, ReplicaState, Seen};

use super::{MemoryFleet, replicas};

impl ReadFleet for MemoryFleet {
    async fn fleet(&self, _: &FunctionName, _: &TargetName) -> Result<Fleet, PortError> {
        let state = self.now();
        let seen = |replica: Replica| match state.servers.get(&replica.name) {
            Some(server) if !server.is_dead() => {
                let loaded = server
                    .loaded
                    .keys()
                    .map(|version| Loaded { version: version.clone(), load: Load::Ready });
                let state = ReplicaState {
                    active: server.active.clone(),
                    loaded: loaded.collect(),
                    ..ReplicaState::default()
                };
                Seen { replica, state: Some(state), silent: None }
            }
            _ => Seen { replica, state: None, silent: Some("connection refused".to_owned()) },
        };
        let fleet = Fleet {
            replicas: replicas(state.servers.len()).into_iter().map(seen).collect(),
            generation: state.pointer.clone().filter(|_| !state.cache_is_down),
            cache_silent: state.cache_is_down.then(|| "connection refused".to_owned()),
        };
        self.calls.port("fleet", || Ok(fleet)).await
    }
}
