//! A stage of a service deployment of ECS asks whether it may go on: the release's phase answers, so that
//! the judge holds the deployment for as long as it needs.
//!
//! A hook may be asked again at any time (ECS Developer Guide, "Lifecycle hooks for Amazon ECS service
//! deployments"), also while the deployment rolls back: every answer follows from what stands now.

use jiff::Timestamp;
use perch_core::deployment::{GATES, Passage, passage};
use perch_core::names::DeploymentId;
use perch_core::phase::Phase;
use perch_core::release::Release;

use super::seen::seen;
use crate::ports::{
    CommitRelease, InvokeVersion, LoadHead, LoadRelease, LoadStanding, PortError, ReadAlias,
    ReadDeployments, ReadServices, RequestUrl,
};
use crate::smoke;
use crate::step::{StepError, StepInput};

/// What a stage asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The service deployment.
    pub deployment: DeploymentId,
    /// The name of the stage, as ECS gives it.
    pub name: String,
}

/// What it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Succeeded,
    /// Put the baseline back.
    Failed,
    /// Ask again later.
    InProgress,
}

/// Answers a stage. A deployment that is not Perch's goes on.
///
/// # Errors
/// [`StepError`] when a port failed. ECS rolls back then, so a caller answers [`Answer::InProgress`] where
/// trying again helps.
pub async fn run(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    deployments: &impl ReadDeployments,
    (lambda, services): (&(impl ReadAlias + InvokeVersion), &impl ReadServices),
    web: &impl RequestUrl,
    stage: &Stage,
    clock: impl Fn() -> Timestamp,
) -> Result<Answer, StepError> {
    if !GATES.contains(&stage.name.as_str()) {
        return Ok(Answer::Succeeded);
    }
    let release = deployments.deployment(&stage.deployment).await?.release;
    let Some(id) = release else { return Ok(Answer::Succeeded) };
    let Some(release) = store.release(&id).await? else { return Ok(Answer::Succeeded) };
    let weight = match &release.phase {
        Phase::Shifting { .. } => seen((lambda, services), &release).await?.weight,
        _ => None,
    };
    let standing = store.standing(&release.target).await?;
    match passage(&release, &stage.deployment, weight, standing.stop.as_ref()) {
        Passage::Open => Ok(Answer::Succeeded),
        Passage::Tests => tested(store, (lambda, web), &release, clock).await,
        Passage::Shut => Ok(Answer::InProgress),
        Passage::Back => Ok(Answer::Failed),
    }
}

/// Does the smoke tests.
async fn tested(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    asks: (&impl InvokeVersion, &impl RequestUrl),
    release: &Release,
    clock: impl Fn() -> Timestamp,
) -> Result<Answer, StepError> {
    let id = &release.id;
    let step = StepInput { release_id: id.clone(), fence: release.fence };
    match smoke::run(store, asks, &step, clock).await {
        Ok(_) => {}
        Err(StepError::Port(PortError::Conflict { .. })) => return Ok(Answer::InProgress),
        Err(error) => return Err(error),
    }
    let now = store.release(id).await?;
    let passed = now.is_some_and(|release| release.has_passed_smoke_tests());
    Ok(if passed { Answer::Succeeded } else { Answer::Failed })
}
