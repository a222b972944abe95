//! Executions of the state machines.

use std::future::Future;

use perch_core::names::ReleaseId;

use super::PortError;

/// One of Perch's state machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// `canary-deploy`
    CanaryDeploy,
    /// `rollback`
    Rollback,
}

/// Starts executions.
pub trait StartExecution {
    /// Starts the machine under the name `name`, usually the release's id, so that a repeated start
    /// is harmless: an execution that exists already counts as started.
    fn start(
        &self,
        machine: Machine,
        name: &ReleaseId,
        input: &serde_json::Value,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
