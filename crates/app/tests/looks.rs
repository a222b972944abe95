//! What the tests of looks share: the release `news-1`, and when its minutes are settled.

use perch_app::judge_canary;
use perch_app::step::{StepInput, StepOutput};
use perch_core::release::Release;
use perch_testkit::{World, at};

/// A time-out of 3 seconds and half a minute.
pub(crate) const SETTLE: u32 = 33;

pub(crate) fn input() -> StepInput {
    StepInput { release_id: "news-1".parse().unwrap(), fence: 1 }
}

pub(crate) async fn judge(world: &World, seconds: i64) -> StepOutput {
    let World { store, lambda, metrics, alarms, .. } = world;
    judge_canary::run(
        store,
        (lambda, &world.services, &world.deployments),
        (metrics, alarms),
        &input(),
        at(seconds),
    )
    .await
    .unwrap()
}

pub(crate) fn current(world: &World) -> Release {
    world.release(&"news-1".parse().unwrap())
}

/// When this many minutes are settled.
pub(crate) fn settled(minutes: i64) -> i64 {
    60 * minutes + i64::from(SETTLE)
}
