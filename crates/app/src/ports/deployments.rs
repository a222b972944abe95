//! Deployments that move traffic by a schedule of their own.

use std::future::Future;

use jiff::Timestamp;
use perch_core::deployment::{Purpose, Rollback, Schedule};
use perch_core::head::Snapshot;
use perch_core::names::{AlarmName, DeploymentId, ReleaseId, Version};
use perch_core::release::Mover;
use perch_core::target::{CodeDeploy, EcsService};

use super::PortError;
use crate::deployment::hook::{Answer, Hook};

/// What a deployment is to do.
#[derive(Debug, Clone, Copy)]
pub struct Deploying<'a> {
    /// Who carries it out.
    pub mover: Mover<'a>,
    /// What it moves, as it was before the release.
    pub snapshot: &'a Snapshot,
    /// The release that it is for; it says so in its description.
    pub release: &'a ReleaseId,
    /// What the release has it for.
    pub purpose: Purpose,
    /// The version that has all traffic.
    pub from: &'a Version,
    /// The version that gets it.
    pub to: &'a Version,
    /// How it gets it.
    pub schedule: Schedule,
    /// The alarms that stop it, instead of the group's own: given where some of them do not count.
    pub alarms: Option<&'a [AlarmName]>,
    /// Whether a hook of Perch's has to agree before there is any traffic: the smoke tests.
    pub is_tested: bool,
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
        /// What is said of it.
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
    /// Why it puts the baseline back, where it has begun to and has not ended.
    pub goes_back: Option<String>,
    /// Whether it takes another one back.
    pub is_rollback: bool,
    /// The deployment that takes it back: a rollback has an id of its own.
    pub rollback: Option<DeploymentId>,
    /// The pauses that it waits in.
    pub pauses: Vec<Pause>,
}

/// A deployment waits until somebody continues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The id of the hook, anew for each pause.
    pub hook: String,
    /// The name of the stage, as ECS gives it.
    pub stage: String,
}

impl DeploymentState {
    /// Why all traffic will not be on what it brings up, or not for long.
    pub fn failure(&self) -> Option<&str> {
        match &self.progress {
            Progress::Over { why } => Some(why),
            Progress::Running | Progress::Succeeded => self.goes_back.as_deref(),
        }
    }
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

    /// The deployment that was asked for already, made at this time or later.
    fn find(
        &self,
        deploying: &Deploying<'_>,
        since: Timestamp,
    ) -> impl Future<Output = Result<Option<DeploymentState>, PortError>> + Send;

    /// The deployment that is under way.
    fn under_way(
        &self,
        mover: Mover<'_>,
    ) -> impl Future<Output = Result<Option<DeploymentState>, PortError>> + Send;
}

/// Finds the deployment that an event of a service is about: the event does not name it by its ARN.
pub trait NewestDeployment: Sync {
    /// The deployment of the service that was made last.
    fn newest(
        &self,
        service: &EcsService,
    ) -> impl Future<Output = Result<Option<DeploymentState>, PortError>> + Send;
}

/// What a deployment group deploys to (CodeDeploy API Reference, `ComputePlatform`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Aliases of Lambda functions.
    Lambda,
    /// ECS services.
    Ecs,
    /// Instances.
    Server,
}

/// Reads deployment groups.
pub trait ReadGroups: Sync {
    /// What the group deploys to.
    ///
    /// # Errors
    /// [`PortError::NotFound`] where the application or the group does not exist.
    fn platform(
        &self,
        group: &CodeDeploy,
    ) -> impl Future<Output = Result<Platform, PortError>> + Send;
}

/// Stops deployments.
pub trait StopDeployment: Sync {
    /// Stops a deployment. One that has ended counts as stopped.
    ///
    /// # Errors
    /// [`PortError::Invalid`] where ECS is to leave the traffic as it is: its own deployments know a stop
    /// with rollback alone.
    fn stop(
        &self,
        id: &DeploymentId,
        rollback: Rollback,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Continues deployments that pause.
pub trait ContinueDeployment: Sync {
    /// Ends a pause. One that has ended counts as ended, and so does that of a deployment which goes back
    /// or is over.
    fn go_on(
        &self,
        id: &DeploymentId,
        pause: &Pause,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Answers hooks of deployments.
pub trait AnswerHook: Sync {
    /// Says whether the deployment goes on. A hook that has its answer already counts as answered.
    fn answer(
        &self,
        hook: &Hook,
        answer: Answer,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
