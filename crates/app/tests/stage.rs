//! Stages of a service deployment of ECS: the release's phase answers them.

use perch_app::deployment::stage::{self, Answer, Stage};
use perch_app::order;
use perch_app::step::StepError;
use perch_core::release::Release;
use perch_core::smoke::Answer as Heard;
use perch_core::target::Target;
use perch_testkit::{Failure, Fault, Machines, World, announcement, at, healthy, target};
use serde_json::json;

use crate::whole_release::{announce, phase_is};

const GATE: &str = "PRE_PRODUCTION_TRAFFIC_SHIFT";

pub(crate) fn on_ecs() -> Target {
    target().steps(&[(10, 600)]).on_ecs(None).build()
}

pub(crate) fn tested() -> Target {
    let tests = json!({ "url": "http://test:9000", "checks": [{
        "name": "answers", "http": { "path": "/health" }, "expect": { "status": 200 },
    }] });
    target().steps(&[(10, 600)]).on_ecs(None).with_smoke_tests(tests).build()
}

fn world(target: &Target) -> World {
    let world = World::with(target);
    for version in ["1", "2"] {
        world.metrics.set(version, healthy());
    }
    world
}

pub(crate) fn only(world: &World) -> Release {
    world.store.read(|items| items.releases.values().next().unwrap().clone())
}

async fn asked(world: &World, machines: &Machines, name: &str) -> Result<Answer, StepError> {
    let World { store, deployments, lambda, services, web, .. } = world;
    let deployment = deployments.read(|service| service.made[0].id.clone());
    let stage = Stage { deployment, name: name.to_owned() };
    let clock = || machines.now();
    stage::run(store, deployments, (lambda, services), web, &stage, clock).await
}

async fn pushed(target: &Target) -> (World, Machines) {
    let (world, machines) = (world(target), Machines::new(at(0)));
    announce(&world, &announcement().build(), &machines).await;
    (world, machines)
}

#[tokio::test]
async fn the_judge_holds_a_deployment_for_as_long_as_it_needs() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    let exists = |world: &World| only(world).deployment.is_some_and(|of| of.id.is_some());
    machines.run_until(&world, exists).await;
    // The load balancer is there already, and the release has not looked yet.
    assert_eq!(only(&world).phase.name(), "Shifting");
    world.deployments.pass((&world.lambda, &world.services), machines.now());
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::InProgress);
    machines.run_until(&world, phase_is("Baking")).await;
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::InProgress);
    for name in ["PRODUCTION_TRAFFIC_SHIFT", "TEST_TRAFFIC_SHIFT", "POST_SCALE_UP"] {
        assert_eq!(asked(&world, &machines, name).await.unwrap(), Answer::Succeeded, "{name}");
    }
    machines.run_until(&world, phase_is("Promoting")).await;
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::Succeeded);
    machines.run(&world).await;
    assert_eq!(only(&world).phase.name(), "Promoted");
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::Succeeded);
}

#[tokio::test]
async fn a_release_that_goes_back_lets_nothing_go_on() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    world.metrics.set("2", perch_testkit::failing());
    machines.run_until(&world, phase_is("RollingBack")).await;
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::Failed);
    // Stages of the way back are asked, too.
    assert_eq!(
        asked(&world, &machines, "PRODUCTION_TRAFFIC_SHIFT").await.unwrap(),
        Answer::Succeeded
    );
    machines.run(&world).await;
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::Failed);
}

#[tokio::test]
async fn smoke_tests_come_before_the_first_traffic_and_only_once() {
    for (status, answer) in [(200, Answer::Succeeded), (503, Answer::Failed)] {
        let (world, mut machines) = pushed(&tested()).await;
        let heard = Heard::Http { status, body: b"{}".to_vec() };
        world.web.answer("http://test:9000/health", heard);
        // The hook of the in-memory deployment does the same tests when it is asked.
        let made = |world: &World| world.deployments.read(|service| !service.made.is_empty());
        machines.run_until(&world, made).await;
        for _ in 0..2 {
            assert_eq!(asked(&world, &machines, GATE).await.unwrap(), answer);
        }
        assert_eq!(world.web.asked().len(), 1, "{status}");
        assert_eq!(only(&world).smoke.len(), 1);
    }
}

#[tokio::test]
async fn what_passes_with_time_is_asked_again() {
    let (world, mut machines) = pushed(&tested()).await;
    let made = |world: &World| world.deployments.read(|service| !service.made.is_empty());
    machines.run_until(&world, made).await;
    world.calls.inject(Fault::of("commit").with(Failure::Conflict));
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::InProgress);
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::Succeeded);
}

#[tokio::test]
async fn a_deployment_that_is_not_perch_s_goes_on() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    let made = |world: &World| world.deployments.read(|service| !service.made.is_empty());
    machines.run_until(&world, made).await;
    world.deployments.change(|service| service.made[0].release = None);
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::Succeeded);
}

#[tokio::test]
async fn a_stop_of_the_line_lets_no_first_traffic_through() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    let made = |world: &World| world.deployments.read(|service| !service.made.is_empty());
    machines.run_until(&world, made).await;
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::Succeeded);
    let news = "news".parse().unwrap();
    order::stop(&world.store, Some(&news), "kim", "freeze", machines.now()).await.unwrap();
    assert_eq!(asked(&world, &machines, GATE).await.unwrap(), Answer::InProgress);
}
