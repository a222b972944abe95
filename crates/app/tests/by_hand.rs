//! Releases that people start, and versions that they go back to.

use perch_app::announce;
use perch_app::on_alarm::{self, Alarm};
use perch_app::order::{self, OrderError, Start};
use perch_app::ports::Route;
use perch_core::names::TargetName;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_testkit::invariants::broken_at_rest;
use perch_testkit::{Machines, World, announcement, at, failing, healthy, image, release, target};

fn news() -> TargetName {
    "news".parse().unwrap()
}

fn start_of(hex: char) -> Start {
    Start {
        target: news(),
        artifact: image(hex, "v2"),
        by: "kim".to_owned(),
        reason: "fixes the incident".to_owned(),
        overrides: Vec::new(),
        allow_quarantined: false,
        way_back: false,
    }
}

async fn start(world: &World, wanted: &Start) -> Result<Release, OrderError> {
    let World { store, executions, .. } = world;
    let id = order::start(store, executions, wanted, at(1000)).await?;
    Ok(world.release(&id))
}

async fn go_back_to(world: &World, version: &str) -> Result<Release, OrderError> {
    let World { store, lambda, executions, .. } = world;
    let version = version.parse().unwrap();
    let (to, who) = ((&news(), &version), ("kim", "v2 is wrong"));
    let id =
        order::go_back_to(store, (lambda, &world.services), executions, to, who, at(1000)).await?;
    Ok(world.release(&id))
}

fn well(world: &World) {
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
}

/// A world in which image b was rolled back.
async fn quarantined() -> World {
    let world = World::usual();
    well(&world);
    world.metrics.set("2", failing());
    let World { store, executions, .. } = &world;
    announce::run(store, executions, &announcement().build(), at(1)).await.unwrap();
    Machines::new(at(1)).run(&world).await;
    well(&world);
    world
}

#[tokio::test]
async fn a_quarantined_artifact_needs_a_person_who_says_so() {
    let world = quarantined().await;
    let World { store, executions, .. } = &world;
    let again = announcement().event("event-2").pushed_at(900).build();
    let answers = announce::run(store, executions, &again, at(901)).await.unwrap();
    let why = format!("{:?}", answers[0].1);
    assert!(why.contains("had its release already") && why.contains("RolledBack"), "{why}");
    let refused = start(&world, &start_of('b')).await.unwrap_err();
    assert!(refused.to_string().ends_with("To release it all the same: --allow-quarantined"));
    let wanted = Start { allow_quarantined: true, ..start_of('b') };
    let started = start(&world, &wanted).await.unwrap();
    let planned = &world.journal(&started.id)[0].cause;
    assert_eq!(planned, "news:v2 (bbbbbbbbbbbb) by kim: fixes the incident");
    Machines::new(at(1000)).run(&world).await;
    assert_eq!(world.release(&started.id).phase, Phase::Promoted);
    assert_eq!(broken_at_rest(&world), [""; 0]);
}

#[tokio::test]
async fn a_guard_in_alarm_can_be_overridden_for_the_fix_and_counts_once_it_is_ok() {
    for recovers in [false, true] {
        let world = World::usual();
        well(&world);
        world.alarms.set("errors", true);
        let blocked = start(&world, &start_of('b')).await.unwrap();
        let mut machines = Machines::new(at(1000));
        machines.run(&world).await;
        let Phase::Rejected { why } = world.release(&blocked.id).phase else { panic!("started") };
        assert!(why.contains("--override-alarm errors"), "{why}");

        let overrides = vec!["errors".parse().unwrap()];
        let fix = Start { overrides, ..start_of('b') };
        let World { store, executions, .. } = &world;
        machines.wait(60);
        let id = order::start(store, executions, &fix, machines.now()).await.unwrap();
        let baking =
            |world: &World| matches!(world.release(&id).phase, Phase::Baking { step: 1, .. });
        assert!(machines.run_until(&world, baking).await);
        if recovers {
            world.alarms.set("errors", false);
            machines.run_until(&world, |w| w.release(&id).ignored_guards.is_empty()).await;
            world.alarms.set("errors", true);
        }
        machines.run(&world).await;
        let end = if recovers { "RolledBack" } else { "Promoted" };
        assert_eq!(world.release(&id).phase.name(), end);
        let entries = world.journal(&id);
        let audited = "kim, who overrides errors: fixes the incident";
        assert!(entries[0].cause.contains(audited), "{}", entries[0].cause);
        assert!(entries[1].cause.ends_with("in ALARM and ignored until OK: errors"));
    }
}

#[tokio::test]
async fn an_override_names_a_guard_of_the_target() {
    let world = World::usual();
    let overrides = vec!["other".parse().unwrap()];
    let error = start(&world, &Start { overrides, ..start_of('b') }).await.unwrap_err();
    assert_eq!(error.to_string(), "alarm other does not guard target news; its guards are: errors");
}

#[tokio::test]
async fn a_target_may_start_although_a_guard_is_in_alarm() {
    let world = World::with(&target().ignoring_alarms_at_start().build());
    well(&world);
    world.alarms.set("errors", true);
    let World { store, executions, .. } = &world;
    announce::run(store, executions, &announcement().build(), at(1)).await.unwrap();
    Machines::new(at(1)).run(&world).await;
    let serving = world.head(&news()).serving.unwrap();
    assert_eq!(serving.artifact, announcement().build().artifact);
}

#[tokio::test]
async fn an_alarm_from_before_the_ledger_takes_nothing_back() {
    let world = World::amid(&release().baking(0).build());
    let World { store, lambda, executions, .. } = &world;
    let alarm = |seconds| Alarm {
        event: format!("alarm-{seconds}"),
        name: "errors".parse().unwrap(),
        reason: "threshold crossed".to_owned(),
        at: at(seconds),
    };
    let late = on_alarm::run(store, lambda, executions, &alarm(-1)).await.unwrap();
    assert_eq!(late[0].1, on_alarm::Answer::NothingInFlight);
    assert_eq!(world.head(&news()).fence, 1);
    let now = on_alarm::run(store, lambda, executions, &alarm(1)).await.unwrap();
    assert_eq!(now[0].1, on_alarm::Answer::RolledBack);
}

#[tokio::test]
async fn a_person_goes_back_to_a_version_and_no_guard_takes_that_away() {
    let world = World::amid(&release().promoted().build());
    world.alarms.set("errors", true);
    world.metrics.set_total(failing());
    let back = go_back_to(&world, "1").await.unwrap();
    let mut machines = Machines::new(at(1000));
    let promoting =
        |world: &World| matches!(world.release(&back.id).phase, Phase::Promoting { .. });
    assert!(machines.run_until(&world, promoting).await);
    let World { store, lambda, executions, .. } = &world;
    let alarm = Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: String::new(),
        at: at(1005),
    };
    let answers = on_alarm::run(store, lambda, executions, &alarm).await.unwrap();
    assert_eq!(answers[0].1, on_alarm::Answer::NothingInFlight);
    machines.run(&world).await;
    assert_eq!(world.release(&back.id).phase, Phase::Promoted);
    let lambda = target().build().service.lambda.unwrap();
    assert_eq!(world.route(&lambda), Route::all_on(&"1".parse().unwrap()));
    assert_eq!(broken_at_rest(&world), [""; 0]);
    // What was pushed before the decision has no turn any more.
    let late = announcement().of(image('c', "v3")).event("event-2").pushed_at(999).build();
    let answers = announce::run(store, executions, &late, at(1100)).await.unwrap();
    assert!(matches!(answers[0].1, announce::Answer::Ignored(_)), "{answers:?}");
    let new = announcement().of(image('d', "v4")).event("event-3").pushed_at(1050).build();
    let answers = announce::run(store, executions, &new, at(1100)).await.unwrap();
    assert!(matches!(answers[0].1, announce::Answer::Started(_)), "{answers:?}");
}

#[tokio::test]
async fn going_back_is_refused_where_it_can_not_be_done() {
    let world = World::amid(&release().promoted().build());
    let text = |refused: Result<Release, OrderError>| refused.unwrap_err().to_string();
    let unknown = text(go_back_to(&world, "9").await);
    assert!(unknown.starts_with("version 9 of news does not exist (any more)"), "{unknown}");
    let serves = text(go_back_to(&world, "2").await);
    assert_eq!(serves, "version 2 has all traffic of target news already");
    let busy = World::amid(&release().baking(0).build());
    let busy = text(go_back_to(&busy, "2").await);
    assert_eq!(busy, "release news-1 holds target news; abort it or wait for its end");
}

#[tokio::test]
async fn a_person_can_leave_a_version_that_is_gone() {
    let world = World::amid(&release().promoted().build());
    well(&world);
    world.lambda.change(|account| {
        account.functions.values_mut().for_each(|function| function.versions[1] = None);
        account.gone.insert(image('b', "v2").identity());
    });
    let back = go_back_to(&world, "1").await.unwrap();
    Machines::new(at(1000)).run(&world).await;
    assert_eq!(world.release(&back.id).phase, Phase::Promoted);
}
