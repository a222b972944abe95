//! Releases whose traffic CodeDeploy or ECS moves: the starts, and what holds in every state from there.

use perch_app::deployment::changed::Changed;
use perch_core::span::Span;
use perch_core::target::{Target, WhenBusy};
use perch_testkit::model::Event::{self, Answers};
use perch_testkit::model::{Action, Bounds, State};
use perch_testkit::{World, failing, target};
use serde_json::json;

use crate::checked::{Seen, walk};
use crate::scenarios::{CRASH, FAILURE, NONE, ORPHAN, alarm, moved, push, rollback, world};

/// A rollback and nothing after it: who takes the fence from it is at the bound.
const ONE_FENCE: Bounds = Bounds { fences: 2, ..ORPHAN };
const TWO_FENCES: Bounds = Bounds { fences: 3, ..NONE };
const ABORT_AND_CRASH: Bounds = Bounds { fences: 2, ..CRASH };

/// What moves the traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Lambda,
    Ecs,
    Native,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Lambda, Kind::Ecs, Kind::Native];

/// One step, one look in its bake and one in the watch; two looks at a deployment fit before the
/// deadline.
fn target_of(kind: Kind, is_tested: bool) -> Target {
    let builder = target().steps(&[(10, 420)]).deadline(700);
    let builder = match kind {
        Kind::Lambda => builder.deployed_by_code_deploy(WhenBusy::Wait),
        Kind::Ecs => builder.on_ecs(Some(WhenBusy::Wait)),
        Kind::Native => builder.on_ecs(None),
    };
    let tests = json!({ "checks": [{ "name": "fit", "http": { "url": "http://news:8443/fit" } }] });
    let builder = if is_tested { builder.with_smoke_tests(tests) } else { builder };
    let mut target = builder.build();
    target.judge.interval = Span::seconds(120);
    target.watch = Span::seconds(120);
    target
}

/// Nothing was released yet.
pub(crate) fn fresh(kind: Kind) -> World {
    world(&target_of(kind, false))
}

/// The same with smoke tests that a hook does.
pub(crate) fn tested(kind: Kind) -> World {
    world(&target_of(kind, true))
}

/// A release that was played without any trouble until its phase is this.
pub(crate) fn played(world: World, phase: &str) -> State {
    let mut state = State::new(world, vec![push()], NONE).after(Action::Deliver(0));
    let mut moves = 0;
    loop {
        let release = |state: &State| {
            state.world().store.read(|items| items.releases.values().next().cloned())
        };
        let known = release(&state);
        let is = known.as_ref().map_or("none", |release| release.phase.name());
        if is == phase {
            return state;
        }
        let follows = known.is_some_and(|release| release.deployment_id().is_some());
        let due =
            follows && ((is == "Shifting" && moves == 0) || (is == "Promoting" && moves == 1));
        moves += u8::from(due);
        state = state.after(if due { Action::Move(0) } else { Action::Call(0) });
        assert!(state.broken().is_empty(), "{:?}", state.broken());
    }
}

/// A rollback whose fence was taken by a try of its own that nobody waits for.
fn robbed(kind: Kind) -> State {
    let start = played(fresh(kind), "Baking").with(vec![rollback()], ORPHAN);
    let mut state = start.after(Action::Deliver(1));
    // The order ends, and the rollback reads the release.
    let does = |state: &State, name: &str| state.in_words(Action::Call(1)).starts_with(name);
    while does(&state, "perch rollback") {
        state = state.after(Action::Call(1));
    }
    state = state.after(Action::Call(1)).after(Action::Abandon(1));
    while does(&state, "RestoreTraffic") {
        state = state.after(Action::Call(1));
    }
    state.after(Action::Call(2)).with(vec![Event::LateSweep], NONE)
}

/// The event that a deployment of the release changed.
fn changed(kind: Kind) -> Event {
    let deployment = Changed::Deployment("d-1".parse().unwrap());
    let service = target_of(kind, false).service.ecs;
    Event::Changed(match (kind, service) {
        (Kind::Native, Some(service)) => Changed::Service(service),
        _ => deployment,
    })
}

fn stopped() -> Event {
    Event::Stopped("d-1".parse().unwrap())
}

/// Every promise holds in every state, and every way comes to rest.
fn hold(kind: Kind, scenarios: Vec<(&str, State, usize)>) {
    let mut sum = Seen::default();
    for (name, start, at_least) in scenarios {
        let found = walk(start);
        println!("{kind:?}, {name}: {found}");
        assert!(found.broken.is_empty(), "{kind:?}, {name}:\n{}", found.ways_to_broken());
        assert!(!found.has_circle, "{kind:?}, {name}: a way leads in a circle");
        assert!(found.states >= at_least, "{kind:?}, {name}: only {} states", found.states);
        sum.add(&found);
    }
    println!("{kind:?}: {sum}");
}

fn every_scenario(kind: Kind) {
    let from = |phase: &str, events: Vec<Event>, bounds: Bounds| {
        played(fresh(kind), phase).with(events, bounds)
    };
    let mut scenarios = vec![
        ("a function dies", from("Shifting", vec![], CRASH), 3_000),
        ("a call fails", from("Shifting", vec![], FAILURE), 3_000),
        ("a function goes on without its caller", from("Shifting", vec![], ONE_FENCE), 3_000),
        ("the canary fails", from("Baking", vec![Answers("2", failing())], CRASH), 3_000),
        ("an alarm in the bake", from("Baking", vec![alarm()], TWO_FENCES), 4_000),
        ("an alarm in the watch", from("Watching", vec![alarm()], TWO_FENCES), 200),
        ("an abort and a crash", from("Watching", vec![rollback()], ABORT_AND_CRASH), 4_000),
        ("its end is told", from("Promoting", vec![changed(kind)], CRASH), 4_500),
    ];
    if kind == Kind::Lambda {
        // An alias goes back with the abort's own call: more ways, for `make soak`.
        scenarios.push(("someone moves it", from("Baking", vec![moved()], TWO_FENCES), 900));
    } else {
        scenarios.push(an_abort_in_the_bake(kind, 100_000));
        let events = vec![stopped(), changed(kind)];
        scenarios.push(("someone stops it", from("Baking", events, TWO_FENCES), 40_000));
        let start = played(tested(kind), "Shifting").with(vec![], NONE);
        scenarios.push(("a hook", start, 5_000));
    }
    hold(kind, scenarios);
}

#[test]
fn a_rollback_whose_fence_was_taken_by_its_own_orphan() {
    for kind in KINDS {
        hold(kind, vec![("a rollback without its execution", robbed(kind), 15)]);
    }
}

fn an_abort_in_the_bake(kind: Kind, at_least: usize) -> (&'static str, State, usize) {
    let start = played(fresh(kind), "Baking").with(vec![rollback()], TWO_FENCES);
    ("an abort in the bake", start, at_least)
}

#[test]
fn code_deploy_for_lambda() {
    every_scenario(Kind::Lambda);
}

#[test]
#[ignore = "takes most of a minute: `make soak` runs it"]
fn code_deploy_for_lambda_and_an_abort_in_the_bake() {
    hold(Kind::Lambda, vec![an_abort_in_the_bake(Kind::Lambda, 400_000)]);
}

#[test]
fn code_deploy_for_ecs() {
    every_scenario(Kind::Ecs);
}

#[test]
fn ecs_by_itself() {
    every_scenario(Kind::Native);
}
