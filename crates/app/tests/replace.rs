//! A newer artifact while a release runs.

use perch_app::announce::{self, Announcement, Answer};
use perch_app::ports::{Machine, StartExecution};
use perch_app::step::StepInput;
use perch_app::{judge_canary, order};
use perch_core::names::TargetName;
use perch_core::phase::Phase;
use perch_core::target::WhileReleasing;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{Machines, World, announcement, at, healthy, image, release, target};
use serde_json::json;

fn newer() -> Announcement {
    announcement().of(image('c', "v3")).event("event-2").pushed_at(60).build()
}

async fn announce(world: &World, announcement: &Announcement) -> Answer {
    let World { store, executions, .. } = world;
    let mut answers = announce::run(store, executions, announcement, at(61)).await.unwrap();
    answers.remove(0).1
}

fn well(world: &World) {
    for version in ["1", "2", "3", "4"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
}

fn notes(world: &World) -> Vec<String> {
    world.store.read(|items| items.notes.values().map(|note| note.text.clone()).collect())
}

#[tokio::test]
async fn the_canary_goes_back_to_the_same_baseline_and_the_newest_follows() {
    for placed in [release(), release().preparing(), release().shifting(1), release().baking(1)] {
        let world = World::amid(&placed.build());
        well(&world);
        assert!(matches!(announce(&world, &newer()).await, Answer::Waits { .. }));
        let mut machines = Machines::new(at(62));
        let over = |world: &World| world.release(&"news-1".parse().unwrap()).phase.is_over();
        assert!(machines.run_until(&world, over).await);
        assert_eq!(
            world.route(target().build().service.lambda.as_ref().unwrap()).primary.as_str(),
            "1"
        );
        machines.run(&world).await;
        assert_eq!(broken_at_rest(&world), [""; 0]);
        let newest = world.store.read(|items| {
            items.releases.values().find(|r| r.artifact == newer().artifact).unwrap().clone()
        });
        assert_eq!(newest.phase, Phase::Promoted);
        assert_eq!(newest.ledger.unwrap().baseline.as_str(), "1", "the same baseline");
        let replaced = world.release(&"news-1".parse().unwrap());
        assert_eq!(replaced.phase, Phase::Superseded { by: Some(newest.id) });
    }
}

#[tokio::test]
async fn what_was_replaced_is_not_quarantined() {
    let world = World::amid(&release().baking(0).build());
    announce(&world, &newer()).await;
    Machines::new(at(62)).run(&world).await;
    let again = announcement().event("event-3").pushed_at(90).build();
    world.store.change(|items| items.heads.get_mut(&news()).unwrap().active = None);
    assert!(matches!(announce(&world, &again).await, Answer::Started(_)));
}

fn news() -> TargetName {
    "news".parse().unwrap()
}

#[tokio::test]
async fn a_promotion_that_was_decided_is_not_replaced() {
    for placed in [release().promoting(), release().watching()] {
        let world = World::amid(&placed.build());
        assert!(matches!(announce(&world, &newer()).await, Answer::Waits { .. }));
        assert_eq!(world.executions.started(), []);
    }
}

#[tokio::test]
async fn a_person_s_order_is_not_replaced() {
    let world = World::amid(&release().baking(0).build());
    order::hold(&world.store, &news(), "kim", "looking", at(30)).await.unwrap();
    assert!(matches!(announce(&world, &newer()).await, Answer::Waits { .. }));
    assert_eq!(world.executions.started(), []);
}

#[tokio::test]
async fn an_older_artifact_replaces_nothing() {
    let world = World::amid(&release().baking(0).build());
    let older = announcement().of(image('c', "v1")).event("event-0").pushed_at(-60).build();
    assert!(matches!(announce(&world, &older).await, Answer::Waits { .. }));
    assert_eq!(world.executions.started(), []);
}

#[tokio::test]
async fn of_many_pushes_the_newest_is_released_and_the_others_are_journaled() {
    let world = World::amid(&release().baking(0).build());
    well(&world);
    for (hex, tag, seconds) in [('c', "v3", 60), ('d', "v4", 70), ('e', "v3.1", 65)] {
        let push = announcement().of(image(hex, tag)).event(tag).pushed_at(seconds).build();
        announce(&world, &push).await;
    }
    Machines::new(at(80)).run(&world).await;
    assert_eq!(broken_at_rest(&world), [""; 0]);
    let serving = world.head(&news()).serving.unwrap();
    assert_eq!(serving.artifact, image('d', "v4"));
    let notes = notes(&world);
    let skipped = "skipped: news:v4 (dddddddddddd) is newer and waits instead";
    assert!(notes.iter().any(|note| note == skipped), "{notes:?}");
    let overtaken = "a newer artifact waits already: news:v4 (dddddddddddd)";
    assert!(notes.iter().any(|note| note == overtaken), "{notes:?}");
}

#[tokio::test]
async fn under_reject_the_artifact_has_no_release_and_the_sweep_leaves_it() {
    let world = World::with(&target().while_releasing(WhileReleasing::Reject).build());
    world.place(&release().baking(0).build());
    let Answer::Ignored(why) = announce(&world, &newer()).await else { panic!("not ignored") };
    assert_eq!(why, "release news-1 runs, and whileReleasing is reject");
    let head = world.head(&news());
    assert_eq!((head.waiting, head.seen), (None, Some(at(60))));
    assert_eq!(broken_always(&world), [""; 0]);
}

#[tokio::test]
async fn a_replacement_that_comes_too_late_lets_the_release_go_on() {
    let placed = release().baking(1).build();
    let world = World::amid(&placed);
    well(&world);
    let input = json!({ "releaseId": placed.id, "fence": placed.fence });
    world.executions.start(Machine::CanaryDeploy, &placed.id, &input).await.unwrap();
    announce(&world, &newer()).await;
    assert_eq!(world.executions.started().len(), 2);
    let World { store, lambda, metrics, alarms, .. } = &world;
    let step = StepInput { release_id: placed.id.clone(), fence: placed.fence };
    judge_canary::run(
        store,
        (lambda, &world.services, &world.deployments),
        (metrics, alarms),
        &step,
        at(120),
    )
    .await
    .unwrap();
    assert!(!world.release(&placed.id).is_replaceable());
    Machines::new(at(120)).run(&world).await;
    assert_eq!(world.release(&placed.id).phase, Phase::Promoted);
    assert_eq!(world.head(&news()).serving.unwrap().artifact, newer().artifact);
    assert_eq!(broken_at_rest(&world), [""; 0]);
}

#[tokio::test]
async fn a_replacement_that_comes_after_the_promotion_was_decided_does_nothing() {
    let world = World::amid(&release().baking(1).build());
    announce(&world, &newer()).await;
    assert_eq!(world.executions.started().len(), 1);
    let promoting = Phase::Promoting { from: perch_core::weight::Weight::new(50).unwrap() };
    world.store.change(|items| {
        items.releases.values_mut().for_each(|release| release.phase = promoting.clone());
    });
    Machines::new(at(62)).run(&world).await;
    assert_eq!(world.release(&"news-1".parse().unwrap()).phase, promoting);
    assert_eq!(world.head(&news()).fence, 1);
}
