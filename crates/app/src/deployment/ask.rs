//! Asks for a deployment, once.
//!
//! CodeDeploy and ECS take no client token. The intent is durable before the call, and a repeated step
//! looks for a deployment that is for the release before it asks for one.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::deployment::{Purpose, Schedule, Unfit};
use perch_core::head::Ledger;
use perch_core::names::{AlarmName, DeploymentId, Version};
use perch_core::release::{Mover, Release};

use super::gate::{Gate, pass};
use crate::move_alias::way;
use crate::ports::{
    Deploy, Deploying, DeploymentState, PortError, ReadDeployments, StopDeployment,
};
use crate::step::{StepError, missing};

/// What came of asking.
pub(super) enum Asked {
    /// It exists.
    Started(DeploymentId, String),
    /// Not yet: ask again after so many seconds.
    Again(u64),
    /// It can't be had.
    Refused(String),
}

/// The deployment that was asked for already, or a new one.
pub(super) async fn ask(
    deployments: &(impl Deploy + ReadDeployments + StopDeployment),
    release: &Release,
    purpose: Purpose,
    (asked_at, minute): (Timestamp, Duration),
) -> Result<Asked, StepError> {
    let errand = Errand::of(release, purpose)?;
    let deploying = match errand.deploying(minute) {
        Ok(deploying) => deploying,
        Err(error) => return Ok(Asked::Refused(error.to_string())),
    };
    let found = match deployments.find(&deploying, asked_at).await {
        Ok(Some(found)) => Ok(found.id),
        Ok(None) => deployments.create(deploying).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(id) => Ok(started(id, &deploying)),
        Err(PortError::Conflict { .. }) => {
            Ok(match pass(deployments, deploying.mover, Some(&release.id)).await? {
                Gate::Free => Asked::Again(1),
                Gate::Wait(after_seconds) => Asked::Again(after_seconds),
                Gate::Refused(why) => Asked::Refused(why),
            })
        }
        Err(
            error @ (PortError::NotFound { .. }
            | PortError::Denied { .. }
            | PortError::Invalid { .. }),
        ) => Ok(Asked::Refused(error.to_string())),
        Err(error @ PortError::Unavailable { .. }) => Err(error.into()),
    }
}

/// The deployment that was asked for already, where there is one.
pub(super) async fn known(
    deployments: &impl ReadDeployments,
    release: &Release,
    purpose: Purpose,
    asked_at: Timestamp,
) -> Result<Option<DeploymentState>, StepError> {
    let errand = Errand::of(release, purpose)?;
    let deploying = errand.going(Schedule::AllAtOnce);
    match deployments.find(&deploying, asked_at).await {
        // A group that is not there has none.
        Err(PortError::NotFound { .. }) => Ok(None),
        found => Ok(found?),
    }
}

fn started(id: DeploymentId, deploying: &Deploying<'_>) -> Asked {
    Asked::Started(id, format!("by {}", deploying.mover))
}

/// What a release has a deployment do, with what that borrows.
struct Errand<'a> {
    release: &'a Release,
    ledger: &'a Ledger,
    mover: Mover<'a>,
    canary: Version,
    purpose: Purpose,
    guards: Option<Vec<AlarmName>>,
}

impl<'a> Errand<'a> {
    fn of(release: &'a Release, purpose: Purpose) -> Result<Self, StepError> {
        let mover = release.plan.driver.mover().ok_or_else(|| missing(release, "deployment"))?;
        let (ledger, canary) = way(release)?;
        let guards = guards(release, purpose);
        Ok(Self { release, ledger, mover, canary, purpose, guards })
    }

    fn deploying(&self, minute: Duration) -> Result<Deploying<'_>, Unfit> {
        let schedule = match self.purpose {
            Purpose::Canary => Schedule::of(&self.release.plan.steps, minute)?,
            Purpose::WayBack => Schedule::AllAtOnce,
        };
        Ok(self.going(schedule))
    }

    fn going(&self, schedule: Schedule) -> Deploying<'_> {
        let (baseline, canary) = (&self.ledger.baseline, &self.canary);
        let (from, to) = match self.purpose {
            Purpose::Canary => (baseline, canary),
            Purpose::WayBack => (canary, baseline),
        };
        Deploying {
            mover: self.mover,
            snapshot: &self.ledger.snapshot,
            release: &self.release.id,
            purpose: self.purpose,
            from,
            to,
            schedule,
            alarms: self.guards.as_deref(),
            is_tested: self.purpose == Purpose::Canary && tests_in_a_hook(self.release),
        }
    }
}

/// The smoke tests of a canary that has no address of its own are done by a hook of its deployment.
pub(super) fn tests_in_a_hook(release: &Release) -> bool {
    let can = release.plan.driver.capabilities();
    release.plan.smoke.is_some() && can.hooks && !can.address
}

/// The alarms that count, where the deployment's own are not the right ones: on the way up without those
/// that were in ALARM at the start, and none at all on the way back.
fn guards(release: &Release, purpose: Purpose) -> Option<Vec<AlarmName>> {
    if purpose == Purpose::WayBack {
        return Some(Vec::new());
    }
    let counts = |alarm: &&AlarmName| !release.ignored_guards.contains(alarm);
    let guards = || release.plan.guards.iter().filter(counts).cloned().collect();
    (!release.ignored_guards.is_empty()).then(guards)
}
