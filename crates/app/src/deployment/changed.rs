//! A deployment changed: one that failed or was stopped rolls its release back, one that succeeded ends
//! the wait for it.
//!
//! The event says neither why nor for whom (CodeDeploy User Guide, "Monitoring deployments with Amazon
//! CloudWatch Events"; ECS Developer Guide, "Amazon ECS service deployment state change events"), and comes on a best-effort basis: the deployment is read, and the release also
//! looks by itself.

use perch_core::names::{DeploymentId, ReleaseId};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::target::EcsService;
use serde_json::json;

use crate::ports::{
    EndWait, LoadRelease, Machine, NewestDeployment, PortError, Progress, ReadDeployments,
    StartExecution,
};

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// A deployment of CodeDeploy.
    Deployment(DeploymentId),
    /// An ECS service, by a deployment of its own.
    Service(EcsService),
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Changed::Deployment(id) => id.fmt(f),
            Changed::Service(service) => service.fmt(f),
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The release goes on at once.
    Woken,
    /// The rollback of the release runs.
    RolledBack,
    /// The deployment is not that of a release which follows it.
    NotFollowed,
    /// It runs: nothing to do.
    Running,
}

/// Does what follows from a change of a deployment.
///
/// # Errors
/// [`PortError`] when a port failed; a repeated call does the rest.
pub async fn run(
    store: &impl LoadRelease,
    deployments: &(impl ReadDeployments + NewestDeployment),
    executions: &(impl StartExecution + EndWait),
    changed: &Changed,
) -> Result<Answer, PortError> {
    let state = match changed {
        Changed::Deployment(id) => deployments.deployment(id).await.map(Some),
        Changed::Service(service) => deployments.newest(service).await,
    };
    let state = match state {
        Ok(Some(state)) => state,
        Ok(None) | Err(PortError::NotFound { .. }) => return Ok(Answer::NotFollowed),
        Err(error) => return Err(error),
    };
    let id = &state.id;
    let Some(release) = followed(store, id, state.release.as_ref()).await? else {
        return Ok(Answer::NotFollowed);
    };
    Ok(match state.progress {
        Progress::Running => Answer::Running,
        Progress::Succeeded => {
            let token = release.deployment.and_then(|deployment| deployment.token);
            let Some(token) = token else { return Ok(Answer::Running) };
            executions.end_wait(&token).await?;
            Answer::Woken
        }
        Progress::Over { why } => {
            let cause = RollbackCause::Error { error: why };
            let input = json!({ "releaseId": release.id, "cause": cause });
            let last = id.as_str().rsplit('/').next().unwrap_or_default();
            let name = format!("{}-{last}", release.id);
            let name = name.parse().unwrap_or_else(|_| release.id.clone());
            executions.start(Machine::Rollback, &name, &input).await?;
            Answer::RolledBack
        }
    })
}

/// The release that goes up by this deployment.
async fn followed(
    store: &impl LoadRelease,
    id: &DeploymentId,
    release: Option<&ReleaseId>,
) -> Result<Option<Release>, PortError> {
    let Some(release) = release else { return Ok(None) };
    let found = store.release(release).await?;
    Ok(found.filter(|release| {
        let known = release.deployment_id();
        let goes_up = matches!(
            release.phase,
            Phase::Shifting { .. }
                | Phase::Baking { .. }
                | Phase::Promoting { .. }
                | Phase::Watching { .. }
        );
        // It was told to stop, and the release sees to what follows.
        let gave_way =
            release.deployment.as_ref().is_some_and(|of| of.gave_way.as_ref() == Some(id));
        goes_up && known == Some(id) && !gave_way
    }))
}
