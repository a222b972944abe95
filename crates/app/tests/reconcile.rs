//! The sweep: what is left behind is found and mended, and a quiet target costs a few reads.

use perch_app::ports::{Machine, Route, StartExecution as _, SweepRun};
use perch_app::{on_alarm, reconcile, restore_traffic};
use perch_core::head::Waiting;
use perch_core::journal::Happened;
use perch_core::names::TargetName;
use perch_core::phase::Phase;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{
    Failure, Fault, Machines, World, announcement, at, healthy, image, release, target,
};
use serde_json::json;

fn news() -> TargetName {
    "news".parse().unwrap()
}

async fn sweep(world: &World, seconds: i64) -> SweepRun {
    let World { store, lambda, registry, uploads, executions, .. } = world;
    let sources = (registry, uploads);
    reconcile::run(store, (lambda, &world.services), sources, executions, at(seconds), || true)
        .await
        .unwrap()
}

fn well(world: &World) {
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
}

#[tokio::test]
async fn a_quiet_target_costs_a_few_reads_and_is_due_again_later() {
    let world = World::usual();
    let run = sweep(&world, 10).await;
    assert_eq!((run.looked_at, run.did, run.failed, run.more), (1, vec![], vec![], false));
    let calls =
        ["due", "claim", "standing", "target", "alias", "newest_image", "claim", "due", "run"];
    assert_eq!(world.calls.log(), calls);
    world.calls.clear();
    assert_eq!(sweep(&world, 900).await.looked_at, 0);
    assert_eq!(world.calls.log(), ["due", "run"]);
    assert_eq!(sweep(&world, 911).await.looked_at, 1);
}

#[tokio::test]
async fn targets_are_found_page_by_page_and_share_a_listing() {
    let world = World::empty();
    for number in 0..250 {
        let name = format!("news-{number}");
        world.add(&target().named(&name).function(&name).build());
    }
    let run = sweep(&world, 10).await;
    assert_eq!(run.looked_at, 250);
    assert_eq!((world.calls.count("due"), world.calls.count("newest_image")), (4, 1));
    assert_eq!(world.calls.count("alias"), 250);
}

#[tokio::test]
async fn a_sweep_that_runs_out_of_time_leaves_the_rest_for_the_next() {
    let world = World::usual();
    world.add(&target().named("other").function("other").build());
    let left = std::cell::Cell::new(1);
    let goes_on = || left.replace(left.get() - 1) > 0;
    let World { store, lambda, registry, uploads, executions, .. } = &world;
    let sources = (registry, uploads);
    let run =
        reconcile::run(store, (lambda, &world.services), sources, executions, at(10), goes_on)
            .await
            .unwrap();
    assert_eq!((run.looked_at, run.more), (1, true));
    assert_eq!(sweep(&world, 11).await.looked_at, 1);
}

#[tokio::test]
async fn a_push_that_no_event_announced_is_released() {
    let world = World::usual();
    well(&world);
    world.registry.push(image('c', "v0"), at(-5));
    world.registry.push(image('d', "dev"), at(50));
    world.registry.push(image('b', "v2"), at(20));
    let run = sweep(&world, 60).await;
    assert!(run.did[0].starts_with("news: no event announced news:v2"), "{:?}", run.did);
    Machines::new(at(60)).run(&world).await;
    assert_eq!(world.head(&news()).serving.unwrap().artifact, image('b', "v2"));
    // The event comes after all.
    let World { store, executions, .. } = &world;
    let late = announcement().pushed_at(20).build();
    perch_app::announce::run(store, executions, &late, at(2000)).await.unwrap();
    assert_eq!(store.read(|items| items.releases.len()), 1);
    assert_eq!(sweep(&world, 3000).await.did, [""; 0]);
    assert_eq!(broken_at_rest(&world), [""; 0]);
}

#[tokio::test]
async fn what_was_there_before_the_target_is_no_missed_push() {
    let world = World::usual();
    world.registry.push(image('b', "v2"), at(-1));
    assert_eq!(sweep(&world, 60).await.did, [""; 0]);
}

#[tokio::test]
async fn a_quarantined_image_stays_the_newest_and_is_not_tried_again() {
    let world = World::usual();
    well(&world);
    world.registry.push(image('b', "v2"), at(20));
    world.store.change(|items| {
        let item = perch_testkit::store::ArtifactItem {
            release: "news-0".parse().unwrap(),
            outcome: Some("RolledBack"),
        };
        items.artifacts.insert((news(), image('b', "v2").identity()), item);
    });
    assert_eq!(sweep(&world, 60).await.did, [""; 0]);
}

#[tokio::test]
async fn an_execution_that_was_lost_in_any_phase_is_carried_on() {
    for placed in [
        release(),
        release().preparing(),
        release().shifting(0),
        release().baking(1),
        release().promoting(),
        release().watching(),
        release().rolling_back(10),
    ] {
        let placed = placed.build();
        let world = World::amid(&placed);
        well(&world);
        assert_eq!(sweep(&world, 300).await.did, [""; 0], "not overdue yet");
        let did = sweep(&world, 700).await.did;
        assert_eq!(did.len(), 1, "{}: {did:?}", placed.phase.name());
        Machines::new(at(700)).run(&world).await;
        assert_eq!(broken_at_rest(&world), [""; 0], "{}", placed.phase.name());
        let rolling = matches!(placed.phase, Phase::RollingBack { .. });
        let end = if rolling { "RolledBack" } else { "Promoted" };
        assert_eq!(world.release(&placed.id).phase.name(), end);
    }
}

#[tokio::test]
async fn an_execution_that_was_only_slow_is_not_disturbed() {
    let placed = release().baking(0).build();
    let world = World::amid(&placed);
    well(&world);
    let input = json!({ "releaseId": "news-1", "fence": 1 });
    world.executions.start(Machine::CanaryDeploy, &placed.id, &input).await.unwrap();
    sweep(&world, 700).await;
    Machines::new(at(700)).run(&world).await;
    assert_eq!(broken_at_rest(&world), [""; 0]);
    assert_eq!(world.release(&placed.id).phase, Phase::Promoted);
}

#[tokio::test]
async fn an_alarm_that_only_took_the_fence_is_finished() {
    let world = World::amid(&release().baking(0).build());
    well(&world);
    world.calls.inject(Fault::of("shift").with(Failure::Unavailable));
    world.calls.inject(Fault::of("start").with(Failure::Unavailable));
    let alarm = on_alarm::Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: String::new(),
        at: at(5),
    };
    let World { store, lambda, executions, .. } = &world;
    on_alarm::run(store, lambda, executions, &alarm).await.unwrap_err();
    let did = sweep(&world, 60).await.did;
    assert!(did[0].contains("the rollback that took fence 2 was lost"), "{did:?}");
    Machines::new(at(60)).run(&world).await;
    assert_eq!(broken_at_rest(&world), [""; 0]);
    assert_eq!(world.release(&"news-1".parse().unwrap()).phase.name(), "RolledBack");
}

#[tokio::test]
async fn a_rollback_that_was_lost_after_its_start_is_done_again() {
    let world = World::amid(&release().baking(0).build());
    well(&world);
    let alarm = on_alarm::Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: String::new(),
        at: at(5),
    };
    let World { store, lambda, executions, .. } = &world;
    on_alarm::run(store, lambda, executions, &alarm).await.unwrap();
    assert_eq!(executions.started().len(), 1);
    sweep(&world, 60).await;
    assert_eq!(executions.started().len(), 1, "it may still run");
    sweep(&world, 800).await;
    let again = executions.started().swap_remove(1);
    assert_eq!(again.name.as_str(), "news-1-f2-081320");
    let input = serde_json::from_value(again.input).unwrap();
    restore_traffic::run(store, lambda, &input, at(801)).await.unwrap();
    assert_eq!(broken_at_rest(&world), [""; 0]);
    assert_eq!(world.release(&"news-1".parse().unwrap()).phase.name(), "RolledBack");
}

#[tokio::test]
async fn a_target_whose_holder_is_gone_is_freed_and_people_are_told() {
    let world = World::amid(&release().baking(0).build());
    world.store.change(|items| items.releases.clear());
    let did = sweep(&world, 60).await.did;
    assert_eq!(did, ["news: it was held by news-1, which is over or does not exist"]);
    assert_eq!(world.head(&news()).active, None);
    let told = world.store.read(|items| items.notices[0].what);
    assert_eq!(told, Happened::TargetFreed);
}

#[tokio::test]
async fn a_stuck_release_is_closed_once_a_person_put_the_alias_right() {
    let world = World::amid(&release().stuck().build());
    assert_eq!(sweep(&world, 60).await.did, [""; 0], "the canary may still be serving");
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &Route::all_on(&"1".parse().unwrap()));
    assert_eq!(sweep(&world, 400).await.did.len(), 1);
    Machines::new(at(400)).run(&world).await;
    assert_eq!(world.release(&"news-1".parse().unwrap()).phase.name(), "RolledBack");
}

#[tokio::test]
async fn what_waits_for_nothing_is_started_unless_the_line_is_stopped() {
    let world = World::amid(&release().promoted().build());
    well(&world);
    world.store.change(|items| {
        let artifact = image('c', "v3");
        let waiting = Waiting { artifact, event: "event-2".to_owned(), pushed_at: at(60) };
        items.heads.get_mut(&news()).unwrap().waiting = Some(waiting);
    });
    perch_app::order::stop(&world.store, None, "kim", "incident", at(70)).await.unwrap();
    assert_eq!(sweep(&world, 80).await.did, [""; 0]);
    world.store.change(|items| items.stop_of_all = None);
    let did = sweep(&world, 1000).await.did;
    assert!(did[0].starts_with("news: an artifact waited: release news-"), "{did:?}");
    assert_eq!(world.head(&news()).waiting, None);
}

#[tokio::test]
async fn drift_is_told_once_and_never_mended_over_a_person_s_head() {
    let world = World::amid(&release().promoted().build());
    let lambda = target().build().service.lambda.unwrap();
    let chosen = Route::all_on(&"1".parse().unwrap());
    world.lambda.move_alias(&lambda, &chosen);
    assert_eq!(sweep(&world, 60).await.did.len(), 1);
    assert_eq!(sweep(&world, 1000).await.did, [""; 0], "once");
    assert_eq!(world.route(&lambda), chosen);
    world.lambda.move_alias(&lambda, &Route::all_on(&"2".parse().unwrap()));
    assert_eq!(
        sweep(&world, 2000).await.did,
        ["news: the alias sends again what was promoted last"]
    );
    let told: Vec<_> = world.store.read(|items| items.notices.iter().map(|n| n.what).collect());
    assert_eq!(told, [Happened::DriftFound, Happened::DriftEnded]);
}

#[tokio::test]
async fn each_call_failing_in_turn_keeps_no_target_from_the_next_sweep() {
    for call in 1..12 {
        for fault in [Fault::call(call), Fault::call(call).after()] {
            let world = World::usual();
            well(&world);
            world.registry.push(image('b', "v2"), at(20));
            world.calls.inject(fault);
            let World { store, lambda, registry, uploads, executions, .. } = &world;
            let sources = (registry, uploads);
            reconcile::run(store, (lambda, &world.services), sources, executions, at(60), || true)
                .await
                .ok();
            sweep(&world, 400).await;
            sweep(&world, 2000).await;
            Machines::new(at(2000)).run(&world).await;
            assert_eq!(broken_always(&world), [""; 0], "call {call}");
            assert_eq!(world.head(&news()).serving.unwrap().artifact, image('b', "v2"));
        }
    }
}
