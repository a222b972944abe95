//! What AWS documents of its events, and what follows: at least once, late, out of order, or never.

use perch_app::announce::{self, Answer};
use perch_app::on_alarm;
use perch_core::phase::RollbackCause;
use perch_testkit::{Fault, World, image};

use crate::scene::Scene;

#[tokio::test]
async fn ecr_push_events_are_best_effort_and_a_lost_push_is_released_all_the_same() {
    // Lost while nothing runs.
    let mut scene = Scene::usual();
    let lost = scene.pushed('b');
    assert_eq!(scene.sweep_after(60).await.len(), 1);
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
    // It comes after all: from a dead letter queue, say.
    assert!(matches!(scene.deliver(&lost).await, Answer::Ignored(_)));
    scene.rest().await;
    assert_eq!(scene.releases(), 1);

    // Lost while an older one is released: the newest wins.
    scene.push('c').await;
    scene.until_at('c', 10).await;
    scene.pushed('d');
    scene.pushed('e');
    assert_eq!(scene.sweep_after(400).await.len(), 1);
    scene.rest().await;
    assert_eq!((scene.phase('e'), scene.serves()), ("Promoted", 'e'));
    assert_eq!(scene.phase('c'), "Superseded");
    assert_eq!(scene.releases(), 3, "d was overtaken before anyone saw it");
}

#[tokio::test]
async fn eventbridge_gives_up_and_the_sweep_does_not() {
    let mut scene = Scene::usual();
    let event = scene.pushed('b');
    for _ in 0..3 {
        scene.world.calls.inject(Fault::of("plan"));
        let World { store, executions, .. } = &scene.world;
        announce::run(store, executions, &event, scene.machines.now()).await.unwrap_err();
    }
    assert_eq!(scene.sweep_after(60).await.len(), 1);
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
    scene.deliver(&event).await;
    scene.rest().await;
    assert_eq!(scene.releases(), 1, "the dead letter was redriven");
}

#[tokio::test]
async fn eventbridge_delivers_twice_and_a_push_is_one_release() {
    let phases =
        ["Pending", "Preparing", "Shifting", "Baking", "Promoting", "Watching", "Promoted"];
    let mut scene = Scene::usual();
    let event = scene.pushed('b');
    scene.deliver(&event).await;
    for phase in phases {
        scene.until('b', phase).await;
        scene.deliver(&event).await;
        assert_eq!(scene.releases(), 1, "{phase}");
        assert_eq!(scene.world.executions.started().len(), 1, "{phase}");
    }
    scene.rest().await;
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "2"]);
}

#[tokio::test]
async fn eventbridge_delivers_late_and_an_older_push_never_takes_a_newer_one_s_place() {
    for phase in ["Pending", "Baking", "Watching", "Promoted"] {
        let mut scene = Scene::usual();
        let older = scene.pushed('b');
        scene.push('c').await;
        scene.until('c', phase).await;
        if phase == "Promoted" {
            scene.rest().await;
            scene.machines.wait(24 * 3600);
        }
        scene.deliver(&older).await;
        scene.rest().await;
        assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'), "{phase}");
        assert_eq!(scene.releases(), 1, "{phase}");
        let why = "it was pushed before what was promoted last";
        assert!(scene.notes().iter().any(|note| note.contains(why)), "{:?}", scene.notes());
    }
}

#[tokio::test]
async fn cloudwatch_delivers_twice_and_late_and_an_alarm_takes_back_its_own_release_only() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 50).await;
    scene.machines.wait(1);
    let alarm = scene.goes_red();
    assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::RolledBack]);
    scene.ring(&alarm).await;
    scene.rest().await;
    assert!(matches!(scene.cause('b'), RollbackCause::Alarm { .. }), "{:?}", scene.cause('b'));
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "1"]);
    scene.world.alarms.set("errors", false);
    scene.push('c').await;
    scene.until_at('c', 10).await;
    assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::NothingInFlight], "an hour late");
    scene.rest().await;
    assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'));
}

#[tokio::test]
async fn cloudwatch_s_event_is_lost_and_the_next_look_sees_the_alarm() {
    for phase in ["Preparing", "Baking", "Watching"] {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.until('b', phase).await;
        scene.goes_red();
        let began = scene.seconds();
        scene.until('b', "RolledBack").await;
        assert!(scene.seconds() - began <= 90, "{phase}: {}", scene.seconds() - began);
        scene.rest().await;
        assert_eq!(scene.serves(), 'a', "{phase}");
        assert!(scene.cause('b').to_string().contains("guard errors is in ALARM"), "{phase}");
    }
}

#[tokio::test]
async fn hawk_950_without_the_image_of_what_serves_no_release_starts() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.rest().await;
    let gone = image('b', "vb").identity();
    scene.world.lambda.change(|account| account.gone.insert(gone.clone()));
    let writes = scene.writes();
    scene.push('c').await;
    scene.rest().await;
    let refusal = scene.refusal('c');
    assert!(refusal.starts_with("there is no way back: the image of what serves now"), "{refusal}");
    assert!(refusal.contains("perch rollback news --to"), "{refusal}");
    assert_eq!(scene.writes(), writes, "nothing was touched");
    // The way out that it names: a version whose image exists. It works without the one that is gone.
    scene.go_back_to("1").await.unwrap();
    scene.rest().await;
    assert_eq!(scene.serves(), 'a');
    scene.push('c').await;
    scene.rest().await;
    assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'));
    // And a version without its image is nothing to go back to.
    scene.go_back_to("2").await.unwrap();
    scene.rest().await;
    assert_eq!(scene.serves(), 'c');
}
