//! The starts that the checker walks on from, each with its bounds.

use perch_app::on_alarm::Alarm;
use perch_testkit::model::{Bounds, Event, State};
use perch_testkit::{World, announcement, at, healthy, target};

use crate::checked::walk;

/// A target whose every bake and watch takes one look.
fn world(steps: &[(u8, u64)]) -> World {
    let mut target = target().steps(steps).build();
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
    let found = walk(State::new(world(&[(10, 120)]), events, bounds));
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
    Event::Push(announcement().build())
}

#[test]
fn one_push_an_alarm_and_a_crash() {
    let bounds = Bounds { crashes: 1, ..Bounds::default() };
    check("push, alarm, crash", vec![push(), alarm()], bounds, 100);
}
