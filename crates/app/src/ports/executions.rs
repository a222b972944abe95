//! Executions of the state machines.

use std::future::Future;

use perch_core::names::ReleaseId;
use perch_core::release::Driver;

use super::PortError;

/// One of Perch's state machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// `canary-deploy`
    CanaryDeploy,
    /// `model-reload`
    ModelReload,
    /// `rollback`
    Rollback,
}

impl Machine {
    /// The machine that carries out a release.
    pub fn of(driver: &Driver) -> Self {
        match driver {
            Driver::Alias(_) | Driver::Service(_) => Machine::CanaryDeploy,
            Driver::Servers(_) => Machine::ModelReload,
        }
    }
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

/// Ends waits of executions.
pub trait EndWait {
    /// Ends the wait under a task token. One that has ended already counts as ended.
    fn end_wait(&self, token: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}
