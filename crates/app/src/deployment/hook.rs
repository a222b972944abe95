//! A hook of a deployment: the canary has its smoke tests before it has any traffic, and the deployment
//! goes on or fails by what became of them.
//!
//! A hook is asked once and answers once (CodeDeploy User Guide, "`AppSpec` 'hooks' section"): what
//! someone else wrote in between is read again here, and no answer is left to a time-out of an hour.

use jiff::Timestamp;
use perch_core::names::{DeploymentId, ReleaseId};
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::ports::{
    AnswerHook, CommitRelease, InvokeVersion, LoadHead, LoadRelease, PortError, ReadDeployments,
    RequestUrl,
};
use crate::smoke;
use crate::step::{StepError, StepInput};

/// How often all is done anew because someone else changed the release meanwhile, or something was not
/// there: CodeDeploy asks once, and each call has waited between tries of its own.
const ATTEMPTS: usize = 5;

/// A hook that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its deployment.
    pub deployment: DeploymentId,
    /// The execution that the answer is for.
    pub execution: String,
}

/// What a hook was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The deployment goes on.
    Succeeded,
    /// It fails, and puts the baseline back.
    Failed,
}

/// Does the smoke tests of the release that the deployment is for, and answers the hook. A deployment
/// that is not Perch's goes on.
///
/// # Errors
/// [`StepError`] when a port failed: the hook has no answer yet, and a repeated call goes on.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    deployments: &(impl ReadDeployments + AnswerHook),
    asks: (&impl InvokeVersion, &impl RequestUrl),
    hook: &Hook,
    clock: impl Fn() -> Timestamp,
) -> Result<Answer, StepError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match once(store, deployments, asks, hook, &clock).await {
            Err(StepError::Port(PortError::Conflict { .. } | PortError::Unavailable { .. }))
                if attempts < ATTEMPTS => {}
            done => return done,
        }
    }
}

async fn once(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    deployments: &(impl ReadDeployments + AnswerHook),
    asks: (&impl InvokeVersion, &impl RequestUrl),
    hook: &Hook,
    clock: &impl Fn() -> Timestamp,
) -> Result<Answer, StepError> {
    let release = deployments.deployment(&hook.deployment).await?.release;
    let answer = match &release {
        None => Answer::Succeeded,
        Some(release) => tested(store, asks, release, clock).await?,
    };
    deployments.answer(hook, answer).await?;
    Ok(answer)
}

async fn tested(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    asks: (&impl InvokeVersion, &impl RequestUrl),
    id: &ReleaseId,
    clock: &impl Fn() -> Timestamp,
) -> Result<Answer, StepError> {
    let Some(release) = store.release(id).await? else { return Ok(Answer::Succeeded) };
    if let Some(answer) = known(&release) {
        return Ok(answer);
    }
    let step = StepInput { release_id: id.clone(), fence: release.fence };
    smoke::run(store, asks, &step, clock).await?;
    let tested = store.release(id).await?;
    // It went on to what has no place for tests: what it is now says whether the canary may have traffic.
    Ok(tested.as_ref().and_then(known).unwrap_or(Answer::Failed))
}

/// What follows from the release as it stands, unless it has tests to do.
fn known(release: &Release) -> Option<Answer> {
    match &release.phase {
        Phase::Shifting { .. } | Phase::Promoting { .. } => {
            release.has_passed_smoke_tests().then_some(Answer::Succeeded)
        }
        Phase::Baking { .. } | Phase::Watching { .. } | Phase::Promoted => Some(Answer::Succeeded),
        Phase::Pending
        | Phase::Preparing
        | Phase::RollingBack { .. }
        | Phase::RolledBack { .. }
        | Phase::Rejected { .. }
        | Phase::Superseded { .. }
        | Phase::Stuck { .. } => Some(Answer::Failed),
    }
}
