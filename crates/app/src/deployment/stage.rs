//! A stage of a service deployment of ECS asks whether it may go on: the release's phase answers, so that
//! the judge holds the deployment for as long as it needs.
//!
//! A hook may be asked again at any time (ECS Developer Guide, "Lifecycle hooks for Amazon ECS service
//! deployments"), also while the deployment rolls back: every answer follows from what stands now.

use jiff::Timestamp;
use perch_core::names::{DeploymentId, ReleaseId};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::smoke::all_passed;

use super::seen::seen;
use crate::ports::{
    CommitRelease, InvokeVersion, LoadHead, LoadRelease, PortError, ReadAlias, ReadDeployments,
    ReadServices, RequestUrl,
};
use crate::smoke;
use crate::step::{StepError, StepInput};

/// The stages before production traffic moves. At all others there is nothing to decide.
const GATES: [&str; 2] = ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"];

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
    store: &(impl LoadRelease + LoadHead + CommitRelease),
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
    match &release.phase {
        Phase::Shifting { weight, .. } => {
            // It is there already, and Perch has not looked yet: the next step is not this one.
            if seen((lambda, services), &release).await?.weight.is_none_or(|now| now >= *weight) {
                return Ok(Answer::InProgress);
            }
            tested(store, (lambda, web), release, clock).await
        }
        Phase::Promoting { .. } => tested(store, (lambda, web), release, clock).await,
        Phase::Baking { .. } => Ok(Answer::InProgress),
        Phase::Watching { .. } | Phase::Promoted => Ok(Answer::Succeeded),
        // The revision that is tagged with a release also comes back as somebody's baseline.
        Phase::RolledBack { .. } | Phase::Superseded { .. } if !is_own(&release, stage) => {
            Ok(Answer::Succeeded)
        }
        Phase::Pending
        | Phase::Preparing
        | Phase::RollingBack { .. }
        | Phase::RolledBack { .. }
        | Phase::Rejected { .. }
        | Phase::Superseded { .. }
        | Phase::Stuck { .. } => Ok(Answer::Failed),
    }
}

fn is_own(release: &Release, stage: &Stage) -> bool {
    let known = release.deployment_id();
    known.is_none_or(|known| *known == stage.deployment)
}

/// Does the smoke tests unless they passed.
async fn tested(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    asks: (&impl InvokeVersion, &impl RequestUrl),
    release: Release,
    clock: impl Fn() -> Timestamp,
) -> Result<Answer, StepError> {
    let passed = |release: &Release| release.plan.smoke.is_none() || all_passed(&release.smoke);
    if passed(&release) {
        return Ok(Answer::Succeeded);
    }
    let id: ReleaseId = release.id.clone();
    let step = StepInput { release_id: id.clone(), fence: release.fence };
    match smoke::run(store, asks, &step, clock).await {
        Ok(_) => {}
        Err(StepError::Port(PortError::Conflict { .. })) => return Ok(Answer::InProgress),
        Err(error) => return Err(error),
    }
    let now = store.release(&id).await?;
    Ok(if now.as_ref().is_some_and(passed) { Answer::Succeeded } else { Answer::Failed })
}
