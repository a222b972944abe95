//! Argo Rollouts: <https://github.com/argoproj/argo-rollouts/issues>

use perch_app::on_alarm;
use perch_app::order::{self, OrderError, Start};
use perch_app::ports::{Machine, StartExecution as _};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::sweep::GRACE;
use perch_testkit::{Fault, failing, target};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn argo_rollouts_3316_a_lost_execution_is_carried_on() {
    let phases =
        ["Pending", "Preparing", "Shifting", "Baking", "Promoting", "Watching", "RollingBack"];
    let grace = i64::try_from(GRACE.as_secs()).unwrap();
    for phase in phases {
        let mut scene = Scene::usual();
        scene.push('b').await;
        if phase == "RollingBack" {
            scene.until_at('b', 10).await;
            scene.answers('b', failing());
        }
        scene.until('b', phase).await;
        scene.step().await;
        let (lost, left_in) = (scene.release_of('b').id, scene.phase('b'));
        for execution in scene.machines.clone().executions() {
            scene.machines.lose(&execution.name);
        }
        assert!(scene.machines.are_done(), "nothing runs any more");
        let did = scene.sweep_after(grace + 700).await;
        assert_eq!(did.len(), 1, "{phase}: {did:?}");
        scene.rest().await;
        let end = if phase == "RollingBack" { "RolledBack" } else { "Promoted" };
        assert_eq!(scene.world.release(&lost).phase.name(), end, "left in {left_in}");
    }
}

#[tokio::test]
async fn argo_rollouts_4128_deadline_and_abort_work_while_the_canary_never_comes_up() {
    for aborted in [false, true] {
        let mut scene = Scene::of(target().deadline(600));
        scene.world.lambda.change(|account| account.version_looks = u32::MAX);
        scene.push('b').await;
        scene.until('b', "Preparing").await;
        scene.run_for(60).await;
        if aborted {
            scene.abort().await.unwrap();
        }
        scene.rest().await;
        let end = if aborted { "RolledBack" } else { "Rejected" };
        assert_eq!(scene.phase('b'), end);
        assert!(scene.seconds() <= if aborted { 70 } else { 610 }, "{}", scene.seconds());
        assert_eq!(scene.routes(), ["1"], "the alias was never touched");
        scene.world.lambda.change(|account| account.version_looks = 1);
        scene.push('c').await;
        scene.rest().await;
        assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'));
    }
}

#[tokio::test]
async fn argo_rollouts_3331_a_newer_artifact_takes_over_and_neither_hangs() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 50).await;
    scene.push('c').await;
    // A third one, before the first has made room for the second.
    scene.push('d').await;
    let began = scene.seconds();
    scene.until('b', "Superseded").await;
    assert_eq!(scene.serves(), 'a', "the old canary is gone before the new one starts");
    assert!(scene.seconds() - began < 10, "{} seconds", scene.seconds() - began);
    scene.rest().await;
    assert_eq!((scene.phase('d'), scene.serves()), ("Promoted", 'd'));
    assert_eq!(scene.release_of('d').ledger.unwrap().baseline.as_str(), "1");
    assert_eq!(scene.releases(), 2, "the one between was skipped");
    assert!(scene.notes().iter().any(|note| note.starts_with("skipped: ")), "{:?}", scene.notes());
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "1", "1+3@10", "1+3@50", "3"]);
}

#[tokio::test]
async fn argo_rollouts_3120_a_retry_after_an_abort_runs_like_any_release() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    for percent in [10, 50, 10, 50] {
        scene.until_at('b', percent).await;
        scene.abort().await.unwrap();
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'));
        let again = Start { allow_quarantined: true, ..scene.start_of('b') };
        scene.start(&again).await.unwrap();
    }
    let before = scene.routes().len();
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
    assert_eq!(scene.routes()[before..], ["1+2@10", "1+2@50", "2"], "every step again");
}

#[tokio::test]
async fn argo_rollouts_4612_on_the_way_back_a_canary_gets_no_more_than_it_was_made_for() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.rest().await;
    scene.push('c').await;
    scene.until_at('c', 10).await;
    let busy = scene.go_back_to("1").await.unwrap_err();
    assert!(matches!(busy, OrderError::Busy { .. }), "{busy}");
    scene.abort().await.unwrap();
    scene.rest().await;
    scene.go_back_to("1").await.unwrap();
    scene.rest().await;
    assert_eq!(
        scene.routes(),
        ["1", "1+2@10", "1+2@50", "2", "2+3@10", "2", "1"],
        "version 3 had 10 % and then nothing"
    );
}

#[tokio::test]
async fn argo_rollouts_2939_a_rollback_is_one_write() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 50).await;
    scene.answers('b', failing());
    scene.until('b', "RollingBack").await;
    let writes = scene.world.calls.count("shift");
    scene.rest().await;
    assert_eq!(scene.world.calls.count("shift") - writes, 1);
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "1"]);

    let mut by_hand = Scene::usual();
    by_hand.push('b').await;
    by_hand.rest().await;
    let writes = by_hand.writes();
    by_hand.go_back_to("1").await.unwrap();
    by_hand.rest().await;
    assert_eq!(by_hand.writes() - writes, 1, "no code is set and no version is published");
    assert_eq!(by_hand.routes().last().unwrap(), "1");
}

#[tokio::test]
async fn argo_rollouts_3333_the_old_version_keeps_its_traffic_until_the_new_one_was_read_back() {
    for fault in
        [Fault::of("shift").times(5), Fault::of("shift").after(), Fault::of("alias").times(5)]
    {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.until('b', "Promoting").await;
        scene.world.calls.inject(fault);
        while scene.step().await {
            let on_the_canary = scene.routes().last().unwrap() == "2";
            let done = matches!(scene.phase('b'), "Watching" | "Promoted");
            assert!(on_the_canary || !done, "{} before the alias moved", scene.phase('b'));
        }
        assert!(scene.world.calls.faults_are_used_up());
        assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
        let versions = scene.world.lambda.read(|account| {
            account.functions[&scene.lambda().function].versions.iter().flatten().count()
        });
        assert_eq!(versions, 2, "no version was deleted");
    }
}

#[tokio::test]
async fn argo_rollouts_1292_an_abort_with_nothing_in_flight_touches_nothing() {
    for promoted in [false, true] {
        let mut scene = Scene::usual();
        if promoted {
            scene.push('b').await;
            scene.rest().await;
        }
        let head = scene.world.head(&scene.target.name);
        let (writes, started) = (scene.writes(), scene.world.executions.started().len());
        let refused = scene.abort().await.unwrap_err();
        assert!(matches!(refused, OrderError::NothingInFlight(_)), "{refused}");
        let alarm = scene.goes_red();
        assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::NothingInFlight]);
        scene.rest().await;
        assert_eq!(scene.world.head(&scene.target.name), head);
        assert_eq!((scene.writes(), scene.world.executions.started().len()), (writes, started));
        if promoted {
            // A rollback that was asked for in time and comes when all is over.
            let (id, late) = (scene.release_of('b').id, "late".parse().unwrap());
            let abort = RollbackCause::Abort { by: "kim".to_owned(), reason: String::new() };
            let input = json!({ "releaseId": id, "cause": abort });
            scene.world.executions.start(Machine::Rollback, &late, &input).await.unwrap();
            scene.rest().await;
            assert_eq!((scene.phase('b'), scene.writes()), ("Promoted", writes));
            assert_eq!(scene.serves(), 'b');
        }
    }
}

#[tokio::test]
async fn argo_rollouts_4461_an_abort_wins_over_an_order_to_promote() {
    for decided in [false, true] {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.until_at('b', 10).await;
        let (store, now) = (&scene.world.store, scene.machines.now());
        order::promote(store, &scene.target.name, "kim", "go", now).await.unwrap();
        if decided {
            scene.until('b', "Promoting").await;
        }
        scene.abort().await.unwrap();
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'), "decided: {decided}");
        assert_eq!(scene.routes(), ["1", "1+2@10", "1"]);
    }
}

#[tokio::test]
async fn argo_rollouts_3669_on_the_way_back_nothing_is_judged() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.rest().await;
    scene.world.metrics.set("1", failing());
    scene.world.metrics.set_total(failing());
    let looks = scene.world.metrics.asked().len();
    let back = scene.go_back_to("1").await.unwrap();
    scene.rest().await;
    assert_eq!(scene.routes().last().unwrap(), "1", "a person's way back is not taken back");
    assert!(scene.world.metrics.asked().len() - looks <= 1);
    assert_eq!(scene.world.release(&back).phase, Phase::Promoted);
}
