//! The end of a release, and the turn of what waited.

use perch_app::announce::Announcement;
use perch_app::close_release::{self, CloseInput};
use perch_app::ports::Machine;
use perch_app::step::{StepError, StepOutput};
use perch_core::head::Waiting;
use perch_core::names::TargetName;
use perch_core::release::{Cause, Release};
use perch_testkit::invariants::broken_always;
use perch_testkit::{Fault, World, announcement, at, image, release};

async fn close(world: &World) -> Result<StepOutput, StepError> {
    let input = CloseInput { release_id: "news-1".parse().unwrap(), fence: 1, failure: None };
    close_release::run(&world.store, &world.executions, &input, at(700)).await
}

fn news() -> TargetName {
    "news".parse().unwrap()
}

fn later() -> Announcement {
    announcement().of(image('c', "v3")).event("event-2").pushed_at(60).build()
}

/// A world in which the release is over and an artifact waits.
fn waiting(ended: &Release, announcement: &Announcement) -> World {
    let world = World::amid(ended);
    world.store.change(|items| {
        items.heads.get_mut(&ended.target).unwrap().waiting = Some(Waiting {
            artifact: announcement.artifact.clone(),
            event: announcement.event.clone(),
            pushed_at: announcement.pushed_at,
        });
    });
    world
}

fn notes(world: &World) -> Vec<String> {
    world.store.read(|items| items.notes.values().map(|note| note.text.clone()).collect())
}

#[tokio::test]
async fn what_waited_gets_its_release() {
    let world = waiting(&release().promoted().build(), &later());
    for _ in 0..2 {
        assert_eq!(close(&world).await.unwrap().next, "End");
    }
    let [started] = &world.executions.started()[..] else { panic!("not one") };
    assert_eq!(started.machine, Machine::CanaryDeploy);
    assert_eq!(started.input["fence"], 3);
    let next = world.release(&started.name);
    assert_eq!(next.artifact, later().artifact);
    assert_eq!(next.cause, Cause::Waited { id: "event-2".to_owned(), pushed_at: at(60) });
    let head = world.head(&news());
    assert_eq!((head.waiting, head.active), (None, Some(next.id)));
    assert_eq!(broken_always(&world), [""; 0]);
}

#[tokio::test]
async fn the_event_of_what_waited_finds_its_release_when_it_comes_again() {
    let world = waiting(&release().promoted().build(), &later());
    close(&world).await.unwrap();
    let World { store, executions, .. } = &world;
    perch_app::announce::run(store, executions, &later(), at(701)).await.unwrap();
    assert_eq!(executions.started().len(), 1);
    assert_eq!(store.read(|items| items.releases.len()), 2);
}

#[tokio::test]
async fn each_call_failing_in_turn_loses_nothing_and_starts_nothing_twice() {
    for call in 0..6 {
        for fault in [Fault::call(call), Fault::call(call).after()] {
            let world = waiting(&release().promoted().build(), &later());
            world.calls.inject(fault);
            close(&world).await.ok();
            close(&world).await.unwrap();
            assert_eq!(world.executions.started().len(), 1, "call {call}");
            assert_eq!(world.executions.started()[0].input["fence"], 3, "call {call}");
            assert_eq!(world.head(&news()).waiting, None, "call {call}");
            assert_eq!(broken_always(&world), [""; 0], "call {call}");
        }
    }
}

#[tokio::test]
async fn with_nothing_waiting_nothing_starts() {
    let world = World::amid(&release().promoted().build());
    assert_eq!(close(&world).await.unwrap().next, "End");
    assert_eq!(world.calls.log(), ["release", "head"]);
    assert_eq!(world.executions.started(), []);
}

#[tokio::test]
async fn behind_a_stuck_release_everything_waits() {
    let world = waiting(&release().stuck().build(), &later());
    close(&world).await.unwrap();
    assert_eq!(world.calls.log(), ["release"], "nothing is even tried");
    assert_eq!(world.executions.started(), []);
    assert!(world.head(&news()).waiting.is_some());
}

#[tokio::test]
async fn an_artifact_that_had_its_release_meanwhile_is_forgotten_with_a_note() {
    let same = announcement().event("event-2").build();
    let world = waiting(&release().promoted().build(), &same);
    close(&world).await.unwrap();
    assert_eq!(world.executions.started(), []);
    assert_eq!(world.head(&news()).waiting, None);
    assert_eq!(notes(&world), ["it serves already, as version 2 by release news-1"]);
}

#[tokio::test]
async fn an_older_artifact_has_no_turn_after_a_newer_one_was_promoted() {
    let older = announcement().of(image('c', "v1")).event("event-0").pushed_at(-60).build();
    let world = waiting(&release().promoted().build(), &older);
    close(&world).await.unwrap();
    assert_eq!(world.executions.started(), []);
    assert_eq!(world.head(&news()).waiting, None);
    assert_eq!(
        notes(&world),
        [
            "it was pushed before what was promoted last, and the newest wins; `perch release start` \
         releases it all the same"
        ]
    );
}

#[tokio::test]
async fn an_older_artifact_has_its_turn_after_a_newer_one_was_not_promoted() {
    let older = announcement().of(image('c', "v1")).event("event-0").pushed_at(-60).build();
    let world = waiting(&release().stuck().build(), &older);
    let World { store, lambda, executions, .. } = &world;
    let id = "news-1".parse().unwrap();
    let input = perch_app::restore_traffic::RollbackInput { release_id: id, cause: None };
    perch_app::restore_traffic::run(store, lambda, &input, at(699)).await.unwrap();
    close(&world).await.unwrap();
    assert_eq!(executions.started().len(), 1);
}

#[tokio::test]
async fn what_waits_stays_while_another_release_was_faster() {
    let world = waiting(&release().promoted().build(), &later());
    world.store.change(|items| {
        let head = items.heads.get_mut(&news()).unwrap();
        head.active = Some("news-2".parse().unwrap());
    });
    close(&world).await.unwrap();
    assert_eq!(world.executions.started(), []);
    assert!(world.head(&news()).waiting.is_some());
}

#[tokio::test]
async fn what_waited_for_a_target_that_was_deleted_is_not_started() {
    let world = waiting(&release().promoted().build(), &later());
    world.store.change(|items| items.targets.clear());
    close(&world).await.unwrap();
    assert_eq!(world.executions.started(), []);
}

#[tokio::test]
async fn a_release_that_no_one_knows_is_an_error() {
    let error = close(&World::usual()).await.unwrap_err();
    assert_eq!(error.to_string(), "release news-1 does not exist");
}
