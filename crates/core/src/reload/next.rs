//! The next step of one replica towards a version. It follows from what the replica reports, so a step
//! that is repeated, or that another execution did, does no harm.

use super::{Load, ReplicaState};
use crate::names::Version;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toward {
    /// It serves the version.
    Arrived,
    /// Have it load the version beside the one that it serves.
    Stage {
        /// Why it could not load it before, if that was tried.
        failed: Option<String>,
    },
    /// It is loading.
    Wait,
    /// The version is loaded: check it, and have it answer callers.
    Activate,
    /// It has too little memory for two models.
    TooLittleMemory {
        /// The model's bytes.
        needed: u64,
        /// The bytes that it reports as free.
        free: u64,
    },
}

/// The next step of a replica that is as `state` says, towards a version of so many bytes.
pub fn toward(state: &ReplicaState, version: &Version, bytes: u64) -> Toward {
    if state.active.as_ref() == Some(version) {
        return Toward::Arrived;
    }
    let failed = match state.load_of(version) {
        Some(Load::Ready) => return Toward::Activate,
        Some(Load::Loading) => return Toward::Wait,
        Some(Load::Failed { reason }) => Some(reason.clone()),
        None => None,
    };
    match state.memory {
        Some(memory) if memory.free_bytes < bytes => {
            Toward::TooLittleMemory { needed: bytes, free: memory.free_bytes }
        }
        _ => Toward::Stage { failed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::{Loaded, Memory};

    fn state(active: Option<&str>, loaded: &[(&str, Load)]) -> ReplicaState {
        let of = |(version, load): &(&str, Load)| Loaded {
            version: version.parse().unwrap(),
            load: load.clone(),
        };
        ReplicaState {
            active: active.map(|version| version.parse().unwrap()),
            loaded: loaded.iter().map(of).collect(),
            ..ReplicaState::default()
        }
    }

    #[test]
    fn each_state_of_a_replica_has_one_next_step() {
        let failed = Load::Failed { reason: "no such file".into() };
        for (found, next) in [
            (state(Some("v2"), &[("v2", Load::Ready)]), Toward::Arrived),
            (state(Some("v1"), &[("v2", Load::Ready)]), Toward::Activate),
            (state(Some("v1"), &[("v2", Load::Loading)]), Toward::Wait),
            (state(Some("v1"), &[]), Toward::Stage { failed: None }),
            (state(None, &[]), Toward::Stage { failed: None }),
            (
                state(Some("v1"), &[("v2", failed)]),
                Toward::Stage { failed: Some("no such file".into()) },
            ),
        ] {
            assert_eq!(toward(&found, &"v2".parse().unwrap(), 100), next, "{found:?}");
        }
    }

    #[test]
    fn memory_counts_where_it_is_reported_and_only_before_loading() {
        let with = |free_bytes, loaded: &[(&str, Load)]| ReplicaState {
            memory: Some(Memory { free_bytes }),
            ..state(Some("v1"), loaded)
        };
        let next = |state: &ReplicaState| toward(state, &"v2".parse().unwrap(), 100);
        assert_eq!(next(&with(99, &[])), Toward::TooLittleMemory { needed: 100, free: 99 });
        assert_eq!(next(&with(100, &[])), Toward::Stage { failed: None });
        assert_eq!(next(&with(0, &[("v2", Load::Ready)])), Toward::Activate);
    }
}
