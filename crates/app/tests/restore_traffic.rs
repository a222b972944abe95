//! Going back to the baseline, from wherever a release is.

use perch_app::close_release::{self, CloseInput};
use perch_app::order;
use perch_app::ports::{Machine, Route, StartExecution};
use perch_app::restore_traffic::{self, RollbackInput};
use perch_app::step::{StepError, StepOutput};
use perch_core::journal::What;
use perch_core::phase::RollbackCause;
use perch_core::release::Release;
use perch_core::weight::Weight;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{Failure, Fault, Machines, World, at, release, target};
use serde_json::json;

async fn roll_back(world: &World, seconds: i64) -> Result<StepOutput, StepError> {
    let cause = RollbackCause::Abort { by: "kim".to_owned(), reason: "looks odd".to_owned() };
    let input = RollbackInput { release_id: "news-1".parse().unwrap(), cause: Some(cause) };
    restore_traffic::run(&world.store, &world.lambda, &input, at(seconds)).await
}

fn current(world: &World) -> Release {
    world.release(&"news-1".parse().unwrap())
}

fn whats(world: &World, count: usize) -> Vec<What> {
    let journal = world.journal(&current(world).id);
    journal[journal.len() - count..].iter().map(|entry| entry.what).collect()
}

fn route(world: &World) -> Route {
    world.route(target().build().service.lambda.as_ref().unwrap())
}

fn baseline() -> Route {
    Route::all_on(&"1".parse().unwrap())
}

#[tokio::test]
async fn from_every_phase_a_rollback_ends_on_the_baseline() {
    for placed in [
        release(),
        release().preparing(),
        release().shifting(0),
        release().baking(0),
        release().shifting(1),
        release().baking(1),
        release().promoting(),
        release().watching(),
        release().stuck(),
    ] {
        let placed = placed.build();
        let world = World::amid(&placed);
        for _ in 0..2 {
            assert_eq!(roll_back(&world, 70).await.unwrap().next, "Close");
        }
        let release = current(&world);
        assert_eq!(release.phase.name(), "RolledBack", "from {}", placed.phase.name());
        assert_eq!((release.seq, release.fence), (placed.seq + 2, 2));
        assert_eq!(whats(&world, 2), [What::RollbackDecided, What::ReleaseRolledBack]);
        assert_eq!(route(&world), baseline());
        assert_eq!(broken_at_rest(&world), [""; 0]);
        let artifact = world.store.read(|items| items.artifacts.values().next().cloned().unwrap());
        assert_eq!(artifact.outcome, Some("RolledBack"), "it is not tried again by itself");
    }
}

#[tokio::test]
async fn a_rollback_that_was_decided_keeps_its_first_cause() {
    let world = World::amid(&release().rolling_back(10).build());
    roll_back(&world, 70).await.unwrap();
    assert_eq!(whats(&world, 1), [What::ReleaseRolledBack]);
    let last = world.journal(&current(&world).id).pop().unwrap();
    assert_eq!(last.cause, "judged Fail: too many errors");
}

#[tokio::test]
async fn an_alias_that_was_not_touched_yet_is_left_alone() {
    for placed in [release(), release().preparing()] {
        let world = World::amid(&placed.build());
        roll_back(&world, 70).await.unwrap();
        assert_eq!(world.calls.count("alias") + world.calls.count("shift"), 0);
    }
}

#[tokio::test]
async fn a_release_that_is_over_is_left_alone() {
    let world = World::amid(&release().promoted().build());
    let before = current(&world);
    assert_eq!(roll_back(&world, 700).await.unwrap().next, "Close");
    assert_eq!((current(&world), world.calls.log()), (before, vec!["release"]));
    assert_eq!(route(&world), Route::all_on(&"2".parse().unwrap()));
}

#[tokio::test]
async fn a_release_that_lost_its_target_is_left_alone() {
    let world = World::amid(&release().baking(0).build());
    let before = route(&world);
    world.store.change(|items| {
        items.heads.values_mut().for_each(|head| head.active = Some("other".parse().unwrap()));
    });
    assert_eq!(roll_back(&world, 70).await.unwrap().next, "Close");
    assert_eq!((route(&world), world.calls.count("commit")), (before, 0));
}

#[tokio::test]
async fn a_release_that_no_one_knows_is_an_error() {
    let error = roll_back(&World::usual(), 70).await.unwrap_err();
    assert_eq!(error.to_string(), "release news-1 does not exist");
}

#[tokio::test]
async fn traffic_goes_first_and_is_read_back_before_anything_is_written() {
    let world = World::amid(&release().baking(0).build());
    roll_back(&world, 70).await.unwrap();
    let calls = ["release", "take_fence", "alias", "head", "shift", "alias", "commit"];
    assert_eq!(world.calls.log(), calls);
}

#[tokio::test]
async fn the_decision_is_written_also_when_the_alias_can_not_be_moved() {
    let world = World::amid(&release().baking(0).build());
    world.calls.inject(Fault::of("shift"));
    roll_back(&world, 70).await.unwrap_err();
    assert_eq!(current(&world).phase.name(), "RollingBack");
    assert_eq!(whats(&world, 1), [What::RollbackDecided]);
    assert!(world.head(&current(&world).target).exposed, "the canary may still serve");
    roll_back(&world, 71).await.unwrap();
    assert_eq!(whats(&world, 2), [What::RollbackDecided, What::ReleaseRolledBack]);
    assert_eq!(broken_at_rest(&world), [""; 0]);
}

#[tokio::test]
async fn an_alias_that_others_keep_moving_is_an_error_and_not_called_rolled_back() {
    let world = World::amid(&release().baking(0).build());
    world.calls.inject(Fault::of("shift").with(Failure::Conflict).always());
    let error = roll_back(&world, 70).await.unwrap_err();
    assert!(matches!(error, StepError::NotAsSet { .. }), "{error}");
    assert_eq!(world.calls.count("shift"), 4);
    assert_eq!(current(&world).phase.name(), "RollingBack");
}

#[tokio::test]
async fn each_call_failing_in_turn_is_made_up_for() {
    for placed in [release().preparing(), release().baking(1), release().watching()] {
        let placed = placed.build();
        let calls = if placed.phase.is_exposed() { 6 } else { 3 };
        for call in 0..calls {
            for fault in [Fault::call(call), Fault::call(call).after()] {
                let world = World::amid(&placed);
                world.calls.inject(fault);
                roll_back(&world, 70).await.unwrap_err();
                roll_back(&world, 71).await.unwrap();
                let place = format!("{} call {call}", placed.phase.name());
                assert_eq!(broken_at_rest(&world), [""; 0], "{place}");
                assert_eq!(current(&world).phase.name(), "RolledBack", "{place}");
                assert_eq!(current(&world).seq, placed.seq + 2, "{place}");
            }
        }
    }
}

/// A world whose rollback got stuck, half way through a bake.
async fn stuck() -> (World, Machines) {
    let world = World::amid(&release().baking(0).build());
    world.calls.inject(Fault::of("shift").with(Failure::Denied).always());
    let name = "news-1".parse().unwrap();
    let input = json!({ "releaseId": "news-1" });
    world.executions.start(Machine::Rollback, &name, &input).await.unwrap();
    let mut machines = Machines::new(at(70));
    machines.run(&world).await;
    world.calls.clear();
    (world, machines)
}

#[tokio::test]
async fn a_rollback_that_keeps_failing_ends_as_stuck_and_keeps_the_target() {
    let (world, _) = stuck().await;
    let release = current(&world);
    assert_eq!(release.phase.name(), "Stuck");
    let text = world.journal(&release.id).pop().unwrap().cause;
    let restored = "traffic could not be restored: Denied: permission denied for shift";
    assert!(text.starts_with(restored), "{text}");
    let command = "`aws lambda update-alias --function-name news --name live --function-version 1 \
                   --routing-config '{\"AdditionalVersionWeights\":{}}'`";
    assert!(text.contains(command), "{text}");
    assert!(text.ends_with("`perch rollback news --reason TEXT`"), "{text}");
    let head = world.head(&release.target);
    assert_eq!((head.active, head.exposed), (Some(release.id), true));
    assert_eq!(broken_always(&world), [""; 0]);
    let split = Some(("2".parse().unwrap(), Weight::new(10).unwrap()));
    assert_eq!(route(&world), Route { primary: "1".parse().unwrap(), split });
}

#[tokio::test]
async fn a_person_s_rollback_frees_a_stuck_target() {
    let (world, mut machines) = stuck().await;
    let target = "news".parse().unwrap();
    let World { store, executions, .. } = &world;
    order::roll_back(store, executions, &target, "kim", "policy fixed").await.unwrap();
    machines.run(&world).await;
    assert_eq!(current(&world).phase.name(), "RolledBack");
    assert_eq!(route(&world), baseline());
    assert_eq!(world.head(&target).active, None);
    assert_eq!(broken_at_rest(&world), [""; 0]);
}

#[tokio::test]
async fn a_stuck_release_can_get_stuck_again_and_be_freed_later() {
    let (world, mut machines) = stuck().await;
    let target = "news".parse().unwrap();
    let World { store, executions, .. } = &world;
    for (fails, phase) in [(true, "Stuck"), (false, "RolledBack")] {
        world.calls.clear();
        if fails {
            world.calls.inject(Fault::of("shift").with(Failure::Denied).always());
        }
        order::roll_back(store, executions, &target, "kim", "try again").await.unwrap();
        while machines.step(&world).await {
            assert_eq!(broken_always(&world), [""; 0]);
        }
        assert_eq!(current(&world).phase.name(), phase);
    }
    assert_eq!(broken_at_rest(&world), [""; 0]);
}

#[tokio::test]
async fn a_rollback_that_got_stuck_is_recorded_once() {
    let world = World::amid(&release().rolling_back(10).build());
    let World { store, executions, .. } = &world;
    let failure = Some("Denied: no".to_owned());
    let input = CloseInput { release_id: "news-1".parse().unwrap(), fence: 0, failure };
    world.calls.inject(Fault::of("commit").after());
    close_release::run(store, executions, &input, at(80)).await.unwrap_err();
    let seq = current(&world).seq;
    close_release::run(store, executions, &input, at(81)).await.unwrap();
    assert_eq!((current(&world).phase.name(), current(&world).seq), ("Stuck", seq));
}
