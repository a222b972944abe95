//! Stop-the-line, and holds: nothing starts, nothing goes up, and rollbacks go on.

use perch_app::announce::{self, Announcement, Answer};
use perch_app::order::{self, OrderError};
use perch_core::journal::Happened;
use perch_core::names::TargetName;
use perch_core::phase::Phase;
use perch_testkit::invariants::broken_at_rest;
use perch_testkit::{Machines, World, announcement, at, failing, healthy, image, release};

fn news() -> TargetName {
    "news".parse().unwrap()
}

async fn push(world: &World, announcement: &Announcement, seconds: i64) -> Answer {
    let World { store, executions, .. } = world;
    announce::run(store, executions, announcement, at(seconds)).await.unwrap().remove(0).1
}

async fn stop(world: &World, target: Option<&TargetName>) {
    order::stop(&world.store, target, "kim", "incident 7", at(5)).await.unwrap();
}

async fn resume(world: &World, target: Option<&TargetName>) -> Option<Option<Answer>> {
    let World { store, executions, .. } = world;
    order::resume(store, executions, target, ("ana", "solved"), at(900)).await.unwrap()
}

fn happened(world: &World) -> Vec<(Happened, String)> {
    world.store.read(|items| items.notices.iter().map(|n| (n.what, n.text.clone())).collect())
}

#[tokio::test]
async fn a_stop_keeps_pushes_waiting_and_its_end_starts_the_newest() {
    let world = World::usual();
    stop(&world, Some(&news())).await;
    for (hex, tag, seconds) in [('b', "v2", 10), ('c', "v3", 20)] {
        let event = announcement().of(image(hex, tag)).event(tag).pushed_at(seconds).build();
        let Answer::Waits { behind } = push(&world, &event, 30).await else { panic!("started") };
        assert!(behind.starts_with("stopped by kim at "), "{behind}");
    }
    assert_eq!(world.executions.started(), []);
    let Some(Some(Answer::Started(id))) = resume(&world, Some(&news())).await else {
        panic!("nothing was started")
    };
    assert_eq!(world.release(&id).artifact, image('c', "v3"));
    assert_eq!(
        happened(&world),
        [
            (Happened::LineStopped, "news stopped by kim: incident 7".to_owned()),
            (Happened::LineResumed, "news resumed by ana: solved".to_owned()),
        ]
    );
    assert_eq!(resume(&world, Some(&news())).await, None, "no stop stands any more");
}

#[tokio::test]
async fn a_stop_of_all_holds_every_target_and_the_first_stop_stays() {
    let world = World::usual();
    stop(&world, None).await;
    assert!(matches!(push(&world, &announcement().build(), 10).await, Answer::Waits { .. }));
    let again = order::stop(&world.store, None, "bo", "too", at(50)).await.unwrap();
    assert_eq!(again.by, "kim");
    assert_eq!(resume(&world, None).await, Some(None));
    assert!(matches!(resume(&world, Some(&news())).await, Some(Some(Answer::Started(_)))));
}

#[tokio::test]
async fn a_stop_holds_the_weight_of_a_release_and_its_judge_goes_on() {
    for spoilt in [false, true] {
        let world = World::amid(&release().baking(0).build());
        world.metrics.set("1", healthy());
        world.metrics.set("2", healthy());
        world.metrics.set_total(healthy());
        let World { store, executions, .. } = &world;
        let input = serde_json::json!({ "releaseId": "news-1", "fence": 1 });
        let name = "news-1".parse().unwrap();
        use perch_app::ports::{Machine, StartExecution as _};
        executions.start(Machine::CanaryDeploy, &name, &input).await.unwrap();
        stop(&world, Some(&news())).await;
        let mut machines = Machines::new(at(60));
        for _ in 0..20 {
            machines.step(&world).await;
        }
        assert!(matches!(world.release(&name).phase, Phase::Baking { step: 0, .. }));
        if spoilt {
            world.metrics.set("2", failing());
            machines.run(&world).await;
            assert_eq!(world.release(&name).phase.name(), "RolledBack");
        } else {
            order::resume(store, executions, Some(&news()), ("ana", "solved"), machines.now())
                .await
                .unwrap();
            machines.run(&world).await;
            assert_eq!(world.release(&name).phase, Phase::Promoted);
        }
        assert_eq!(broken_at_rest(&world), [""; 0]);
    }
}

#[tokio::test]
async fn a_canary_gets_no_first_traffic_while_a_stop_or_a_hold_stands() {
    for held in [false, true] {
        let world = World::amid(&release().shifting(0).build());
        world.metrics.set("1", healthy());
        world.metrics.set("2", healthy());
        if held {
            order::hold(&world.store, &news(), "kim", "looking", at(5)).await.unwrap();
        } else {
            stop(&world, Some(&news())).await;
        }
        let fence = world.head(&news()).fence;
        let input = perch_app::step::StepInput { release_id: "news-1".parse().unwrap(), fence };
        let World { store, lambda, .. } = &world;
        let shift = || perch_app::shift_weight::run(store, lambda, &input, at(6));
        let output = shift().await.unwrap();
        assert_eq!((output.next.as_str(), output.wait_seconds), ("Shift", 30));
        assert_eq!(world.calls.count("shift"), 0);
        if held {
            order::continue_now(store, &news(), "kim", "fine", at(7)).await.unwrap();
        } else {
            resume(&world, Some(&news())).await;
        }
        assert_eq!(shift().await.unwrap().next, "Judge");
    }
}

#[tokio::test]
async fn a_canary_that_is_held_until_the_deadline_goes_back() {
    let world = World::amid(&release().shifting(0).deadline(100).build());
    stop(&world, None).await;
    let input = perch_app::step::StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    let World { store, lambda, .. } = &world;
    let output = perch_app::shift_weight::run(store, lambda, &input, at(100)).await.unwrap();
    assert_eq!(output.next, "Rollback");
}

#[tokio::test]
async fn orders_that_go_up_are_refused_while_a_stop_stands() {
    let world = World::amid(&release().baking(0).build());
    stop(&world, None).await;
    let promoted = order::promote(&world.store, &news(), "ana", "now", at(6)).await;
    let Err(OrderError::Stopped { stop, .. }) = promoted else { panic!("{promoted:?}") };
    assert_eq!(stop.reason, "incident 7");
    order::continue_now(&world.store, &news(), "ana", "now", at(6)).await.unwrap_err();
    order::hold(&world.store, &news(), "ana", "also", at(6)).await.unwrap();
}
