//! A deployment changed: one that failed or was stopped rolls its release back, one that succeeded ends
//! the wait for it.
//!
//! The event says neither why nor for whom (CodeDeploy User Guide, "Monitoring deployments with Amazon
//! CloudWatch Events"; ECS Developer Guide, "Amazon ECS service deployment state change events"), and comes on a best-effort basis: the deployment is read, and the release also
//! looks by itself.

use perch_core::journal::{Happened, Notice};
use perch_core::names::DeploymentId;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::target::EcsService;
use serde_json::json;

use crate::ports::{
    EndWait, LoadRelease, Machine, MendHead, NewestDeployment, PortError, Progress,
    ReadDeployments, StartExecution,
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
    /// It went back after its release was promoted: people are told.
    Told,
}

/// Does what follows from a change of a deployment.
///
/// # Errors
/// [`PortError`] when a port failed; a repeated call does the rest.
pub async fn run(
    store: &(impl LoadRelease + MendHead),
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
    let release = match &state.release {
        Some(release) => store.release(release).await?,
        None => None,
    };
    let Some(release) = release.filter(|release| release.deployment_id() == Some(id)) else {
        return Ok(Answer::NotFollowed);
    };
    if let (Phase::Promoted, Progress::Over { why }) = (&release.phase, &state.progress) {
        let notice = notice(&release, id, why);
        store.tell_drift(&release.target, None, &notice).await?;
        return Ok(Answer::Told);
    }
    if !is_followed(&release, id) {
        return Ok(Answer::NotFollowed);
    }
    Ok(match state.progress {
        Progress::Running => Answer::Running,
        Progress::Succeeded => {
            let token = release.deployment.and_then(|deployment| deployment.token);
            let Some(token) = token else { return Ok(Answer::Running) };
            executions.end_wait(&token).await?;
            Answer::Woken
        }
        Progress::Over { why } => {
            let cause = RollbackCause::Platform { why };
            let input = json!({ "releaseId": release.id, "cause": cause });
            let last = id.as_str().rsplit('/').next().unwrap_or_default();
            let name = format!("{}-{last}", release.id);
            let name = name.parse().unwrap_or_else(|_| release.id.clone());
            executions.start(Machine::Rollback, &name, &input).await?;
            Answer::RolledBack
        }
    })
}

/// Whether the release goes up by its deployment.
fn is_followed(release: &Release, id: &DeploymentId) -> bool {
    let goes_up = matches!(
        release.phase,
        Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
    );
    // It was told to stop, and the release sees to what follows.
    let gave_way = release.deployment.as_ref().is_some_and(|of| of.gave_way.as_ref() == Some(id));
    goes_up && !gave_way
}

/// Nothing of Perch's guards a release that is promoted: people hear that it does not serve any more. Their
/// notice is the same however often the event comes: it is of the time at which the release ended.
fn notice(release: &Release, id: &DeploymentId, why: &str) -> Notice {
    let (id_of_release, target) = (&release.id, &release.target);
    let again = release.canary.as_ref().map(|version| {
        format!(". To have version {version} serve: `perch rollback {target} --to {version} --reason TEXT`")
    });
    Notice {
        id: format!("deployment-{id}"),
        target: Some(target.clone()),
        at: release.ended_at.unwrap_or(release.started_at),
        what: Happened::DriftFound,
        text: format!(
            "{why}. That was after release {id_of_release} had been promoted, so the version before it may \
             serve again; `perch doctor {target}` says what does{}",
            again.unwrap_or_default()
        ),
    }
}
