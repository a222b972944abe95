//! The starts that the checker walks on from, each with its bounds.

use perch_app::on_alarm::Alarm;
use perch_testkit::model::{Bounds, Event, State};
use perch_testkit::{World, announcement, at, healthy, target};

use crate::checked::walk;

/// A target whose every bake and watch takes one look.
fn world(steps: &[(u8, u64)]) -> World {
    let mut target = target().steps(steps).build();
    target.while_releasing = perch_core::target::WhileReleasing::Replace;
    target.judge.interval = perch_core::span::Span::seconds(120);
    target.watch = perch_core::span::Span::seconds(120);
    let world = World::with(&target);
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    world
}

fn alarm() -> Event {
    Event::Alarm(Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: "threshold crossed".to_owned(),
        at: at(1000),
    })
}

fn check(name: &str, events: Vec<Event>, bounds: Bounds, at_least: usize) {
    let start = std::time::Instant::now();
    let found = walk(State::new(world(&[(10, 120)]), events, bounds), 400_000);
    println!(
        "{name}: {} states, {} ways, depth {}, {:.1} s",
        found.states,
        found.ways,
        found.depth,
        start.elapsed().as_secs_f64()
    );
    for (promise, way) in &found.broken {
        println!("{promise} is broken:\n{way}");
    }
    assert!(found.broken.is_empty());
    assert!(!found.has_circle);
    assert!(found.states >= at_least, "only {} states", found.states);
}

fn push() -> Event {
    Event::Push(announcement().pushed_at(60).build())
}

#[test]
fn probe() {
    let start = World::usual();
    drop(start);
    let later = |hex, tag: &str, event, seconds| {
        let push = announcement().of(perch_testkit::image(hex, tag)).event(event);
        Event::Push(push.pushed_at(seconds).build())
    };
    let news = || "news".parse().unwrap();
    let none = Bounds::default();
    for (name, events, bounds) in [
        ("push", vec![push()], none),
        ("push+crash", vec![push()], Bounds { crashes: 1, ..none }),
        ("push+orphan", vec![push()], Bounds { orphans: 1, ..none }),
        ("push+failure", vec![push()], Bounds { failures: 1, ..none }),
        ("push+repeat", vec![push()], Bounds { repeats: 1, ..none }),
        ("push+alarm", vec![push(), alarm()], none),
        ("push+alarm+repeat", vec![push(), alarm()], Bounds { repeats: 1, ..none }),
        ("push+alarm+orphan", vec![push(), alarm()], Bounds { orphans: 1, ..none }),
        ("push+abort", vec![push(), Event::RollBack(news())], none),
        ("push+promote", vec![push(), Event::Promote(news())], none),
        ("push+alarm+abort", vec![push(), alarm(), Event::RollBack(news())], none),
        ("push+abort+promote", vec![push(), Event::Promote(news()), Event::RollBack(news())], none),
        ("push+push", vec![push(), later('c', "v3", "event-2", 120)], none),
        ("push+push+crash", vec![push(), later('c', "v3", "event-2", 120)], Bounds { crashes: 1, ..none }),
        ("push+push+alarm", vec![push(), later('c', "v3", "event-2", 120), alarm()], none),
    ] {
        let start = std::time::Instant::now();
        let found = walk(State::new(world(&[(10, 120)]), events, bounds), 400_000);
        println!(
            "{name}: {} states, {} ways, depth {}, circle {}, {:.1} s",
            found.states,
            found.ways,
            found.depth,
            found.has_circle,
            start.elapsed().as_secs_f64()
        );
        for (promise, way) in &found.broken {
            println!("{promise} is broken:\n{way}");
        }
    }
}

#[test]
fn one_push_an_alarm_and_a_crash() {
    let bounds = Bounds { crashes: 1, ..Bounds::default() };
    check("push, alarm, crash", vec![push(), alarm()], bounds, 100);
}
