//! Model servers and the caches in front of them.

use std::future::Future;

use perch_core::names::{FunctionName, ModelName, TargetName, Version};
use perch_core::reload::{Fleet, ModelFiles, Replica, ReplicaState};
use perch_core::target::{Cache, ModelServers, Replicas};
use serde_json::Value;

use super::PortError;

/// Finds the replicas of a group of model servers.
pub trait FindReplicas {
    /// The replicas that run now, in a stable order.
    fn replicas(
        &self,
        replicas: &Replicas,
    ) -> impl Future<Output = Result<Vec<Replica>, PortError>> + Send;
}

/// Speaks to one model server. Every call may be repeated; none waits for a model to be loaded.
///
/// # Errors
/// [`PortError::Unavailable`] when the server did not answer in time or with a server error: trying
/// again may help. [`PortError::Invalid`] when it refuses: too little memory, a broken model.
pub trait ServeModel: Sync {
    /// What the server has: which versions are ready, and which one answers.
    fn state(
        &self,
        servers: &ModelServers,
        replica: &Replica,
    ) -> impl Future<Output = Result<ReplicaState, PortError>> + Send;

    /// Has the server load a version beside the one that answers; answers at once.
    fn stage(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        model: &ModelFiles,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// What a version answers to a request, whether or not it answers callers.
    fn probe(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        version: &Version,
        input: &Value,
    ) -> impl Future<Output = Result<Value, PortError>> + Send;

    /// Has a version that is ready answer the callers; the one before stays loaded.
    fn activate(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        version: &Version,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Takes a version out of memory; nothing where the server does not have it.
    ///
    /// # Errors
    /// [`PortError::Invalid`] for the version that answers callers.
    fn unload(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        version: &Version,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Asks an installation's function that reaches model servers.
pub trait ReadFleet {
    /// What the replicas of a target and its cache report now.
    fn fleet(
        &self,
        function: &FunctionName,
        target: &TargetName,
    ) -> impl Future<Output = Result<Fleet, PortError>> + Send;
}

/// What became of a switch of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switched {
    /// The pointer was read back with the new generation.
    Done,
    /// The pointer has neither the expected nor the new generation and was left alone.
    Other {
        /// What it has.
        found: Option<String>,
    },
}

/// Speaks to the cache in front of a model.
pub trait SwitchCache: Sync {
    /// The generation that callers read; `None` where the pointer was never set, or the cache has none.
    fn generation(
        &self,
        cache: &Cache,
        model: &ModelName,
    ) -> impl Future<Output = Result<Option<String>, PortError>> + Send;

    /// Sets the generation if it still is `from`, or `to` already, and reads it back.
    fn switch(
        &self,
        cache: &Cache,
        model: &ModelName,
        from: Option<&str>,
        to: &str,
    ) -> impl Future<Output = Result<Switched, PortError>> + Send;

    /// Deletes entries of generations other than `keep`, as many as the cache's `cleanUp` says; how
    /// many were deleted.
    fn clean_up(
        &self,
        cache: &Cache,
        model: &ModelName,
        keep: &[&str],
    ) -> impl Future<Output = Result<u64, PortError>> + Send;
}
