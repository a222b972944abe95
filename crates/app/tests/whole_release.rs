//! Whole releases through both state machines: how each ends, also when any call fails.

use jiff::Timestamp;
use perch_app::announce::{self, Announcement};
use perch_app::on_alarm::{self, Alarm};
use perch_app::order;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::WhileReleasing;
use perch_testkit::invariants::{broken_always, broken_at_rest, skipped_steps};
use perch_testkit::{
    Failure, Fault, Machines, World, announcement, at, failing, healthy, image, silent, target,
};

/// How often Lambda runs a function whose event came asynchronously: once, and two retries.
pub(crate) const ASYNC_ATTEMPTS: usize = 3;

pub(crate) async fn announce(world: &World, announcement: &Announcement, machines: &Machines) {
    for _ in 0..ASYNC_ATTEMPTS {
        let World { store, executions, .. } = world;
        if announce::run(store, executions, announcement, machines.now()).await.is_ok() {
            return;
        }
    }
    panic!("the announcement failed {ASYNC_ATTEMPTS} times");
}

pub(crate) async fn alarm(world: &World, at: Timestamp) {
    let alarm = Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: "threshold crossed".to_owned(),
        at,
    };
    for _ in 0..ASYNC_ATTEMPTS {
        let World { store, lambda, executions, .. } = world;
        if on_alarm::run(store, lambda, executions, &alarm).await.is_ok() {
            return;
        }
    }
    panic!("the alarm failed {ASYNC_ATTEMPTS} times");
}

/// What happens besides the push, and how the release ends then.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Story {
    Healthy,
    Failing,
    Silent,
    FailingInTheWatch,
    AlarmInTheBake,
    AlarmInTheWatch,
    Abort,
    OrderedOn,
    AnotherWaits,
    AnotherReplaces,
}

const STORIES: [(Story, &[&str]); 10] = [
    (Story::Healthy, &["Promoted"]),
    (Story::Failing, &["RolledBack"]),
    (Story::Silent, &["RolledBack"]),
    (Story::FailingInTheWatch, &["RolledBack"]),
    (Story::AlarmInTheBake, &["RolledBack"]),
    (Story::AlarmInTheWatch, &["RolledBack"]),
    (Story::Abort, &["RolledBack"]),
    (Story::OrderedOn, &["Promoted"]),
    (Story::AnotherWaits, &["Promoted", "Promoted"]),
    (Story::AnotherReplaces, &["Superseded", "Promoted"]),
];

fn world_of(story: Story) -> World {
    match story {
        Story::AnotherWaits => {
            World::with(&target().while_releasing(WhileReleasing::Queue).build())
        }
        _ => World::usual(),
    }
}

pub(crate) fn phase_is(name: &'static str) -> impl Fn(&World) -> bool {
    move |world| world.store.read(|items| items.releases.values().any(|r| r.phase.name() == name))
}

async fn tell(story: Story, world: &World, machines: &mut Machines) {
    world.lambda.change(|account| (account.update_looks, account.version_looks) = (2, 1));
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    announce(world, &announcement().build(), machines).await;
    let news = "news".parse().unwrap();
    match story {
        Story::Healthy => {}
        Story::Failing => world.metrics.set("2", failing()),
        Story::Silent => world.metrics.set("2", silent()),
        Story::FailingInTheWatch => {
            machines.run_until(world, phase_is("Watching")).await;
            world.metrics.set_total(failing());
        }
        Story::AlarmInTheBake | Story::AlarmInTheWatch => {
            let phase = if story == Story::AlarmInTheBake { "Baking" } else { "Watching" };
            machines.run_until(world, phase_is(phase)).await;
            alarm(world, machines.now()).await;
        }
        Story::Abort => {
            machines.run_until(world, phase_is("Baking")).await;
            for _ in 0..ASYNC_ATTEMPTS {
                let World { store, executions, .. } = world;
                if order::roll_back(store, executions, &news, "kim", "looks odd").await.is_ok() {
                    break;
                }
            }
        }
        Story::OrderedOn => {
            world.metrics.set("2", silent());
            machines.run_until(world, phase_is("Baking")).await;
            for _ in 0..ASYNC_ATTEMPTS {
                let now = machines.now();
                if order::promote(&world.store, &news, "kim", "urgent", now).await.is_ok() {
                    break;
                }
            }
        }
        Story::AnotherWaits | Story::AnotherReplaces => {
            machines.run_until(world, phase_is("Baking")).await;
            let later = announcement().of(image('c', "v3")).event("event-2").pushed_at(60).build();
            announce(world, &later, machines).await;
        }
    }
    while machines.step(world).await {
        assert_eq!(broken_always(world), [""; 0], "{story:?}");
    }
    let orders = [Story::OrderedOn, Story::AnotherWaits, Story::AnotherReplaces];
    if !orders.contains(&story) {
        assert_eq!(skipped_steps(world, &target().build()), [""; 0], "{story:?}");
    }
}

fn ends(world: &World) -> Vec<&'static str> {
    world.store.read(|items| {
        let mut all: Vec<&Release> = items.releases.values().collect();
        all.sort_by_key(|release| release.cause.pushed_at());
        all.iter().map(|release| release.phase.name()).collect()
    })
}

#[tokio::test]
async fn every_story_ends_as_it_should() {
    for (story, end) in STORIES {
        let (world, mut machines) = (world_of(story), Machines::new(at(0)));
        tell(story, &world, &mut machines).await;
        assert_eq!(broken_at_rest(&world), [""; 0], "{story:?}");
        assert_eq!(ends(&world), end, "{story:?}");
    }
}

#[tokio::test]
async fn every_story_ends_the_same_when_every_function_runs_twice() {
    for (story, end) in STORIES {
        let (world, mut machines) = (world_of(story), Machines::new(at(0)).delivering_twice());
        tell(story, &world, &mut machines).await;
        assert_eq!(broken_at_rest(&world), [""; 0], "{story:?}");
        assert_eq!(ends(&world), end, "{story:?}");
    }
}

/// A story of seventy looks alike would only repeat what the others say.
fn few_calls((story, _): &(Story, &[&str])) -> bool {
    *story != Story::Silent
}

/// Runs the story again and again, each time with the next call failing, until none is left.
async fn fail_each_call(story: Story, fault: fn(usize) -> Fault, check: impl Fn(&World, usize)) {
    for call in 0.. {
        let (world, mut machines) = (world_of(story), Machines::new(at(0)));
        world.calls.inject(fault(call));
        tell(story, &world, &mut machines).await;
        if !world.calls.faults_are_used_up() {
            assert!(call > 30, "{story:?} has only {call} calls");
            return;
        }
        check(&world, call);
    }
}

#[tokio::test]
async fn a_call_that_fails_and_is_tried_again_changes_no_end() {
    let faults: [fn(usize) -> Fault; 3] = [
        Fault::call,
        |call| Fault::call(call).after(),
        |call| Fault::call(call).with(Failure::Conflict),
    ];
    for (story, end) in STORIES.into_iter().filter(few_calls) {
        for (kind, fault) in faults.into_iter().enumerate() {
            fail_each_call(story, fault, |world, call| {
                let log = world.calls.log();
                let place = format!("{story:?}, fault {kind} at call {call}, {}", log[call]);
                assert_eq!(broken_at_rest(world), [""; 0], "{place}");
                assert_eq!(ends(world), end, "{place}");
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_call_that_is_refused_for_good_never_leaves_the_target_half_way() {
    for failure in [Failure::Denied, Failure::Invalid, Failure::NotFound] {
        for (story, _) in STORIES.into_iter().filter(few_calls) {
            for call in 0.. {
                let (world, mut machines) = (world_of(story), Machines::new(at(0)));
                world.calls.inject(Fault::call(call).with(failure));
                tell(story, &world, &mut machines).await;
                if !world.calls.faults_are_used_up() {
                    break;
                }
                let stuck = |world: &World| {
                    let stuck = |r: &Release| matches!(r.phase, Phase::Stuck { .. });
                    world.store.read(|items| items.releases.values().any(stuck))
                };
                let place = format!("{story:?}, {failure:?} at call {call}");
                assert_eq!(broken_at_rest(&world), [""; 0], "{place}, {:?}", world.calls.log());
                assert!(!stuck(&world) || failure != Failure::Denied, "{place}");
            }
        }
    }
}
