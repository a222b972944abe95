//! What happens when a deployment group is busy with someone else's deployment.

use perch_core::target::{CodeDeploy, WhenBusy};

use crate::ports::{DeploymentState, PortError, ReadDeployments, StopDeployment};

/// Seconds before a busy group is looked at again.
const BUSY: u64 = 15;

/// Seconds before a group is looked at again whose deployment was stopped.
const STOPPED: u64 = 5;

/// What to do about a group.
pub(super) enum Gate {
    /// Nothing is under way.
    Free,
    /// Look again after so many seconds.
    Wait(u64),
    /// The release can't have the group.
    Refused(String),
}

/// Carries out what the target says about a busy group.
pub(super) async fn pass(
    deployments: &(impl ReadDeployments + StopDeployment),
    group: &CodeDeploy,
) -> Result<Gate, PortError> {
    let Some(other) = deployments.under_way(group).await? else { return Ok(Gate::Free) };
    Ok(match group.when_busy {
        // It brings a good state back: nothing replaces that.
        WhenBusy::Replace if other.is_rollback => Gate::Wait(STOPPED),
        WhenBusy::Wait => Gate::Wait(BUSY),
        WhenBusy::Replace => {
            deployments.stop(&other.id).await?;
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
