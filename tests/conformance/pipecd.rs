//! `PipeCD`: <https://github.com/pipe-cd/pipecd/issues>

use perch_app::ports::{PortError, Route, SaveTarget as _};
use perch_app::shift_weight;
use perch_app::step::{StepError, StepInput};
use perch_core::phase::Phase;
use perch_core::weight::Weight;
use perch_testkit::{Failure, Fault, Paused, failing, image, target};

use crate::scene::Scene;

/// What goes wrong before any traffic moved, and how the release ends.
type Failing = (&'static str, fn(&Scene), &'static str);

const BEFORE_TRAFFIC: [Failing; 8] = [
    (
        "the alias can't be read",
        |scene| scene.world.calls.inject(Fault::of("alias").with(Failure::Denied)),
        "Rejected",
    ),
    (
        "the code can't be set",
        |scene| scene.world.calls.inject(Fault::of("update_code").with(Failure::Denied)),
        "Rejected",
    ),
    (
        "the image is gone",
        |scene| {
            let identity = image('b', "vb").identity();
            scene.world.lambda.change(|account| account.gone.insert(identity));
        },
        "Rejected",
    ),
    (
        "Lambda can't use the image",
        |scene| {
            scene.world.lambda.change(|a| a.update_fails = Some("no manifest".to_owned()));
        },
        "Rejected",
    ),
    (
        "the version can't be published",
        |scene| scene.world.calls.inject(Fault::of("publish").with(Failure::Denied)),
        "Rejected",
    ),
    (
        "the version can't start",
        |scene| scene.world.lambda.change(|a| a.version_fails = Some("no layer".to_owned())),
        "Rejected",
    ),
    (
        "Lambda throttles for longer than anybody retries",
        |scene| scene.world.calls.inject(Fault::of("publish").times(7)),
        "RolledBack",
    ),
    (
        "the first shift is refused",
        |scene| scene.world.calls.inject(Fault::of("shift").with(Failure::Denied)),
        "RolledBack",
    ),
];

#[tokio::test]
async fn pipecd_1600_a_failure_before_traffic_moved_ends_cleanly() {
    for (what, breaks, end) in BEFORE_TRAFFIC {
        let mut scene = Scene::usual();
        breaks(&scene);
        scene.push('b').await;
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), (end, 'a'), "{what}");
        assert_eq!(scene.routes(), ["1"], "{what}");
        assert_eq!(scene.world.head(&scene.target.name).active, None, "{what}");
        scene.world.lambda.change(|account| {
            (account.update_fails, account.version_fails) = (None, None);
        });
        scene.push('c').await;
        scene.rest().await;
        assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'), "{what}");
        assert_eq!(scene.release_of('c').ledger.unwrap().baseline.as_str(), "1", "{what}");
    }
}

#[tokio::test]
async fn pipecd_5280_weights_go_back_although_the_target_file_changed_meanwhile() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 50).await;
    let before = scene.target.clone();
    let mut after = target().function("other").guarded_by(&[]).steps(&[(1, 60)]).build();
    after.service.lambda.as_mut().unwrap().alias = "other".parse().unwrap();
    scene.world.store.save_target(&after, Some(&before), scene.machines.now()).await.unwrap();
    scene.answers('b', failing());
    scene.go_on().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'));
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "1"]);
}

#[tokio::test]
async fn pipecd_4196_weights_that_someone_moved_are_told() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.rest().await;
    let split = Route {
        primary: "2".parse().unwrap(),
        split: Some(("1".parse().unwrap(), Weight::new(30).unwrap())),
    };
    scene.world.lambda.move_alias(scene.lambda(), &split);
    let did = scene.sweep_after(1000).await;
    assert_eq!(did.len(), 1, "{did:?}");
    assert_eq!(scene.sweep_after(1000).await, [""; 0], "once");
    let told = scene.told().await;
    let message = told.last().unwrap();
    assert_eq!(message.subject, "news: someone else moved the alias");
    assert!(message.text.contains("30%") && message.text.contains("perch rollback news --to 2"));
    assert_eq!(scene.routes().last().unwrap(), "2+1@30", "told, not overwritten");
    // A split of somebody else is never taken for a state to come back to.
    scene.push('c').await;
    scene.go_on().await;
    assert!(scene.refusal('c').contains("is split already"), "{}", scene.refusal('c'));
    scene.world.lambda.move_alias(scene.lambda(), &Route::all_on(&"2".parse().unwrap()));
    assert_eq!(scene.sweep_after(1000).await.len(), 1);
    assert!(scene.subjects().await.last().unwrap().contains("as it was promoted again"));
}

#[tokio::test]
async fn pipecd_5032_what_was_refused_is_released_once_the_cause_is_gone() {
    let mut scene = Scene::usual();
    scene.world.alarms.delete("errors");
    let event = scene.pushed('b');
    scene.deliver(&event).await;
    scene.rest().await;
    assert!(scene.refusal('b').contains("guard errors does not exist"));
    scene.world.alarms.set("errors", false);
    scene.push('b').await;
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
}

#[tokio::test]
async fn pipecd_4547_going_back_is_told() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 50).await;
    scene.answers('b', failing());
    scene.until('b', "RollingBack").await;
    let told = scene.subjects().await;
    assert_eq!(told.last().unwrap(), "news: going back from news:vb (bbbbbbbbbbbb)");
    // The topic takes the last one and its answer is lost: it comes again, and can be told apart.
    scene.rest().await;
    scene.world.calls.inject(Fault::of("publish_message").after());
    let told = scene.told().await;
    let ends = told.iter().filter(|m| m.subject == "news: news:vb (bbbbbbbbbbbb) rolled back");
    let ids: Vec<_> =
        ends.map(|m| m.attributes.iter().find(|(name, _)| *name == "entry").unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn pipecd_an_alias_that_moved_since_it_was_read_is_not_overwritten() {
    for chosen in ["1", "2"] {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.until_at('b', 10).await;
        let before = scene.world.route(scene.lambda());
        scene.until('b', "Shifting").await;
        let release = scene.release_of('b');
        let input = StepInput { release_id: release.id.clone(), fence: release.fence };
        let (calls, store, lambda) = (&scene.world.calls, &scene.world.store, &scene.world.lambda);
        let shift = shift_weight::run(store, lambda, &input, scene.machines.now());
        let shift = Paused::new(calls, shift).before("shift");
        let moved = Route::all_on(&chosen.parse().unwrap());
        assert_ne!(moved, before);
        lambda.move_alias(scene.lambda(), &moved);
        let refused = shift.finish().unwrap_err();
        assert!(matches!(refused, StepError::Port(PortError::Conflict { .. })), "{refused}");
        scene.go_on().await;
        assert_eq!(scene.world.route(scene.lambda()), moved, "as the person wanted it");
        assert_eq!(scene.release_of('b').phase, Phase::Superseded { by: None });
        assert!(scene.subjects().await.last().unwrap().contains("someone else moved the alias"));
    }
}
