//! What users of deployments to ECS services met, played on a service behind a load balancer.

use perch_core::journal::What;
use perch_core::phase::Phase;
use perch_core::smoke::Answer;
use perch_core::target::{EcsService, WhenBusy};
use perch_core::weight::Weight;
use perch_testkit::services::Running;
use perch_testkit::{Fault, TargetBuilder, failing, healthy, target};
use serde_json::json;

use crate::scene::Scene;

const MOVERS: [Option<WhenBusy>; 2] = [Some(WhenBusy::Wait), None];

fn on_ecs(mover: Option<WhenBusy>) -> TargetBuilder {
    target().steps(&[(10, 600)]).on_ecs(mover)
}

fn service(scene: &Scene) -> EcsService {
    scene.target.service.ecs.clone().unwrap()
}

fn look<T>(scene: &Scene, look: impl FnOnce(&Running) -> T) -> T {
    scene.world.services.change(&service(scene), |running| look(running))
}

fn serves(scene: &Scene, revision: &str) -> bool {
    let alone = [(revision.parse().unwrap(), Weight::FULL)];
    look(scene, |running| running.split() == alone)
}

#[tokio::test]
async fn pipecd_5280_after_a_rollback_everything_goes_to_the_baseline() {
    for mover in MOVERS {
        let mut scene = Scene::of(on_ecs(mover));
        scene.world.metrics.set("2", failing());
        scene.push('b').await;
        scene.rest().await;
        assert_eq!(scene.phase('b'), "RolledBack", "{mover:?}");
        assert!(serves(&scene, "1"), "{mover:?}");
        let left = scene.world.deployments.read(|of| of.asked().count());
        assert_eq!(left, 0, "no hook waits");
    }
}

#[tokio::test]
async fn ecspresso_673_no_task_definition_in_use_is_taken_away() {
    for mover in MOVERS {
        let mut scene = Scene::of(on_ecs(mover));
        scene.world.metrics.set("2", failing());
        scene.push('b').await;
        scene.rest().await;
        scene.push('c').await;
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.phase('c')), ("RolledBack", "Promoted"));
        assert!(look(&scene, |running| running.revisions.iter().all(|of| of.is_active)));
        let baseline = scene.release_of('c').ledger.unwrap().baseline;
        assert_eq!(baseline.as_str(), "1", "what was rolled back is nobody's baseline");
        assert!(serves(&scene, "3"));
    }
}

#[tokio::test]
async fn containers_roadmap_2651_traffic_moves_to_a_service_in_equal_steps() {
    for mover in MOVERS {
        let steps: Vec<(u8, u64)> = (1..10).map(|step| (step * 10, 300)).collect();
        let mut scene = Scene::of(on_ecs(mover).steps(&steps));
        scene.push('b').await;
        scene.rest().await;
        assert_eq!(scene.release_of('b').phase, Phase::Promoted, "{mover:?}");
        let weights: Vec<u8> = look(&scene, |running| {
            let canary = running
                .splits
                .iter()
                .filter_map(|split| split.iter().find(|(version, _)| version.as_str() == "2"));
            canary.map(|(_, weight)| weight.percent()).collect()
        });
        assert_eq!(weights, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100], "{mover:?}");
    }
}

#[tokio::test]
async fn containers_roadmap_2664_what_a_hook_failed_on_is_named() {
    for mover in MOVERS {
        let tests = json!({ "url": "http://test:9000", "checks": [{
            "name": "scores an article", "http": { "path": "/score" }, "expect": { "status": 200 },
        }] });
        let mut scene = Scene::of(on_ecs(mover).with_smoke_tests(tests));
        let broken = Answer::Http { status: 500, body: b"{}".to_vec() };
        scene.world.web.answer("http://test:9000/score", broken);
        scene.push('b').await;
        scene.rest().await;
        let Phase::RolledBack { cause } = scene.release_of('b').phase else {
            panic!("{:?}", scene.release_of('b').phase)
        };
        assert!(cause.to_string().contains("scores an article"), "{cause}");
        let shifted = scene.world.journal(&scene.release_of('b').id);
        assert!(shifted.iter().all(|entry| entry.what != What::WeightShifted));
    }
}

#[tokio::test]
async fn terraform_45678_target_groups_may_change_places() {
    for mover in MOVERS {
        let mut scene = Scene::of(on_ecs(mover));
        scene.world.metrics.set("3", healthy());
        let mut groups = Vec::new();
        for hex in ['b', 'c'] {
            scene.push(hex).await;
            scene.rest().await;
            assert_eq!(scene.phase(hex), "Promoted", "{mover:?}");
            let ledger = scene.release_of(hex).ledger.unwrap();
            groups.push(ledger.service().unwrap().groups.clone());
        }
        assert_eq!(groups[0].baseline, groups[1].canary, "{mover:?}");
        assert_eq!(groups[0].canary, groups[1].baseline, "{mover:?}");
    }
}

#[tokio::test]
async fn ecs_a_pause_is_ended_by_the_judge() {
    for (arm, phase, revision) in [(healthy(), "Promoted", "2"), (failing(), "RolledBack", "1")] {
        let mut scene = Scene::of(on_ecs(None));
        scene.world.pause(&scene.target);
        scene.world.metrics.set("2", arm);
        // The answer to a call is lost: the next look finds out.
        scene.world.calls.inject(Fault::of("continue_deployment").after());
        scene.push('b').await;
        scene.rest().await;
        assert_eq!(scene.phase('b'), phase);
        assert!(serves(&scene, revision), "{phase}");
        let waits = scene.world.deployments.read(|known| {
            known.made.iter().any(|made| {
                made.pausing.as_ref().is_some_and(|of| !of.now().is_empty()) && !made.has_ended()
            })
        });
        assert!(!waits, "{phase}: a deployment waits for nobody");
    }
}
