//! What follows from what a driver does by itself.

use jiff::Timestamp;

use super::turn::roll_back;
use super::words::{moved, shifted};
use super::{Decision, Next, bake};
use crate::deployment::Rollback;
use crate::journal::What;
use crate::names::DeploymentId;
use crate::phase::{Phase, RollbackCause};
use crate::release::{Driver, Release};
use crate::weight::Weight;

/// Seconds between two looks at a deployment that has not shifted yet: no event tells of a shift.
const LOOK: u64 = 10;

/// Seconds before a stopped deployment is looked at again.
const STOPPING: u64 = 2;

/// The deployment exists: see how far it is.
pub(super) fn started(release: &Release, id: &DeploymentId, how: &str) -> Decision {
    Decision {
        phase: release.phase.clone(),
        next: Next::Follow { after_seconds: 0 },
        entries: vec![(What::DeploymentStarted, format!("{id} {how}"))],
    }
}

/// The driver is at a weight that the release has not followed to: on to the bake of that step. All
/// traffic before the judge was done is taken back, since no data never promotes.
pub(super) fn found(release: &Release, from: usize, weight: Weight, now: Timestamp) -> Decision {
    if weight == Weight::FULL {
        let text = "all traffic moved before there was evidence for it".to_owned();
        return roll_back(release, RollbackCause::NoData { reasons: vec![text] });
    }
    let steps = release.plan.steps.iter().enumerate().skip(from);
    let Some((step, _)) = steps.into_iter().find(|(_, step)| step.weight == weight) else {
        let error = format!("{weight} of traffic was found on the canary, which no step has");
        return roll_back(release, RollbackCause::Error { error });
    };
    Decision {
        phase: Phase::Baking { step, weight, since: now },
        next: Next::Judge { after_seconds: bake::first_look(release, step, now) },
        entries: vec![(What::WeightShifted, shifted(release, weight))],
    }
}

/// A deployment is told to stop: see that it did, and what has become of the traffic.
pub(super) fn stopped(
    release: &Release,
    id: &DeploymentId,
    rollback: Rollback,
    found: Option<&str>,
) -> Decision {
    let told = match rollback {
        Rollback::ToBaseline => "put the baseline back",
        Rollback::LeaveAsFound => "leave the traffic as it is",
    };
    let why = found.map(|found| format!(": {}", moved(release, found))).unwrap_or_default();
    let after_seconds = STOPPING;
    Decision {
        phase: release.phase.clone(),
        next: match release.phase {
            Phase::RollingBack { .. } => Next::Unwind { after_seconds },
            _ => Next::Follow { after_seconds },
        },
        entries: vec![(
            What::DeploymentStopped,
            format!("{id} is told to stop and to {told}{why}"),
        )],
    }
}

/// When to look again at a deployment that is not where the release waits for it.
///
/// On Lambda its end is that, and comes as an event, if best effort. On ECS it goes on after all traffic has
/// moved, for as long as the baseline's tasks are kept, and no event tells of the shift.
pub fn look_again(release: &Release) -> Next {
    match (&release.phase, &release.plan.driver) {
        (Phase::Promoting { .. }, Driver::Alias(_)) => Next::Await,
        _ => Next::Follow { after_seconds: LOOK },
    }
}
