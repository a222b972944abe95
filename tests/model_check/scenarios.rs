//! The starts that the checker walks on from, each with its bounds, and what must not be found.

use perch_app::on_alarm::Alarm;
use perch_app::ports::{Machine, Route, StartExecution};
use perch_core::release::Release;
use perch_core::span::Span;
use perch_core::target::{Target, WhileReleasing};
use perch_testkit::model::{Bounds, Event, State};
use perch_testkit::{
    Mutation, World, announcement, at, failing, healthy, image, run, silent, target,
};
use serde_json::json;

use crate::checked::{Found, walk};

/// More states than any scenario has: the walk never ends before its last state.
const AT_MOST: usize = 2_000_000;

/// A target whose every bake and watch takes one look.
fn usual() -> Target {
    let mut target = target().steps(&[(10, 120)]).build();
    target.judge.interval = Span::seconds(120);
    target.watch = Span::seconds(120);
    target
}

fn world(target: &Target) -> World {
    let world = World::with(target);
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    world
}

/// A world where the release is under way, and so is its execution.
fn amid(placed: &Release) -> World {
    let mut release = placed.clone();
    release.plan = perch_core::release::Plan::of(&usual());
    let world = world(&usual());
    world.place(&release);
    let input = json!({ "releaseId": release.id, "fence": release.fence });
    run(world.executions.start(Machine::CanaryDeploy, &release.id, &input)).unwrap();
    world
}

fn baking() -> World {
    amid(&perch_testkit::release().to(&usual()).baking(0).build())
}

fn watching() -> World {
    amid(&perch_testkit::release().to(&usual()).watching().build())
}

fn push() -> Event {
    Event::Push(announcement().pushed_at(60).build())
}

fn newer() -> Event {
    Event::Push(announcement().of(image('c', "v3")).event("event-2").pushed_at(120).build())
}

fn alarm() -> Event {
    Event::Alarm(Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: "threshold crossed".to_owned(),
        at: at(1000),
    })
}

fn news<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    "news".parse().unwrap()
}

fn rollback() -> Event {
    Event::RollBack(news())
}

const NONE: Bounds = Bounds { repeats: 0, crashes: 0, failures: 0, orphans: 0, kills: 0 };
const CRASH: Bounds = Bounds { crashes: 1, ..NONE };
const FAILURE: Bounds = Bounds { failures: 1, ..NONE };
const ORPHAN: Bounds = Bounds { orphans: 1, ..NONE };
const REPEAT: Bounds = Bounds { repeats: 1, ..NONE };
const KILL: Bounds = Bounds { kills: 1, ..NONE };

fn look(name: &str, start: State) -> Found {
    let began = std::time::Instant::now();
    let found = walk(start, AT_MOST);
    println!(
        "{name}: {} states, {} ways, depth {}, {:.1} s",
        found.states,
        found.ways,
        found.depth,
        began.elapsed().as_secs_f64()
    );
    for (promise, way) in &found.broken {
        println!("{name}: {promise} is broken:\n{way}");
    }
    found
}

/// Every promise holds in every state, every way comes to rest, and there were so many states.
fn holds(name: &str, world: World, events: Vec<Event>, bounds: Bounds, at_least: usize) {
    let found = look(name, State::new(world, events, bounds));
    assert!(found.broken.is_empty(), "{name}: {:?}", found.broken.keys());
    assert!(!found.has_circle, "{name}: a way leads in a circle");
    assert!(found.states >= at_least, "{name}: only {} states", found.states);
}

#[test]
fn probe() {
    type S = (&'static str, fn() -> World, Vec<Event>, Bounds);
    let fresh: fn() -> World = || world(&usual());
    let queue: fn() -> World = || {
        let mut target = usual();
        target.while_releasing = WhileReleasing::Queue;
        world(&target)
    };
    let scenarios: Vec<S> = vec![
        ("push crash", fresh, vec![push()], CRASH),
        ("push failure", fresh, vec![push()], FAILURE),
        ("push orphan", fresh, vec![push()], ORPHAN),
        ("push repeat", fresh, vec![push()], REPEAT),
        ("push alarm", fresh, vec![push(), alarm()], NONE),
        ("baking alarm crash", baking, vec![alarm()], CRASH),
        ("baking alarm failure", baking, vec![alarm()], FAILURE),
        ("watching alarm repeat", watching, vec![alarm()], REPEAT),
        ("watching alarm orphan", watching, vec![alarm()], ORPHAN),
        ("push abort", fresh, vec![push(), rollback()], NONE),
        ("watching abort crash", watching, vec![rollback()], CRASH),
        ("watching alarm abort", watching, vec![alarm(), rollback()], NONE),
        ("push push", fresh, vec![push(), newer()], NONE),
        ("queue push push", queue, vec![push(), newer()], NONE),
        ("watching newer alarm", watching, vec![newer(), alarm()], NONE),
        ("baking newer crash", baking, vec![newer()], CRASH),
        ("push kill sweep", fresh, vec![push(), Event::LateSweep], KILL),
        ("baking alarm kill sweep", baking, vec![alarm(), Event::LateSweep], KILL),
        ("push sweep", fresh, vec![push(), Event::Sweep], NONE),
        ("lost push late sweep", fresh, vec![push(), newer(), Event::LateSweep], NONE),
        ("push stop resume", fresh, vec![push(), Event::Stop(news()), Event::Resume(news())], NONE),
        ("baking promote crash", baking, vec![Event::Promote(news())], CRASH),
        ("baking fails", baking, vec![Event::Answers("2", failing())], CRASH),
        (
            "baking silent promote",
            baking,
            vec![Event::Answers("2", silent()), Event::Promote(news())],
            NONE,
        ),
        (
            "baking moved alarm",
            baking,
            vec![
                Event::Moved(usual().service.lambda, Route::all_on(&"1".parse().unwrap())),
                alarm(),
            ],
            NONE,
        ),
    ];
    for (name, start, events, bounds) in scenarios {
        if std::env::args().any(|arg| arg == "probe-only") {
            continue;
        }
        let began = std::time::Instant::now();
        let found = walk(State::new(start(), events, bounds), 250_000);
        println!(
            "{name}: {} states, {} ways, depth {}, circle {}, {:.1} s {:?}",
            found.states,
            found.ways,
            found.depth,
            found.has_circle,
            began.elapsed().as_secs_f64(),
            found.broken.keys()
        );
        for (promise, way) in found.broken.iter().take(1) {
            println!("{promise}:\n{way}");
        }
    }
    for (name, start, events, bounds, mutation) in [
        ("fence", fresh, vec![push(), alarm()], NONE, Mutation::FenceUnchecked),
        ("revision", fresh, vec![push(), alarm()], NONE, Mutation::RevisionIgnored),
        ("ledger", fresh, vec![push()], NONE, Mutation::LedgerLate),
        ("dedupe", baking, vec![push(), alarm()], NONE, Mutation::DedupeRemoved),
    ] {
        let world = start();
        world.store.change(|items| items.mutation = Some(mutation));
        world.lambda.change(|account| account.mutation = Some(mutation));
        let began = std::time::Instant::now();
        let found = walk(State::new(world, events, bounds), 250_000);
        println!(
            "MUT {name}: {} states, {} ways, depth {}, {:.1} s {:?}",
            found.states,
            found.ways,
            found.depth,
            began.elapsed().as_secs_f64(),
            found.broken.keys()
        );
        for (promise, way) in found.broken.iter().take(1) {
            println!("{promise}:\n{way}");
        }
    }
    let _ = holds;
}
