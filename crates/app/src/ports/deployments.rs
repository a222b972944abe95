//! Deployments that move traffic by a schedule of their own.

use std::future::Future;

use jiff::Timestamp;
use perch_core::deployment::Schedule;
use perch_core::names::{AlarmName, DeploymentId, ReleaseId, Version};
use perch_core::target::{CodeDeploy, Lambda};

use super::PortError;

/// What a deployment is to do.
#[derive(Debug, Clone, Copy)]
pub struct Deploying<'a> {
    /// Where it runs.
    pub group: &'a CodeDeploy,
    /// The alias that it moves.
    pub lambda: &'a Lambda,
    /// The release that it is for; it says so in its description.
    pub release: &'a ReleaseId,
    /// The version that has all traffic.
    pub from: &'a Version,
    /// The version that gets it.
    pub to: &'a Version,
    /// How it gets it.
    pub schedule: Schedule,
    /// The alarms that stop it, instead of the group's own: given where some of them do not count yet.
    pub alarms: Option<&'a [AlarmName]>,
}

/// How far a deployment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It has not ended.
    Running,
    /// It ended with all traffic moved.
    Succeeded,
    /// It failed or was stopped.
    Over {
        /// What CodeDeploy says of it.
        why: String,
    },
}

/// A deployment as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentState {
    /// Its id.
    pub id: DeploymentId,
    /// The release that its description names, if Perch made it.
    pub release: Option<ReleaseId>,
    /// How far it is.
    pub progress: Progress,
    /// Whether it takes another one back.
    pub is_rollback: bool,
    /// The deployment that takes it back: a rollback has an id of its own.
    pub rollback: Option<DeploymentId>,
}

/// Makes deployments.
pub trait Deploy: Sync {
    /// Starts a deployment. Not idempotent: look with [`ReadDeployments::find`] first.
    ///
    /// # Errors
    /// [`PortError::Conflict`] when the group has a deployment under way.
    fn create(
        &self,
        deploying: Deploying<'_>,
    ) -> impl Future<Output = Result<DeploymentId, PortError>> + Send;
}

/// Looks at deployments.
pub trait ReadDeployments: Sync {
    /// A deployment as it is now.
    fn deployment(
        &self,
        id: &DeploymentId,
    ) -> impl Future<Output = Result<DeploymentState, PortError>> + Send;

    /// The deployment of a release in its group, made at this time or later.
    fn find(
        &self,
        group: &CodeDeploy,
        release: &ReleaseId,
        since: Timestamp,
    ) -> impl Future<Output = Result<Option<DeploymentState>, PortError>> + Send;

    /// The deployment that is under way in a group.
    fn under_way(
        &self,
        group: &CodeDeploy,
    ) -> impl Future<Output = Result<Option<DeploymentState>, PortError>> + Send;
}

/// Stops deployments.
pub trait StopDeployment: Sync {
    /// Stops a deployment and has it put the baseline back. One that has ended counts as stopped.
    fn stop(&self, id: &DeploymentId) -> impl Future<Output = Result<(), PortError>> + Send;
}
