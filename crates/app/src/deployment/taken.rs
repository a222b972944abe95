//! Someone else moved the traffic while a deployment of the release may move it again: that one is stopped,
//! and read back as ended, before the release lets go.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::deployment::{Deployment, Purpose, Rollback};
use perch_core::names::DeploymentId;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Mover, Release};

use super::ask::known;
use super::seen::{Seen, seen};
use crate::ports::{
    CommitRelease, DeploymentState, LoadHead, PortError, Progress, ReadAlias, ReadDeployments,
    ReadServices, StopDeployment,
};
use crate::settling::{is_settled, settles_at};
use crate::step::{RoundInput, StepError, StepOutput, keep, settle};

/// Seconds between two looks at a deployment that ends.
pub(super) const LOOK: u64 = 3;

/// Does the next round before the release lets go: what runs is told to stop, then waited for. Where the
/// traffic is the release's own (again), the release goes on.
///
/// # Errors
/// [`StepError`] when a port failed; a repeated call goes on.
pub(super) async fn let_go(
    store: &(impl LoadHead + CommitRelease),
    reads: (&impl ReadAlias, &impl ReadServices),
    deployments: &(impl ReadDeployments + StopDeployment),
    round: &RoundInput,
    release: Release,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let input = &round.step;
    // Before where the traffic goes: what has ended by then moves it no more.
    let own = own(deployments, &release).await?;
    let found = seen(reads, &release).await?;
    if !is_foreign(&release, &found, &own) {
        return Ok(input.then(going_on(&release, now)));
    }
    let goes_back = matches!(release.phase, Phase::RollingBack { .. });
    let wait = if goes_back {
        Next::Unwind { after_seconds: LOOK }
    } else {
        Next::Follow { after_seconds: LOOK }
    };
    match own {
        Own::Ended => {
            let event = Event::TakenOver { found: found.text };
            settle(store, input, release, &event, None, now).await
        }
        // The rollback machine goes on with the same, and pages where it takes too long.
        Own::Runs(_) | Own::Ends | Own::Unknown if now >= release.deadline && !goes_back => {
            let cause = RollbackCause::Deadline { deadline: release.deadline };
            settle(store, input, release, &Event::RollbackRequested(cause), None, now).await
        }
        Own::Runs(id) => {
            let rollback = rollback(&release);
            let is_told =
                release.deployment.as_ref().is_some_and(|of| of.gave_way == Some(id.clone()));
            let output = if is_told {
                keep(store, input, release, wait, now).await?
            } else {
                let event =
                    Event::DeploymentStopped { id: id.clone(), rollback, found: Some(found.text) };
                settle(store, input, release, &event, None, now).await?
            };
            if output.next != Next::End.name() {
                deployments.stop(&id, rollback).await?;
            }
            Ok(output)
        }
        Own::Ends => keep(store, input, release, wait, now).await,
        Own::Unknown => match settling(&release, round, now) {
            Some(settling) => keep(store, input, settling, wait, now).await,
            None => {
                let event = Event::TakenOver { found: found.text };
                settle(store, input, release, &event, None, now).await
            }
        },
    }
}

/// What a release has that may move its traffic.
enum Own {
    /// Nothing any more.
    Ended,
    /// This one runs.
    Runs(DeploymentId),
    /// One runs that may only be waited for.
    Ends,
    /// One that was asked for, and is not there so far.
    Unknown,
}

async fn own(deployments: &impl ReadDeployments, release: &Release) -> Result<Own, StepError> {
    let Some(deployment) = &release.deployment else { return Ok(Own::Ended) };
    let canary = match state(deployments, release).await? {
        Some(state) => running(deployments, release, state, Purpose::Canary).await?,
        None => Own::Unknown,
    };
    let Some(way_back) = &deployment.way_back else { return Ok(canary) };
    if matches!(canary, Own::Runs(_) | Own::Ends) {
        return Ok(canary);
    }
    let state = match &way_back.id {
        Some(id) => Some(deployments.deployment(id).await?),
        None => known(deployments, release, Purpose::WayBack, way_back.asked_at).await?,
    };
    Ok(match state {
        Some(state) => running(deployments, release, state, Purpose::WayBack).await?,
        None => Own::Unknown,
    })
}

/// Whether it runs, or the one that takes it back. A stop with rollback of what brings the baseline back
/// would put the canary back.
async fn running(
    deployments: &impl ReadDeployments,
    release: &Release,
    state: DeploymentState,
    purpose: Purpose,
) -> Result<Own, PortError> {
    let leaves = rollback(release) == Rollback::LeaveAsFound;
    if state.progress == Progress::Running {
        let may_stop = leaves || purpose == Purpose::Canary;
        return Ok(if may_stop { Own::Runs(state.id) } else { Own::Ends });
    }
    let Some(rollback) = state.rollback else { return Ok(Own::Ended) };
    let runs = deployments.deployment(&rollback).await?.progress == Progress::Running;
    Ok(if !runs {
        Own::Ended
    } else if leaves {
        Own::Runs(rollback)
    } else {
        Own::Ends
    })
}

/// The deployment that takes the canary up, if there is one so far.
pub(super) async fn state(
    deployments: &impl ReadDeployments,
    release: &Release,
) -> Result<Option<DeploymentState>, StepError> {
    let Some(deployment) = &release.deployment else { return Ok(None) };
    match &deployment.id {
        Some(id) => Ok(Some(deployments.deployment(id).await?)),
        None => known(deployments, release, Purpose::Canary, deployment.asked_at).await,
    }
}

/// The release with the time at which no step of it can be under way any more, until that has come.
pub(super) fn settling(release: &Release, round: &RoundInput, now: Timestamp) -> Option<Release> {
    let deployment = release.deployment.clone()?;
    let settles_at = settles_at(deployment.settles_at, round, now);
    let deployment = Some(Deployment { settles_at: Some(settles_at), ..deployment });
    (!is_settled(settles_at, round, now)).then(|| Release { deployment, ..release.clone() })
}

/// A release that goes back puts back whatever it may have set itself; one that goes up knows what there
/// should be, and without a deployment that is the baseline.
fn is_foreign(release: &Release, found: &Seen, own: &Own) -> bool {
    match (&release.phase, own) {
        (Phase::RollingBack { .. }, _) => !found.is_within,
        (_, Own::Unknown) => !found.is_baseline(),
        _ => found.weight.is_none(),
    }
}

/// ECS stops its own deployments with rollback alone.
fn rollback(release: &Release) -> Rollback {
    match release.plan.driver.mover() {
        Some(Mover::Ecs(_)) => Rollback::ToBaseline,
        Some(Mover::CodeDeploy(_)) | None => Rollback::LeaveAsFound,
    }
}

fn going_on(release: &Release, now: Timestamp) -> Next {
    if matches!(release.phase, Phase::RollingBack { .. }) {
        return Next::Unwind { after_seconds: 0 };
    }
    resume(release, now)
}
