//! People's decisions.

use perch_app::order::{self, OrderError};
use perch_app::ports::Machine;
use perch_core::journal::What;
use perch_core::names::TargetName;
use perch_core::release::Order;
use perch_testkit::invariants::broken_always;
use perch_testkit::{Fault, World, at, release};
use serde_json::json;

fn news() -> TargetName {
    "news".parse().unwrap()
}

#[tokio::test]
async fn an_order_is_recorded_and_journaled() {
    for placed in [release(), release().preparing(), release().shifting(0), release().baking(0)] {
        let placed = placed.build();
        let world = World::amid(&placed);
        order::promote(&world.store, &news(), "kim", "urgent", at(9)).await.unwrap();
        let found = world.release(&placed.id);
        let wanted = Order::Promote { by: "kim".to_owned(), reason: "urgent".to_owned() };
        assert_eq!(found.order, Some(wanted));
        assert_eq!(found.phase, placed.phase, "the next look carries it out");
        let last = world.journal(&placed.id).pop().unwrap();
        assert_eq!((last.what, last.cause.as_str()), (What::OrderGiven, "promote, by kim: urgent"));
        assert_eq!(broken_always(&world), [""; 0]);
    }
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_can_be_given_again() {
    let world = World::amid(&release().baking(0).build());
    world.calls.inject(Fault::of("commit").after());
    order::promote(&world.store, &news(), "kim", "urgent", at(9)).await.unwrap_err();
    let release = order::promote(&world.store, &news(), "kim", "urgent", at(9)).await.unwrap();
    let orders = world.journal(&release.id);
    let orders = orders.iter().filter(|entry| entry.what == What::OrderGiven).count();
    assert_eq!(orders, 1, "the same order is the same entry");
    assert_eq!(broken_always(&world), [""; 0]);
}

#[tokio::test]
async fn a_release_past_its_bakes_can_not_be_promoted() {
    for placed in
        [release().promoting(), release().watching(), release().rolling_back(10), release().stuck()]
    {
        let placed = placed.build();
        let world = World::amid(&placed);
        let error = order::promote(&world.store, &news(), "kim", "go", at(9)).await.unwrap_err();
        let phase = placed.phase.name();
        let text = format!("release news-1 is in phase {phase} and can't be promoted now");
        assert_eq!(error.to_string(), text);
        assert_eq!(world.release(&placed.id), placed_again(&world, &placed));
    }
}

/// The release as placed: with the revision that the alias had then.
fn placed_again(
    world: &World,
    placed: &perch_core::release::Release,
) -> perch_core::release::Release {
    let mut placed = placed.clone();
    let revision = world.lambda.now(placed.plan.driver.alias().unwrap()).revision;
    if let Some(ledger) = &mut placed.ledger {
        ledger.alias_mut().unwrap().revision = revision;
    }
    placed
}

#[tokio::test]
async fn without_a_release_there_is_nothing_to_order() {
    let promoted = World::amid(&release().promoted().build());
    for (world, target, text) in [
        (&World::usual(), "news", "nothing is in flight for target news"),
        (&promoted, "news", "nothing is in flight for target news"),
        (&World::usual(), "other", "target other does not exist; `perch targets` lists them"),
    ] {
        let target = target.parse().unwrap();
        let World { store, executions, .. } = world;
        let promoted = order::promote(store, &target, "kim", "go", at(9)).await;
        let back = order::roll_back(store, executions, &target, "kim", "no").await;
        for error in [promoted.unwrap_err(), back.unwrap_err()] {
            assert!(error.to_string().starts_with(text), "{error}");
        }
        assert_eq!(executions.started(), [], "the target that serves is not touched");
    }
}

#[tokio::test]
async fn an_abort_starts_the_rollback_with_who_and_why() {
    let watching = release().watching().build();
    let world = World::amid(&watching);
    let World { store, executions, .. } = &world;
    for _ in 0..2 {
        order::roll_back(store, executions, &news(), "kim", "looks odd").await.unwrap();
    }
    let [started] = &executions.started()[..] else { panic!("not one") };
    let name = format!("news-1-{}-abort", watching.seq);
    assert_eq!((started.machine, started.name.as_str()), (Machine::Rollback, name.as_str()));
    let cause = json!({ "kind": "abort", "by": "kim", "reason": "looks odd" });
    assert_eq!(started.input, json!({ "releaseId": "news-1", "cause": cause }));
}

#[tokio::test]
async fn a_rollback_of_a_stuck_release_gets_a_name_that_is_free() {
    let world = World::amid(&release().stuck().build());
    let World { store, executions, .. } = &world;
    for _ in 0..2 {
        order::roll_back(store, executions, &news(), "kim", "again").await.unwrap();
    }
    let names: Vec<_> = executions.started().into_iter().map(|s| s.name.to_string()).collect();
    assert_eq!(names, ["news-1-8-abort"]);
}

#[tokio::test]
async fn an_order_during_another_change_is_a_conflict_and_writes_nothing() {
    let world = World::amid(&release().baking(0).build());
    world.store.change(|items| items.heads.values_mut().for_each(|head| head.fence += 1));
    let error = order::promote(&world.store, &news(), "kim", "go", at(9)).await.unwrap_err();
    assert!(matches!(error, OrderError::Port(_)), "{error}");
    assert_eq!(world.release(&"news-1".parse().unwrap()).order, None);
}
