//! Releases to ECS services: what they begin with, their hooks, their targets, and what others do to them.

use perch_app::order;
use perch_core::artifact::Artifact;
use perch_core::journal::What;
use perch_core::judge::Health;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::smoke::Answer;
use perch_core::target::{EcsService, Target, WhenBusy};
use perch_core::weight::Weight;
use perch_testkit::invariants::broken_at_rest;
use perch_testkit::{Fault, Machines, World, announcement, at, healthy, target};
use serde_json::json;

use crate::whole_release::{announce, phase_is};

const KINDS: [Option<WhenBusy>; 2] = [Some(WhenBusy::Wait), None];

fn on_ecs(kind: Option<WhenBusy>) -> Target {
    target().steps(&[(10, 600)]).on_ecs(kind).needing_healthy_targets("80%").build()
}

fn tested(kind: Option<WhenBusy>) -> Target {
    let tests = json!({ "url": "http://test:9000", "checks": [{
        "name": "answers", "http": { "path": "/health" }, "expect": { "status": 200 },
    }] });
    target().steps(&[(10, 600)]).on_ecs(kind).with_smoke_tests(tests).build()
}

fn service() -> EcsService {
    on_ecs(None).service.ecs.unwrap()
}

fn world(target: &Target) -> World {
    let world = World::with(target);
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world
}

async fn push(world: &World, machines: &Machines) {
    announce(world, &announcement().build(), machines).await;
}

fn newest(world: &World) -> Release {
    let releases = world.store.read(|items| items.releases.values().cloned().collect::<Vec<_>>());
    releases.into_iter().max_by_key(|release| release.fence).unwrap()
}

fn serves(world: &World, version: &str) -> bool {
    let alone = [(version.parse().unwrap(), Weight::FULL)];
    world.services.change(&service(), |running| running.split() == alone)
}

#[tokio::test]
async fn the_canary_is_the_baseline_s_task_definition_with_the_image_by_digest() {
    for kind in KINDS {
        let (world, mut machines) = (world(&on_ecs(kind)), Machines::new(at(0)));
        push(&world, &machines).await;
        machines.run(&world).await;
        let release = newest(&world);
        assert_eq!(release.phase, Phase::Promoted);
        assert!(serves(&world, "2"));
        let revisions = world.services.change(&service(), |running| running.revisions.clone());
        let Artifact::Image { repository, digest, .. } = &release.artifact else { panic!() };
        assert_eq!(revisions.len(), 2);
        assert_eq!(revisions[1].image, format!("registry/{repository}@{digest}"));
        assert_eq!(revisions[1].release.as_ref(), Some(&release.id));
    }
}

#[tokio::test]
async fn a_lost_answer_registers_no_second_task_definition() {
    let (world, mut machines) = (world(&on_ecs(None)), Machines::new(at(0)));
    world.calls.inject(Fault::of("register_task_definition").after());
    push(&world, &machines).await;
    machines.run(&world).await;
    assert_eq!(newest(&world).phase, Phase::Promoted);
    let revisions = world.services.change(&service(), |running| running.revisions.len());
    assert_eq!(revisions, 2);
}

#[tokio::test]
async fn what_can_not_be_come_back_to_is_refused() {
    for (change, reason) in [
        ("split", "is split already"),
        ("inactive", "is not active any more"),
        ("gone", "is not in the registry any more"),
    ] {
        let (world, mut machines) = (world(&on_ecs(None)), Machines::new(at(0)));
        match change {
            "split" => world.services.change(&service(), |running| {
                let (one, two) = ("1".parse().unwrap(), "2".parse().unwrap());
                running.send(&one, &two, Weight::new(20).unwrap());
            }),
            "inactive" => {
                world.services.change(&service(), |running| running.revisions[0].is_active = false)
            }
            _ => world.lambda.change(|account| {
                let image = world.services.change(&service(), |of| of.revisions[0].image.clone());
                account.gone.insert(image.split_once('@').unwrap().1.to_owned());
            }),
        }
        push(&world, &machines).await;
        machines.run(&world).await;
        let Phase::Rejected { why } = newest(&world).phase else {
            panic!("{change}: {:?}", newest(&world).phase)
        };
        assert!(why.contains(reason), "{change}: {why}");
    }
}

#[tokio::test]
async fn a_canary_has_no_traffic_before_its_smoke_tests_passed() {
    for kind in KINDS {
        for (status, end) in [(200, "Promoted"), (503, "RolledBack")] {
            let (world, mut machines) = (world(&tested(kind)), Machines::new(at(0)));
            let answer = Answer::Http { status, body: b"{}".to_vec() };
            world.web.answer("http://test:9000/health", answer);
            push(&world, &machines).await;
            machines.run(&world).await;
            let release = newest(&world);
            assert_eq!(release.phase.name(), end, "{kind:?} {status}");
            assert_eq!(broken_at_rest(&world), [""; 0]);
            assert_eq!(release.smoke.len(), 1);
            assert_eq!(world.calls.count("answer_hook"), 1);
            let splits = world.services.change(&service(), |running| running.splits.clone());
            let had_traffic = splits.iter().flatten().any(|(version, _)| version.as_str() == "2");
            assert_eq!(had_traffic, status == 200, "{kind:?} {status}");
            assert!(serves(&world, if status == 200 { "2" } else { "1" }));
        }
    }
}

#[tokio::test]
async fn too_few_healthy_targets_roll_back() {
    for kind in KINDS {
        for (healthy, end) in [(4, "Promoted"), (3, "RolledBack")] {
            let (world, mut machines) = (world(&on_ecs(kind)), Machines::new(at(0)));
            world.services.change(&service(), |running| running.health = Health { healthy, of: 5 });
            push(&world, &machines).await;
            machines.run(&world).await;
            let release = newest(&world);
            assert_eq!(release.phase.name(), end, "{kind:?} {healthy}");
            assert!(serves(&world, if end == "Promoted" { "2" } else { "1" }));
            if end == "RolledBack" {
                let journal = world.journal(&release.id);
                let judged = journal.iter().find(|entry| entry.what == What::BakeJudged).unwrap();
                assert!(judged.cause.contains("3 of 5 targets"), "{}", judged.cause);
            }
        }
    }
}

#[tokio::test]
async fn what_someone_else_deployed_is_left_alone() {
    for kind in KINDS {
        let (world, mut machines) = (world(&on_ecs(kind)), Machines::new(at(0)));
        push(&world, &machines).await;
        machines.run_until(&world, phase_is("Baking")).await;
        world.services.change(&service(), |running| {
            running.send(&"1".parse().unwrap(), &"7".parse().unwrap(), Weight::FULL);
        });
        // ECS ends a deployment for a newer one; CodeDeploy knows of none.
        if kind.is_none() {
            world
                .deployments
                .change(|known| known.end(&"d-1".parse().unwrap(), "a newer one came"));
        }
        machines.run(&world).await;
        assert_eq!(newest(&world).phase, Phase::Superseded { by: None });
        assert!(serves(&world, "7"));
    }
}

#[tokio::test]
async fn a_person_goes_back_to_an_earlier_task_definition_at_once() {
    for kind in KINDS {
        let (world, mut machines) = (world(&on_ecs(kind)), Machines::new(at(0)));
        push(&world, &machines).await;
        machines.run(&world).await;
        assert!(serves(&world, "2"));
        let World { store, lambda, services, executions, .. } = &world;
        let (news, one) = ("news".parse().unwrap(), "1".parse().unwrap());
        let now = machines.now();
        let of = (&news, &one);
        let by = ("kim", "as before");
        order::go_back_to(store, (lambda, services), executions, of, by, now).await.unwrap();
        machines.run(&world).await;
        assert_eq!(newest(&world).phase, Phase::Promoted, "{kind:?}");
        assert!(serves(&world, "1"));
    }
}
