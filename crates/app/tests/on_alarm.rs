//! A guard in ALARM: traffic first, in three calls.

use perch_app::on_alarm::{self, Alarm, Answer};
use perch_app::ports::{Machine, Route};
use perch_app::step::StepError;
use perch_core::names::TargetName;
use perch_testkit::invariants::broken_at_rest;
use perch_testkit::{Failure, Fault, Machines, World, at, release, target};
use serde_json::json;

fn alarm(name: &str) -> Alarm {
    Alarm {
        event: "alarm-1".to_owned(),
        name: name.parse().unwrap(),
        reason: "threshold crossed".to_owned(),
        at: at(60),
    }
}

async fn ring(world: &World) -> Result<Vec<(TargetName, Answer)>, StepError> {
    let World { store, lambda, executions, .. } = world;
    on_alarm::run(store, lambda, executions, &alarm("errors")).await
}

fn route(world: &World) -> Route {
    world.route(target().build().service.lambda.as_ref().unwrap())
}

fn baseline() -> Route {
    Route::all_on(&"1".parse().unwrap())
}

#[tokio::test]
async fn three_calls_put_traffic_back() {
    for placed in [release().baking(0), release().baking(1), release().watching()] {
        let world = World::amid(&placed.build());
        let answers = ring(&world).await.unwrap();
        assert_eq!(answers, [("news".parse().unwrap(), Answer::RolledBack)]);
        assert_eq!(world.calls.log(), ["by_guard", "take_fence", "shift", "start"]);
        assert_eq!(route(&world), baseline());
        assert_eq!(world.head(&"news".parse().unwrap()).fence, 2);
    }
}

#[tokio::test]
async fn the_rollback_machine_is_started_with_the_alarm_as_cause() {
    let world = World::amid(&release().baking(0).build());
    ring(&world).await.unwrap();
    let [started] = &world.executions.started()[..] else { panic!("not one") };
    assert_eq!((started.machine, started.name.as_str()), (Machine::Rollback, "news-1-f2"));
    let cause = json!({ "kind": "alarm", "alarm": "errors", "reason": "threshold crossed" });
    assert_eq!(started.input, json!({ "releaseId": "news-1", "cause": cause }));
    Machines::new(at(61)).run(&world).await;
    assert_eq!(broken_at_rest(&world), [""; 0]);
    let last = world.journal(&"news-1".parse().unwrap()).pop().unwrap();
    assert_eq!(last.cause, "guard errors in ALARM: threshold crossed");
}

#[tokio::test]
async fn with_nothing_in_flight_an_alarm_only_leaves_a_note() {
    for placed in [release(), release().preparing(), release().promoted()] {
        let world = World::amid(&placed.build());
        let fence = world.head(&"news".parse().unwrap()).fence;
        for _ in 0..2 {
            let answers = ring(&world).await.unwrap();
            assert_eq!(answers, [("news".parse().unwrap(), Answer::NothingInFlight)]);
        }
        assert_eq!(world.calls.count("shift") + world.calls.count("start"), 0);
        assert_eq!(world.head(&"news".parse().unwrap()).fence, fence);
        let notes: Vec<_> = world.store.read(|items| items.notes.values().cloned().collect());
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert_eq!(note.subject, "alarm errors");
        assert_eq!(note.text, "no release was in flight that the guard could take back");
    }
}

#[tokio::test]
async fn an_alarm_that_guards_nothing_costs_one_query() {
    let world = World::amid(&release().baking(0).build());
    let World { store, lambda, executions, .. } = &world;
    let answers = on_alarm::run(store, lambda, executions, &alarm("other")).await.unwrap();
    assert_eq!((answers, world.calls.log()), (vec![], vec!["by_guard"]));
}

#[tokio::test]
async fn an_alias_that_moved_since_costs_a_read_and_is_put_back_all_the_same() {
    let world = World::amid(&release().baking(0).build());
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &Route::all_on(&"2".parse().unwrap()));
    ring(&world).await.unwrap();
    let calls = ["by_guard", "take_fence", "shift", "alias", "head", "shift", "alias", "start"];
    assert_eq!(world.calls.log(), calls);
    assert_eq!(route(&world), baseline());
}

#[tokio::test]
async fn a_repeated_alarm_is_one_rollback() {
    let world = World::amid(&release().baking(0).build());
    ring(&world).await.unwrap();
    ring(&world).await.unwrap();
    Machines::new(at(61)).run(&world).await;
    assert_eq!(ring(&world).await.unwrap()[0].1, Answer::NothingInFlight);
    assert_eq!(broken_at_rest(&world), [""; 0]);
    assert_eq!(route(&world), baseline());
}

#[tokio::test]
async fn the_rollback_machine_also_runs_when_the_alias_could_not_be_moved() {
    for failure in [Failure::Unavailable, Failure::Denied] {
        let world = World::amid(&release().baking(0).build());
        world.calls.inject(Fault::of("shift").with(failure));
        ring(&world).await.unwrap_err();
        assert_eq!(world.executions.started().len(), 1);
        Machines::new(at(61)).run(&world).await;
        assert_eq!(route(&world), baseline());
        assert_eq!(broken_at_rest(&world), [""; 0]);
    }
}

#[tokio::test]
async fn each_call_failing_in_turn_ends_on_the_baseline_after_the_event_came_again() {
    for call in 0..4 {
        for fault in [Fault::call(call), Fault::call(call).after()] {
            let world = World::amid(&release().baking(0).build());
            world.calls.inject(fault);
            ring(&world).await.unwrap_err();
            ring(&world).await.unwrap();
            Machines::new(at(61)).run(&world).await;
            assert_eq!(broken_at_rest(&world), [""; 0], "call {call}");
            assert_eq!(route(&world), baseline(), "call {call}");
        }
    }
}

#[tokio::test]
async fn one_target_that_fails_does_not_keep_the_others_exposed() {
    let world = World::amid(&release().baking(0).build());
    let other = target().named("other").function("other").build();
    world.add(&other);
    world.place(&release().to(&other).baking(0).build());
    // "news" comes first; its fence can't be taken.
    world.calls.inject(Fault::of("take_fence"));
    ring(&world).await.unwrap_err();
    assert_ne!(route(&world), baseline());
    assert_eq!(world.route(other.service.lambda.as_ref().unwrap()), baseline());
    ring(&world).await.unwrap();
    assert_eq!(route(&world), baseline());
}
