//! The starts that the checker walks on from, and the events that may come.

use perch_app::announce::Announcement;
use perch_app::on_alarm::Alarm;
use perch_app::ports::{Machine, Route, StartExecution};
use perch_core::span::Span;
use perch_core::target::{Target, WhileReleasing};
use perch_testkit::build::ReleaseBuilder;
use perch_testkit::model::{Bounds, Event};
use perch_testkit::{World, announcement, at, healthy, image, release, run, target};
use serde_json::json;

/// A release, two rollbacks of it, and the end that raises the fence again.
const FENCES: u64 = 4;

/// Room for a second release after the first, and for its rollback.
pub(crate) const TWO_RELEASES: Bounds = Bounds { fences: 8, ..NONE };

/// A target whose every bake and watch takes one look.
fn usual() -> Target {
    let mut target = target().steps(&[(10, 120)]).build();
    target.judge.interval = Span::seconds(120);
    target.watch = Span::seconds(120);
    target
}

pub(crate) fn world(target: &Target) -> World {
    let world = World::with(target);
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    world
}

/// A target that nothing was released to.
pub(crate) fn fresh() -> World {
    world(&usual())
}

/// The same under another policy for what comes while a release runs.
pub(crate) fn under(policy: WhileReleasing) -> World {
    world(&Target { while_releasing: policy, ..usual() })
}

/// The same, with smoke tests that the usual artifact passes, or fails; what comes meanwhile waits.
pub(crate) fn smoke_tested(is_fit: bool) -> World {
    let smoke = target().smoke_tested().build().smoke;
    let while_releasing = WhileReleasing::Queue;
    let world = world(&Target { smoke, while_releasing, ..usual() });
    if !is_fit {
        let of = (news::<String>(), image('b', "v2").identity());
        world.lambda.change(|account| account.unfit.insert(of));
    }
    world
}

/// A world where the release is under way, and so is its execution.
pub(crate) fn amid(phase: fn(ReleaseBuilder) -> ReleaseBuilder) -> World {
    let placed = phase(release().to(&usual())).build();
    let world = fresh();
    world.place(&placed);
    let input = json!({ "releaseId": placed.id, "fence": placed.fence });
    run(world.executions.start(Machine::CanaryDeploy, &placed.id, &input)).unwrap();
    world
}

pub(crate) fn baking() -> World {
    amid(|release| release.baking(0))
}

pub(crate) fn watching() -> World {
    amid(ReleaseBuilder::watching)
}

fn announced(hex: char, tag: &str, pushed_at: i64) -> Announcement {
    announcement().of(image(hex, tag)).event(tag).pushed_at(pushed_at).build()
}

/// The artifact of the usual release.
pub(crate) fn push() -> Event {
    Event::Push(announced('b', "v2", 60))
}

pub(crate) fn newer() -> Event {
    Event::Push(announced('c', "v3", 120))
}

pub(crate) fn older() -> Event {
    Event::Push(announced('c', "v1", -60))
}

/// A push whose event was lost.
pub(crate) fn unannounced() -> Event {
    Event::Unannounced(announced('c', "v3", 120))
}

/// Someone sets the alias to the first version alone.
pub(crate) fn moved() -> Event {
    Event::Moved(usual().service.lambda.unwrap(), Route::all_on(&"1".parse().unwrap()))
}

pub(crate) fn alarm() -> Event {
    Event::Alarm(Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: "threshold crossed".to_owned(),
        at: at(1000),
    })
}

pub(crate) fn news<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    "news".parse().unwrap()
}

pub(crate) fn rollback() -> Event {
    Event::RollBack(news())
}

pub(crate) const NONE: Bounds =
    Bounds { repeats: 0, crashes: 0, failures: 0, orphans: 0, kills: 0, fences: FENCES };
pub(crate) const CRASH: Bounds = Bounds { crashes: 1, ..NONE };
pub(crate) const FAILURE: Bounds = Bounds { failures: 1, ..NONE };
pub(crate) const ORPHAN: Bounds = Bounds { orphans: 1, ..NONE };
pub(crate) const REPEAT: Bounds = Bounds { repeats: 1, ..NONE };
pub(crate) const KILL: Bounds = Bounds { kills: 1, ..NONE };
