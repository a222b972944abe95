//! Stops the deployment of a release that goes back, and reads back that the baseline has all traffic.
//!
//! On Lambda traffic is on the baseline before the first call already, and the deployment could move it
//! again. On ECS nobody but the deployment moves it: it is stopped with rollback, or, once it has ended,
//! another one brings the baseline back. It is over only when none of them runs any more.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::deployment::{Deployment, Purpose, Rollback, WayBack};
use perch_core::head::{Head, Ledger, Snapshot};
use perch_core::phase::Phase;
use perch_core::release::Release;

use super::ask::{Asked, ask};
use super::seen::seen;
use super::taken::{LOOK, let_go, settling, state};
use crate::ports::{
    CommitRelease, Deploy, DeploymentState, LoadHead, LoadRelease, Progress, ReadAlias,
    ReadDeployments, ReadServices, ShiftWeight, StopDeployment,
};
use crate::restore_traffic::{Restored, restore};
use crate::step::{RoundInput, StepError, StepOutput, held, keep, missing, robbed, settle};

/// Does the next round.
///
/// # Errors
/// [`StepError`] when a port failed or the traffic was not read back as set; a repeated call goes on.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    (lambda, services): (&(impl ReadAlias + ShiftWeight), &impl ReadServices),
    deployments: &(impl Deploy + ReadDeployments + StopDeployment),
    round: &RoundInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let input = &round.step;
    let Some(release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let Phase::RollingBack { .. } = &release.phase else {
        return Ok(input.then(resume(&release, now)));
    };
    let head = match store.head(&release.target).await? {
        Some(head) if head.fence == input.fence => head,
        head => return Ok(input.then(robbed(head.as_ref(), &release))),
    };
    let again = || input.then(Next::Unwind { after_seconds: LOOK });
    if release.deployment.is_some() && !seen((lambda, services), &release).await?.is_within {
        return let_go(store, (lambda, services), deployments, round, release, now).await;
    }
    match state(deployments, &release).await? {
        Some(state) if state.progress == Progress::Running => {
            deployments.stop(&state.id, Rollback::ToBaseline).await?;
            let known = release.deployment.as_ref().is_some_and(|known| known.is_stopped);
            if known {
                return Ok(again());
            }
            let rollback = Rollback::ToBaseline;
            let event = Event::DeploymentStopped { id: state.id, rollback, found: None };
            return settle(store, input, release, &event, None, now).await;
        }
        Some(DeploymentState { rollback: Some(rollback), .. })
            if deployments.deployment(&rollback).await?.progress == Progress::Running =>
        {
            return Ok(again());
        }
        Some(_) => {}
        // One may still be asked for by a step that was under way; where the way back was asked for, that
        // is over.
        None if release.deployment.as_ref().is_some_and(|of| of.way_back.is_none()) => {
            if let Some(settling) = settling(&release, round, now) {
                let next = Next::Unwind { after_seconds: LOOK };
                return keep(store, input, settling, next, now).await;
            }
        }
        None => {}
    }
    let back = match &release.ledger {
        Some(Ledger { snapshot: Snapshot::Service(_), .. }) => {
            let ports = ((lambda, services), deployments);
            bring_back(ports, release.clone(), now).await?
        }
        _ => set_back(store, lambda, &head, &release).await?,
    };
    match back {
        Back::Event(event) => settle(store, input, release, &event, None, now).await,
        Back::Keep(release) => {
            let next = Next::Unwind { after_seconds: LOOK };
            keep(store, input, *release, next, now).await
        }
        Back::Again => Ok(again()),
    }
}

/// How far the way back is.
enum Back {
    Event(Box<Event>),
    Keep(Box<Release>),
    Again,
}

impl Back {
    fn event(event: Event) -> Self {
        Back::Event(Box::new(event))
    }
}

/// Perch moves an alias itself.
async fn set_back(
    store: &impl LoadHead,
    lambda: &(impl ReadAlias + ShiftWeight),
    head: &Head,
    release: &Release,
) -> Result<Back, StepError> {
    let ledger = release.ledger.as_ref().ok_or_else(|| missing(release, "ledger"))?;
    let alias = ledger.alias().ok_or_else(|| missing(release, "alias"))?;
    Ok(Back::event(match restore(store, lambda, head, (ledger, alias), None).await? {
        Restored::Back(_) => Event::TrafficRestored,
        Restored::Foreign(route) => Event::TakenOver { found: route.to_string() },
    }))
}

/// A deployment of its own brings the baseline of an ECS service back where none is left to do it.
async fn bring_back(
    (reads, deployments): (
        (&impl ReadAlias, &impl ReadServices),
        &(impl Deploy + ReadDeployments + StopDeployment),
    ),
    mut release: Release,
    now: Timestamp,
) -> Result<Back, StepError> {
    let found = seen(reads, &release).await?;
    let way_back = release.deployment.as_ref().and_then(|of| of.way_back.clone());
    let running = match &way_back {
        Some(WayBack { id: Some(id), .. }) => match deployments.deployment(id).await?.progress {
            Progress::Running => true,
            Progress::Succeeded => false,
            Progress::Over { why } if !found.is_baseline() => {
                return Ok(Back::event(Event::RestoreFailed { why }));
            }
            Progress::Over { .. } => false,
        },
        _ => false,
    };
    // A deployment that keeps the canary's tasks for a while does no harm.
    if found.is_baseline() {
        return Ok(Back::event(Event::TrafficRestored));
    }
    if found.weight.is_none() && release.deployment.is_none() {
        return Ok(Back::event(Event::TakenOver { found: found.text }));
    }
    // Someone else moved it just now.
    if found.weight.is_none() {
        return Ok(Back::Again);
    }
    if running {
        return Ok(Back::Again);
    }
    let deployment = release.deployment.get_or_insert_with(|| Deployment::asked_at(now));
    match way_back {
        None => {
            deployment.settles_at = None;
            deployment.way_back = Some(WayBack { asked_at: now, id: None });
        }
        // Someone else had moved the traffic, and put it back: no step asks while that settles.
        Some(WayBack { id: None, .. }) if deployment.settles_at.is_some() => {
            deployment.settles_at = None;
        }
        Some(WayBack { asked_at, id: None }) => {
            let asked = (asked_at, Duration::from_secs(60));
            match ask(deployments, &release, Purpose::WayBack, asked).await? {
                Asked::Started(id, _) => {
                    let way_back = Some(WayBack { asked_at, id: Some(id) });
                    if let Some(deployment) = &mut release.deployment {
                        deployment.way_back = way_back;
                    }
                }
                Asked::Again(_) => return Ok(Back::Again),
                // Tried again as long as the state machine does.
                Asked::Refused(why) => {
                    return Err(StepError::NotAsSet {
                        what: release.plan.driver.to_string(),
                        expected: "the baseline alone".to_owned(),
                        found: format!("{}, and nothing brings it back: {why}", found.text),
                    });
                }
            }
        }
        // It has ended, and the load balancer follows.
        Some(WayBack { id: Some(_), .. }) => return Ok(Back::Again),
    }
    Ok(Back::Keep(Box::new(release)))
}
