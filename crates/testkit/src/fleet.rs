//! Model servers and the cache in front of them, in memory, with what can go wrong with them.

mod cache;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use perch_app::ports::{FindReplicas, PortError, ServeModel};
use perch_core::names::Version;
use perch_core::reload::{Load, Loaded, Memory, ModelFiles, Replica, ReplicaState};
use perch_core::target::{ModelServers, Replicas};
use serde_json::{Value, json};

use crate::calls::Calls;

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// It does not answer.
    Dead,
    /// It dies the next time that it is told to load a model.
    DiesLoading,
    /// It can't load a model: the next so many tries.
    FailsToLoad(u32),
    /// It loads for ever.
    Hangs,
    /// It says that it switched, and did not.
    KeepsTheOld,
    /// It has no memory for two models.
    NoMemory,
}

/// One server.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// The version that answers.
    pub active: Option<Version>,
    /// Every version that it has, and how many looks it still takes to load.
    pub loaded: BTreeMap<Version, u32>,
    /// Versions that it could not load.
    pub failed: BTreeSet<Version>,
    /// What is wrong with it.
    pub mishap: Option<Mishap>,
}

/// Servers and a cache.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// The servers by their names.
    pub servers: BTreeMap<String, Server>,
    /// Looks that loading a model takes.
    pub loading: u32,
    /// Versions that answer golden requests wrongly.
    pub wrong: BTreeSet<Version>,
    /// The pointer of the cache.
    pub pointer: Option<String>,
    /// Whether the cache answers.
    pub cache_is_down: bool,
    /// What replicas were told, oldest first: `NAME VERSION`.
    pub activations: Vec<String>,
}

/// Model servers in memory.
#[derive(Debug)]
pub struct MemoryFleet {
    calls: Arc<Calls>,
    state: Mutex<Servers>,
}

impl MemoryFleet {
    /// No servers.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), state: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), state: Mutex::new(self.now()) }
    }

    /// So many servers that serve this version, called `a`, `b` and so on.
    pub fn start(&self, count: usize, version: &str) {
        let version: Version = version.parse().unwrap();
        self.change(|servers| {
            for replica in replicas(count) {
                let server = Server {
                    active: Some(version.clone()),
                    loaded: BTreeMap::from([(version.clone(), 0)]),
                    ..Server::default()
                };
                servers.servers.insert(replica.name, server);
            }
        });
    }

    /// Everything as it is now.
    pub fn now(&self) -> Servers {
        self.state.lock().unwrap().clone()
    }

    /// Changes something behind everybody's back.
    pub fn change<T>(&self, change: impl FnOnce(&mut Servers) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// The version that each server answers with, by name; nothing for one that is dead.
    pub fn serving(&self) -> BTreeMap<String, Option<Version>> {
        let state = self.now();
        let alive = |server: &Server| server.active.clone().filter(|_| !server.is_dead());
        state.servers.iter().map(|(name, server)| (name.clone(), alive(server))).collect()
    }

    async fn on<T: crate::calls::Answer>(
        &self,
        call: &'static str,
        replica: &Replica,
        effect: impl FnOnce(&mut Server, &mut Told) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.calls
            .port(call, || {
                let mut state = self.state.lock().unwrap();
                let mut told =
                    Told { loading: state.loading, wrong: state.wrong.clone(), activated: None };
                let Some(server) = state.servers.get_mut(&replica.name) else {
                    return Err(silent(replica));
                };
                if server.is_dead() {
                    return Err(silent(replica));
                }
                let answer = effect(server, &mut told);
                if let Some(version) = told.activated {
                    state.activations.push(format!("{} {version}", replica.name));
                }
                answer
            })
            .await
    }
}

/// What a call knows of the others, and what it did.
struct Told {
    loading: u32,
    wrong: BTreeSet<Version>,
    activated: Option<Version>,
}

impl Server {
    /// Whether it does not answer.
    pub fn is_dead(&self) -> bool {
        self.mishap == Some(Mishap::Dead)
    }
}

/// So many replicas.
pub fn replicas(count: usize) -> Vec<Replica> {
    let name = |place: usize| format!("r{place:02}");
    (0..count)
        .map(|place| Replica { name: name(place), url: format!("http://{}", name(place)) })
        .collect()
}

fn silent(replica: &Replica) -> PortError {
    PortError::Unavailable { what: replica.name.clone(), source: "connection refused".into() }
}

fn refused(what: &str, message: &str) -> PortError {
    PortError::Invalid { what: what.to_owned(), message: message.to_owned() }
}

impl FindReplicas for MemoryFleet {
    async fn replicas(&self, _: &Replicas) -> Result<Vec<Replica>, PortError> {
        let count = self.now().servers.len();
        self.calls.port("replicas", || Ok(replicas(count))).await
    }
}

impl ServeModel for MemoryFleet {
    async fn state(&self, _: &ModelServers, replica: &Replica) -> Result<ReplicaState, PortError> {
        self.on("state", replica, |server, _| {
            let mut loaded = Vec::new();
            for (version, looks) in &mut server.loaded {
                let load = if *looks == 0 { Load::Ready } else { Load::Loading };
                if server.mishap != Some(Mishap::Hangs) {
                    *looks = looks.saturating_sub(1);
                }
                loaded.push(Loaded { version: version.clone(), load });
            }
            let failed = || Load::Failed { reason: "storage does not answer".to_owned() };
            let failed =
                server.failed.iter().map(|v| Loaded { version: v.clone(), load: failed() });
            loaded.extend(failed);
            let memory =
                (server.mishap == Some(Mishap::NoMemory)).then_some(Memory { free_bytes: 1 });
            Ok(ReplicaState { active: server.active.clone(), loaded, memory, generation: None })
        })
        .await
    }

    async fn stage(
        &self,
        _: &ModelServers,
        replica: &Replica,
        model: &ModelFiles,
    ) -> Result<(), PortError> {
        self.on("stage", replica, |server, told| {
            match server.mishap {
                Some(Mishap::DiesLoading) => {
                    server.mishap = Some(Mishap::Dead);
                    return Err(silent(replica));
                }
                Some(Mishap::FailsToLoad(left)) if left > 0 => {
                    server.mishap = Some(Mishap::FailsToLoad(left - 1));
                    server.failed.insert(model.version.clone());
                    return Ok(());
                }
                _ => {}
            }
            server.failed.remove(&model.version);
            let looks = match server.mishap {
                Some(Mishap::Hangs) => 1,
                _ => told.loading,
            };
            server.loaded.entry(model.version.clone()).or_insert(looks);
            Ok(())
        })
        .await
    }

    async fn probe(
        &self,
        _: &ModelServers,
        replica: &Replica,
        version: &Version,
        input: &Value,
    ) -> Result<Value, PortError> {
        self.on("probe", replica, |server, told| {
            if server.loaded.get(version) != Some(&0) {
                return Err(refused(&replica.name, "not ready"));
            }
            let answer = if told.wrong.contains(version) { json!("wrong") } else { input.clone() };
            Ok(json!({ "answer": answer }))
        })
        .await
    }

    async fn activate(
        &self,
        _: &ModelServers,
        replica: &Replica,
        version: &Version,
    ) -> Result<(), PortError> {
        self.on("activate", replica, |server, told| {
            if server.loaded.get(version) != Some(&0) {
                return Err(refused(&replica.name, "not ready"));
            }
            if server.mishap != Some(Mishap::KeepsTheOld) {
                server.active = Some(version.clone());
            }
            told.activated = Some(version.clone());
            Ok(())
        })
        .await
    }

    async fn unload(
        &self,
        _: &ModelServers,
        replica: &Replica,
        version: &Version,
    ) -> Result<(), PortError> {
        self.on("unload", replica, |server, _| {
            if server.active.as_ref() == Some(version) {
                return Err(refused(&replica.name, "it answers callers"));
            }
            server.loaded.remove(version);
            Ok(())
        })
        .await
    }
}
