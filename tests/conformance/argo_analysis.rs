//! Argo Rollouts, where its users speak of analysis: <https://github.com/argoproj/argo-rollouts/issues>

use perch_app::order;
use perch_core::journal::What;
use perch_core::judge::{Arm, Outcome};
use perch_core::phase::RollbackCause;
use perch_testkit::{Fault, failing, healthy, silent, target};

use crate::scene::Scene;

/// Callers came and none failed, but how long they waited is not known.
fn without_latency() -> Arm {
    Arm { latency_ms: None, ..healthy() }
}

#[tokio::test]
async fn argo_rollouts_1411_a_failed_look_stops_the_release_at_every_step() {
    let steps = [(1, 600), (10, 600), (30, 600), (60, 900)];
    for (place, (percent, _)) in steps.into_iter().enumerate() {
        let mut scene = Scene::of(target().steps(&steps));
        scene.push('b').await;
        scene.until_at('b', percent).await;
        scene.answers('b', failing());
        scene.rest().await;
        assert!(matches!(scene.cause('b'), RollbackCause::Judge { .. }), "{:?}", scene.cause('b'));
        let routes = scene.routes();
        assert_eq!(routes.len(), place + 3, "1, the steps so far, 1: {routes:?}");
        assert_eq!(routes[place + 1], format!("1+2@{percent}"));
        assert_eq!(routes.last().unwrap(), "1");
    }
}

#[tokio::test]
async fn argo_rollouts_1905_a_release_waits_for_data_and_goes_on_when_it_comes() {
    for arm in [silent(), without_latency(), Arm { requests: 99, ..healthy() }] {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.until_at('b', 10).await;
        scene.answers('b', arm);
        scene.run_for(3000).await;
        assert_eq!(scene.routes(), ["1", "1+2@10"], "{arm:?}");
        scene.answers('b', healthy());
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
        assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "2"]);
    }
    // Data that never comes: the deadline ends the wait.
    let mut scene = Scene::of(target().deadline(3600));
    scene.push('b').await;
    scene.until_at('b', 10).await;
    scene.answers('b', silent());
    scene.rest().await;
    assert!(matches!(scene.cause('b'), RollbackCause::Deadline { .. }), "{:?}", scene.cause('b'));
    assert_eq!(scene.routes(), ["1", "1+2@10", "1"]);
}

#[tokio::test]
async fn argo_rollouts_4479_readings_that_fail_never_promote() {
    for (call, phase) in [
        ("versions", "Baking"),
        ("alarms", "Baking"),
        ("alias_total", "Watching"),
        ("alarms", "Watching"),
    ] {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.until('b', phase).await;
        scene.world.calls.inject(Fault::of(call).always());
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'), "{call} in {phase}");
        let cause = scene.cause('b').to_string();
        assert!(cause.contains(&format!("{call} is not available")), "{cause}");
    }
}

#[tokio::test]
async fn argo_rollouts_3015_after_an_inconclusive_look_a_person_can_go_on() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 10).await;
    scene.answers('b', silent());
    for (percent, next) in [(10, "Baking"), (50, "Promoting")] {
        scene.until_at('b', percent).await;
        scene.run_for(1200).await;
        let release = scene.release_of('b');
        assert_eq!(release.weight().percent(), percent, "one order is one step");
        assert_eq!(release.verdict.unwrap().outcome, Outcome::Inconclusive);
        let (store, now) = (&scene.world.store, scene.machines.now());
        order::continue_now(store, &scene.target.name, "ana", "seen it", now).await.unwrap();
        while scene.release_of('b').weight().percent() == percent && scene.phase('b') == "Baking" {
            assert!(scene.step().await);
        }
        scene.until('b', next).await;
    }
    scene.rest().await;
    assert_eq!(scene.phase('b'), "Promoted");
    let journal = scene.world.journal(&scene.release_of('b').id);
    let orders = journal.iter().filter(|entry| entry.what == What::OrderGiven);
    assert!(orders.clone().all(|entry| entry.cause == "continue, by ana: seen it"));
    assert_eq!(orders.count(), 2);
}

#[tokio::test]
async fn argo_rollouts_1107_a_release_of_days_has_a_bounded_number_of_looks() {
    const DAY: u64 = 24 * 3600;
    for silence in [false, true] {
        let mut scene = Scene::of(target().steps(&[(10, 3 * DAY), (50, 3 * DAY)]));
        scene.push('b').await;
        scene.until_at('b', 10).await;
        if silence {
            scene.answers('b', silent());
        }
        scene.rest().await;
        assert_eq!(scene.phase('b'), if silence { "RolledBack" } else { "Promoted" });
        assert!(scene.seconds() > 6 * 24 * 3600, "{} seconds", scene.seconds());
        // An execution ends at 25,000 events, and a look is about eleven.
        let looks = scene.world.calls.count("alarms");
        assert!((600..2000).contains(&looks), "{looks} looks");
    }
}

#[tokio::test]
async fn argo_rollouts_2087_the_reason_and_the_readings_of_a_rollback_are_kept() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 10).await;
    scene.answers('b', failing());
    scene.rest().await;
    let reason = "500 of 1000 canary requests failed (50.0%, limit 1%)";
    let cause = scene.cause('b').to_string();
    assert!(cause.starts_with("judged Fail: ") && cause.contains(reason), "{cause}");
    let journal = scene.world.journal(&scene.release_of('b').id);
    let looked = journal.iter().rev().find(|entry| entry.what == What::BakeJudged).unwrap();
    let evidence = looked.evidence.as_ref().unwrap();
    assert_eq!(evidence.readings.canary, failing());
    assert_eq!(evidence.readings.baseline, healthy());
    assert!(evidence.readings.from < evidence.readings.to, "{:?}", evidence.readings);
    assert_eq!(evidence.verdict.outcome, Outcome::Fail);
    let told = scene.told().await;
    let last = &told.last().unwrap().text;
    assert!(last.contains(reason) && last.contains("rolled back"), "{last}");

    // And who, where it was a person.
    scene.push('c').await;
    scene.until_at('c', 10).await;
    scene.abort().await.unwrap();
    scene.rest().await;
    let told = scene.told().await;
    assert!(told.last().unwrap().text.contains("Aborted by kim: looks odd."), "{told:?}");
}
