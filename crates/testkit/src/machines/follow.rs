//! The step that follows a deployment.

use std::time::Duration;

use jiff::Timestamp;
use perch_app::deployment::follow::{self, FollowInput};
use perch_app::step::{StepError, StepOutput};

use crate::world::World;

/// A minute of CodeDeploy.
const MINUTE: Duration = Duration::from_secs(60);

pub(super) async fn follow(
    world: &World,
    input: &FollowInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let World { store, lambda, services, deployments, alarms, metrics, .. } = world;
    let (traffic, looks) = ((lambda, services), (lambda, alarms, metrics));
    follow::run(store, traffic, deployments, looks, input, (MINUTE, now)).await
}
