//! What a driver that moves by itself can't do.

use std::time::Duration;

use super::{MetricResolution, Target};
use crate::artifact::Lane;
use crate::deployment::Schedule;
use crate::release::{Mover, Plan};
use crate::span::Span;

/// The fields and what is wrong with them.
pub(super) fn deployment_problems(
    target: &Target,
    resolution: MetricResolution,
) -> Vec<(&'static str, String)> {
    // A local stack may have a faster clock.
    let minute = match resolution {
        MetricResolution::Minute => Duration::from_secs(60),
        MetricResolution::Second => Duration::from_secs(1),
    };
    let mut found = Vec::new();
    for lane in [Lane::Code, Lane::Model] {
        let plan = Plan::of(target, lane).filter(|plan| plan.driver.moves_itself());
        if let Some(plan) = plan {
            found.extend(plan_problems(&plan, fields(target, lane), minute));
        }
    }
    found.dedup();
    found
}

/// Where rollout and judge of a lane are written.
fn fields(target: &Target, lane: Lane) -> [&'static str; 2] {
    let own = &target.model_release;
    match lane {
        Lane::Code => ["rollout", "judge.lowTraffic"],
        Lane::Model => [
            if own.rollout.is_some() { "modelRelease.rollout" } else { "rollout" },
            if own.judge.is_some() { "modelRelease.judge.lowTraffic" } else { "judge.lowTraffic" },
        ],
    }
}

fn plan_problems(
    plan: &Plan,
    [rollout, low_traffic]: [&'static str; 2],
    minute: Duration,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Err(error) = Schedule::of(&plan.steps, minute) {
        found.push((rollout, format!("{error}{}", or_perch(plan))));
    }
    if let Some(last) = plan.steps.last()
        && last.bake.duration() < plan.head_start() + plan.judge.interval.duration()
    {
        let needed = (plan.head_start() + plan.judge.interval.duration()).as_secs();
        found.push((
            rollout,
            format!(
                "{} does not wait for the judge, which has to be done {} s before all traffic moves: \
                 bake the last step for {} or longer{}",
                who(plan),
                plan.head_start().as_secs(),
                Span::seconds(needed),
                or_perch(plan)
            ),
        ));
    }
    let rule = &plan.judge.low_traffic;
    if rule.raise_weight.is_some() || rule.extend.is_some() {
        found.push((
            low_traffic,
            format!(
                "{} moves by a schedule of its own, which low traffic can't change: remove \
                 `raiseWeight` and `extend`{}",
                who(plan),
                or_perch(plan)
            ),
        ));
    }
    found
}

fn who(plan: &Plan) -> &'static str {
    match plan.driver.mover() {
        Some(Mover::Ecs(_)) => "ECS",
        Some(Mover::CodeDeploy(_)) | None => "CodeDeploy",
    }
}

/// A function has a driver that can do it.
fn or_perch(plan: &Plan) -> &'static str {
    match plan.driver.alias() {
        Some(_) => ", or take `codeDeploy` out and Perch moves the weights itself",
        None => "",
    }
}
