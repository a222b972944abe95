//! What follows from a look.

use perch_app::judge_canary;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_core::journal::What;
use perch_core::judge::{Arm, Outcome};
use perch_core::release::Release;
use perch_core::target::Target;
use perch_testkit::invariants::broken_always;
use perch_testkit::{Fault, World, at, failing, healthy, release, silent, slow, target};

async fn judge(world: &World, seconds: i64) -> Result<StepOutput, StepError> {
    let World { store, lambda, metrics, alarms, .. } = world;
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    judge_canary::run(
        store,
        (lambda, &world.services, &world.deployments),
        (metrics, alarms),
        &input,
        at(seconds),
    )
    .await
}

fn current(world: &World) -> Release {
    world.release(&"news-1".parse().unwrap())
}

/// A world in a bake or a watch, with these readings of the canary and of the alias.
fn reading(placed: &Release, canary: Arm) -> World {
    let world = World::amid(placed);
    world.metrics.set("1", healthy());
    world.metrics.set("2", canary);
    world.metrics.set_total(canary);
    world
}

fn of(target: &Target) -> World {
    let world = World::with(target);
    world.metrics.set("1", healthy());
    world
}

#[tokio::test]
async fn each_look_leads_where_its_readings_say() {
    let (first, second) = (release().baking(0).build(), release().baking(1).build());
    let watching = release().watching().build();
    for (placed, canary, seconds, next, phase) in [
        (&first, healthy(), 60, "Judge", "Baking"),
        (&first, healthy(), 120, "Shift", "Shifting"),
        (&second, healthy(), 120, "Promote", "Promoting"),
        (&first, failing(), 90, "Rollback", "RollingBack"),
        (&second, slow(), 90, "Rollback", "RollingBack"),
        (&first, silent(), 120, "Judge", "Baking"),
        (&first, silent(), 1200, "Judge", "Baking"),
        (&watching, healthy(), 90, "Judge", "Watching"),
        (&watching, slow(), 90, "Judge", "Watching"),
        (&watching, failing(), 90, "Rollback", "RollingBack"),
        (&watching, silent(), 599, "Judge", "Watching"),
        (&watching, silent(), 600, "Close", "Promoted"),
        (&watching, failing(), 600, "Rollback", "RollingBack"),
    ] {
        let world = reading(placed, canary);
        let output = judge(&world, seconds).await.unwrap();
        let found = (output.next.as_str(), current(&world).phase.name());
        assert_eq!(found, (next, phase), "{} {canary:?} {seconds}", placed.phase.name());
        assert_eq!(world.calls.count("shift"), 0, "a look moves nothing");
        assert_eq!(broken_always(&world), [""; 0]);
    }
}

#[tokio::test]
async fn a_look_is_journaled_with_what_it_rests_on() {
    let world = reading(&release().baking(0).build(), failing());
    judge(&world, 90).await.unwrap();
    let journal = world.journal(&current(&world).id);
    let [look, decision] = &journal[journal.len() - 2..] else { panic!("no two entries") };
    assert_eq!((look.what, decision.what), (What::BakeJudged, What::RollbackDecided));
    let evidence = look.evidence.as_ref().unwrap();
    assert_eq!(evidence.readings.canary, failing());
    assert_eq!(evidence.readings.baseline, healthy());
    assert_eq!((evidence.readings.from, evidence.readings.to), (at(0), at(60)));
    assert_eq!(evidence.verdict.outcome, Outcome::Fail);
    assert_eq!(decision.evidence, None);
    let why = "500 of 1000 canary requests failed (50.0%, limit 1%)";
    assert_eq!(decision.cause, format!("judged Fail: {why}"));
}

#[tokio::test]
async fn without_a_settled_minute_no_metric_is_asked_for() {
    let world = reading(&release().baking(0).build(), healthy());
    assert_eq!(judge(&world, 30).await.unwrap().next, "Judge");
    assert_eq!(world.metrics.asked(), []);
    let verdict = current(&world).verdict.unwrap();
    assert_eq!(verdict.outcome, Outcome::Inconclusive, "no data is no pass");
}

#[tokio::test]
async fn a_guard_in_alarm_rolls_back_whatever_the_readings() {
    for placed in [release().baking(0), release().baking(1), release().watching()] {
        let world = reading(&placed.build(), healthy());
        world.alarms.set("errors", true);
        assert_eq!(judge(&world, 60).await.unwrap().next, "Rollback");
        let last = world.journal(&current(&world).id).pop().unwrap();
        assert_eq!(last.cause, "judged Fail: guard errors is in ALARM");
    }
}

#[tokio::test]
async fn without_data_the_end_of_a_bake_never_promotes() {
    let hold = release().baking(1).build();
    let target = target().failing_without_data().build();
    let fail = of(&target);
    fail.place(&release().to(&target).baking(1).build());
    for (world, next) in [(reading(&hold, silent()), "Judge"), (fail, "Rollback")] {
        assert_eq!(judge(&world, 120).await.unwrap().next, next);
    }
}

#[tokio::test]
async fn too_few_requests_of_the_baseline_hold_too() {
    let world = reading(&release().baking(1).build(), healthy());
    world.metrics.set("1", silent());
    let output = judge(&world, 120).await.unwrap();
    assert_eq!((output.next.as_str(), output.wait_seconds), ("Judge", 60));
}

#[tokio::test]
async fn a_bake_beyond_the_deadline_rolls_back_even_when_healthy() {
    let placed = release().baking(0).deadline(100).build();
    for (seconds, next) in [(99, "Judge"), (100, "Rollback")] {
        assert_eq!(judge(&reading(&placed, healthy()), seconds).await.unwrap().next, next);
    }
    let world = reading(&placed, healthy());
    judge(&world, 100).await.unwrap();
    let last = world.journal(&placed.id).pop().unwrap();
    assert_eq!(last.cause, "not promoted by the deadline 2027-01-15T08:01:40Z");
}

#[tokio::test]
async fn an_order_skips_the_bakes_unless_the_canary_fails() {
    for (canary, next) in [(healthy(), "Promote"), (silent(), "Promote"), (failing(), "Rollback")] {
        let world = reading(&release().baking(0).build(), canary);
        perch_app::order::promote(&world.store, &"news".parse().unwrap(), "kim", "go", at(70))
            .await
            .unwrap();
        assert_eq!(judge(&world, 90).await.unwrap().next, next, "{canary:?}");
    }
}

#[tokio::test]
async fn a_repeated_look_after_its_decision_only_answers_it() {
    for (canary, next) in [(healthy(), "Shift"), (failing(), "Rollback")] {
        let world = reading(&release().baking(0).build(), canary);
        world.calls.inject(Fault::of("commit").after());
        judge(&world, 120).await.unwrap_err();
        let seq = current(&world).seq;
        assert_eq!(judge(&world, 121).await.unwrap().next, next);
        assert_eq!(current(&world).seq, seq);
    }
}

#[tokio::test]
async fn a_look_without_readings_is_an_error_and_no_verdict() {
    for port in ["versions", "alarms"] {
        let world = reading(&release().baking(0).build(), failing());
        world.calls.inject(Fault::of(port));
        judge(&world, 120).await.unwrap_err();
        assert_eq!(world.calls.count("commit"), 0);
        assert_eq!(judge(&world, 121).await.unwrap().next, "Rollback");
    }
}

#[tokio::test]
async fn a_look_under_a_taken_fence_ends_and_decides_nothing() {
    let world = reading(&release().baking(0).build(), failing());
    world.store.change(|items| items.heads.values_mut().for_each(|head| head.fence += 1));
    assert_eq!(judge(&world, 90).await.unwrap().next, "End");
    assert_eq!(current(&world).phase.name(), "Baking");
}

#[tokio::test]
async fn a_look_takes_the_same_few_calls() {
    let world = reading(&release().baking(0).build(), healthy());
    judge(&world, 90).await.unwrap();
    assert_eq!(world.calls.log(), ["release", "alias", "standing", "alarms", "versions", "commit"]);
}
