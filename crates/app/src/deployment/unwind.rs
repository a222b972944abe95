//! Stops the deployment of a release that goes back, and reads back that it put the baseline back.
//!
//! Traffic is on the baseline before the first call already; the deployment could move it again. It is
//! over only when neither it nor the deployment that takes it back runs any more.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::deployment::Deployment;
use perch_core::head::Snapshot;
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::ports::{
    CommitRelease, DeploymentState, LoadHead, LoadRelease, PortError, Progress, ReadAlias,
    ReadDeployments, ShiftWeight, StopDeployment,
};
use crate::restore_traffic::{Restored, restore};
use crate::step::{StepError, StepInput, StepOutput, held, keep, missing, settle};

/// How long a step that was under way when the fence was taken may still ask for a deployment: the
/// time-out of its function (30 s) and a margin.
const STEP: Duration = Duration::from_secs(40);

/// Seconds between two looks.
const LOOK: u64 = 3;

/// Does the next round.
///
/// # Errors
/// [`StepError`] when a port failed or the alias was not read back as set; a repeated call goes on.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    lambda: &(impl ReadAlias + ShiftWeight),
    deployments: &(impl ReadDeployments + StopDeployment),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let Phase::RollingBack { .. } = &release.phase else {
        return Ok(input.then(resume(&release, now)));
    };
    let head = store.head(&release.target).await?.filter(|head| head.fence == input.fence);
    let Some(head) = head else { return Ok(input.then(Next::End)) };
    let ledger = release.ledger.as_ref().ok_or_else(|| missing(&release, "ledger"))?;
    let Snapshot::Alias(alias) = &ledger.snapshot else {
        return Err(missing(&release, "alias"));
    };
    match state(deployments, &release).await? {
        Some(state) if state.progress == Progress::Running => {
            deployments.stop(&state.id).await?;
            let known = release.deployment.as_ref().is_some_and(|known| known.is_stopped);
            if known {
                return Ok(input.then(Next::Unwind { after_seconds: LOOK }));
            }
            let event = Event::DeploymentStopped { id: state.id };
            return settle(store, input, release, &event, None, now).await;
        }
        Some(DeploymentState { rollback: Some(rollback), .. })
            if deployments.deployment(&rollback).await?.progress == Progress::Running =>
        {
            return Ok(input.then(Next::Unwind { after_seconds: LOOK }));
        }
        Some(_) => {}
        // One may still be asked for by a step that was under way.
        None => {
            if let Some(settling) = settling(&release, now) {
                let next = Next::Unwind { after_seconds: LOOK };
                return keep(store, input, settling, next, now).await;
            }
        }
    }
    let event = match restore(store, lambda, &head, (ledger, alias), None).await? {
        Restored::Back(_) => Event::TrafficRestored,
        Restored::Foreign(route) => Event::TakenOver { found: route.to_string() },
    };
    settle(store, input, release, &event, None, now).await
}

async fn state(
    deployments: &impl ReadDeployments,
    release: &Release,
) -> Result<Option<DeploymentState>, PortError> {
    let Some(deployment) = &release.deployment else { return Ok(None) };
    match (&deployment.id, release.plan.driver.code_deploy()) {
        (Some(id), _) => deployments.deployment(id).await.map(Some),
        (None, Some(group)) => deployments.find(group, &release.id, deployment.asked_at).await,
        (None, None) => Ok(None),
    }
}

/// The release with the time at which no step of it can be under way any more, until that has come.
fn settling(release: &Release, now: Timestamp) -> Option<Release> {
    let deployment = release.deployment.clone()?;
    let end = now.saturating_add(STEP).unwrap_or(now);
    let settles_at = deployment.settles_at.unwrap_or(end);
    let deployment = Some(Deployment { settles_at: Some(settles_at), ..deployment });
    (now < settles_at).then(|| Release { deployment, ..release.clone() })
}
