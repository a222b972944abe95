//! An alias that someone else moves: automation never moves past a person's decision.

use perch_app::on_alarm::{self, Alarm};
use perch_app::ports::{Machine, Route, StartExecution as _};
use perch_core::journal::What;
use perch_core::phase::Phase;
use perch_testkit::invariants::broken_always;
use perch_testkit::{Machines, World, at, failing, healthy, release, target};
use serde_json::json;

/// A world with a third version, which nobody but a person would choose.
fn world(placed: perch_core::release::Release) -> (World, Route) {
    let world = World::amid(&placed);
    for version in ["1", "2"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    world.lambda.change(|account| {
        let function = account.functions.values_mut().next().unwrap();
        let third = function.versions[0].clone();
        function.versions.push(third);
    });
    let version = world.lambda.read(|a| a.functions.values().next().unwrap().versions.len());
    (world, Route::all_on(&version.to_string().parse().unwrap()))
}

async fn go_on(world: &World) {
    let name = "news-1".parse().unwrap();
    let input = json!({ "releaseId": "news-1", "fence": 1 });
    world.executions.start(Machine::CanaryDeploy, &name, &input).await.unwrap();
    Machines::new(at(120)).run(world).await;
}

#[tokio::test]
async fn a_release_lets_go_of_an_alias_that_a_person_moved() {
    for placed in [
        release().shifting(0),
        release().shifting(1),
        release().baking(0),
        release().promoting(),
        release().watching(),
    ] {
        let (world, chosen) = world(placed.build());
        let lambda = target().build().service.lambda.unwrap();
        world.lambda.move_alias(&lambda, &chosen);
        go_on(&world).await;
        let ended = world.release(&"news-1".parse().unwrap());
        assert_eq!(ended.phase, Phase::Superseded { by: None });
        assert_eq!(world.route(&lambda), chosen, "left as the person wanted it");
        let last = world.journal(&ended.id).pop().unwrap();
        assert_eq!(last.what, What::TrafficTakenOver);
        assert!(last.cause.contains("it sends version 3 alone"), "{}", last.cause);
        assert_eq!(broken_always(&world), [""; 0]);
    }
}

#[tokio::test]
async fn a_rollback_does_not_overwrite_a_person_s_choice() {
    let (world, chosen) = world(release().baking(0).build());
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &chosen);
    let alarm = Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: String::new(),
        at: at(60),
    };
    let World { store, executions, .. } = &world;
    let answers = on_alarm::run(store, &world.lambda, executions, &alarm).await.unwrap();
    assert_eq!(answers[0].1, on_alarm::Answer::LeftAlone);
    Machines::new(at(61)).run(&world).await;
    assert_eq!(world.route(&lambda), chosen);
    let ended = world.release(&"news-1".parse().unwrap());
    assert_eq!(ended.phase, Phase::Superseded { by: None });
}

#[tokio::test]
async fn a_split_that_still_holds_the_canary_is_put_back_by_a_rollback() {
    let (world, _) = world(release().baking(0).build());
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &Route::all_on(&"2".parse().unwrap()));
    world.metrics.set("2", failing());
    let alarm = Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: String::new(),
        at: at(60),
    };
    let World { store, executions, .. } = &world;
    on_alarm::run(store, &world.lambda, executions, &alarm).await.unwrap();
    Machines::new(at(61)).run(&world).await;
    assert_eq!(world.route(&lambda), Route::all_on(&"1".parse().unwrap()));
    assert_eq!(world.release(&"news-1".parse().unwrap()).phase.name(), "RolledBack");
}
