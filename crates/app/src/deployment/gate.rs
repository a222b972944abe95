//! What happens while someone else's deployment is under way.

use perch_core::deployment::Rollback;
use perch_core::names::ReleaseId;
use perch_core::release::Mover;
use perch_core::target::{CodeDeploy, WhenBusy};

use crate::ports::{DeploymentState, PortError, ReadDeployments, StopDeployment};

/// Seconds before it is looked at again.
const BUSY: u64 = 15;

/// Seconds before it is looked at again once a deployment was stopped.
const STOPPED: u64 = 5;

/// What to do.
pub(super) enum Gate {
    /// Nothing is under way.
    Free,
    /// Look again after so many seconds.
    Wait(u64),
    /// The release can't have its deployment.
    Refused(String),
}

/// Carries out what the target says about someone else's deployment. `own` is the release that asks: its
/// own deployment, which another try of the same step has made, is only waited for.
pub(super) async fn pass(
    deployments: &(impl ReadDeployments + StopDeployment),
    mover: Mover<'_>,
    own: Option<&ReleaseId>,
) -> Result<Gate, PortError> {
    let Some(other) = deployments.under_way(mover).await? else { return Ok(Gate::Free) };
    if other.release.is_some() && other.release.as_ref() == own {
        return Ok(Gate::Wait(1));
    }
    let group = match mover {
        Mover::CodeDeploy(group) => group,
        // ECS takes a new deployment at any time and rolls the other one back (ECS Developer Guide,
        // "Amazon ECS service deployments"): someone else's is left to end.
        Mover::Ecs(_) => return Ok(Gate::Wait(BUSY)),
    };
    Ok(match group.when_busy {
        // It brings a good state back, or is what Perch promoted before and only waits until the tasks
        // of the former baseline may end: nothing replaces that.
        WhenBusy::Replace if other.is_rollback || other.release.is_some() => Gate::Wait(STOPPED),
        WhenBusy::Wait => Gate::Wait(BUSY),
        WhenBusy::Replace => {
            deployments.stop(&other.id, Rollback::ToBaseline).await?;
            Gate::Wait(STOPPED)
        }
        WhenBusy::Reject => Gate::Refused(busy(group, &other)),
    })
}

fn busy(group: &CodeDeploy, other: &DeploymentState) -> String {
    format!(
        "deployment {} runs in {group}, and CodeDeploy takes one at a time: push again once it has \
         ended, or write `whenBusy: wait` or `whenBusy: replace` under `codeDeploy`",
        other.id
    )
}
