//! What a deployment can do wrong, or a step with it: the walk finds each.

use perch_testkit::Mutation::{self, DeploymentsHidden, HookSkipped, NoTimeOut, ReadBackGone};
use perch_testkit::World;
use perch_testkit::model::State;

use crate::checked::walk;
use crate::driven::{Kind, fresh, played, tested};
use crate::scenarios::{CRASH, NONE, ORPHAN, alarm, push};

/// The same scenario holds without the mutation: see `driven`.
fn breaks(kind: Kind, mutation: Mutation, promises: &[&str], start: impl FnOnce(World) -> State) {
    let world = if mutation == HookSkipped { tested(kind) } else { fresh(kind) };
    world.deployments.change(|service| service.mutation = Some(mutation));
    let found = walk(start(world));
    println!("{kind:?}, {mutation:?}: {found}\n{}", found.ways_to_broken());
    let promise = promises.iter().find(|promise| found.broken.contains_key(**promise));
    let promise = promise.unwrap_or_else(|| panic!("{mutation:?} was not found"));
    assert!(found.broken[promise].contains(&format!("=> {promise}: ")));
}

fn on_the_way(world: World) -> State {
    played(world, "Shifting").with(vec![], CRASH)
}

#[test]
fn a_second_deployment_is_found() {
    for kind in [Kind::Lambda, Kind::Ecs, Kind::Native] {
        breaks(kind, DeploymentsHidden, &["P4", "P8"], on_the_way);
    }
}

#[test]
fn a_promotion_that_is_not_read_back_is_found() {
    for kind in [Kind::Ecs, Kind::Native] {
        breaks(kind, ReadBackGone, &["P5"], |world| played(world, "Promoting").with(vec![], NONE));
    }
}

#[test]
fn traffic_before_the_hook_had_its_answer_is_found() {
    for kind in [Kind::Ecs, Kind::Native] {
        breaks(kind, HookSkipped, &["P9"], |world| State::new(world, vec![push()], NONE));
    }
}

#[test]
fn a_step_that_outlives_its_time_out_is_found() {
    for kind in [Kind::Lambda, Kind::Ecs, Kind::Native] {
        breaks(kind, NoTimeOut, &["P2", "P8"], |world| {
            played(world, "Shifting").with(vec![alarm()], ORPHAN)
        });
    }
}
