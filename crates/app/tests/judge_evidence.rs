//! What follows from a look under the rule `sequential`, and what is fixed before the first one.

use perch_app::ports::History;
use perch_app::{judge_canary, prepare_canary};
use perch_core::judge::sequential::{Basis, Bucket, Counts, Series};
use perch_core::judge::{Judging, Outcome};
use perch_core::phase::Phase;
use perch_core::span::Span;
use perch_core::target::{LowTraffic, Target};
use perch_core::weight::Weight;
use perch_testkit::invariants::broken_always;
use perch_testkit::{Fault, TargetBuilder, World, at, release, target};

use crate::looks::{SETTLE, current, input, judge, settled};

/// A target with one step of 10 % for this many minutes.
fn steps(minutes: u64) -> TargetBuilder {
    target().steps(&[(10, 60 * minutes)]).judged_by_evidence()
}

/// The target's release in the bake of this step; history knows this many requests a minute.
fn baking(target: &Target, step: usize, requests: f64) -> World {
    let mut placed = release().to(target).baking(step).build();
    let (n, e) = ([requests; 60], [0.0; 60]);
    let series = Series { requests: &n, events: &e, of_traffic: 1.0 };
    let blocks = placed.plan.steps.iter().map(|step| step.bake.as_secs() / 60).sum::<u64>();
    let share = f64::from(placed.plan.steps[0].weight.percent()) / 100.0;
    let mut basis = Basis::new(60, u32::try_from(blocks).unwrap(), share, &series);
    basis.thresholds_ms = vec![90.0, 120.0, 160.0, 200.0];
    placed.judging = Some(Judging { basis, settle_seconds: SETTLE, observed: Vec::new() });
    let world = World::with(target);
    world.place(&placed);
    world
}

/// What an arm answered with this many requests, of which this share failed and this share is slower
/// than usual.
fn arm(requests: f64, failed: f64, slower: f64) -> Counts {
    let usual = [0.10, 0.05, 0.02, 0.01];
    let slow = usual.map(|share| [1.0, 0.8, 0.6].map(|k| (share * k + slower) * requests));
    Counts { requests, errors: requests * failed, slow }
}

/// A baseline answers as usual; its count is the same at every threshold.
fn baseline(requests: f64) -> Counts {
    let usual = arm(requests, 0.0, 0.0);
    Counts { slow: usual.slow.map(|slow| [slow[0]; 3]), ..usual }
}

fn fill(world: &World, minutes: std::ops::Range<i64>, canary: Counts) {
    let other = baseline(canary.requests.max(100.0) * 9.0);
    for minute in minutes {
        let bucket = Bucket { canary, baseline: other, custom: Vec::new() };
        world.metrics.set_bucket(at(60 * minute), bucket);
    }
}

#[tokio::test]
async fn harm_is_rolled_back_in_the_first_minute_when_half_fails_and_soon_otherwise() {
    for (canary, minute, cause) in [
        (arm(600.0, 0.5, 0.0), 1, "300 of 600 canary requests"),
        (arm(6000.0, 0.01, 0.0), 3, "failed: 180 of 18000 canary requests (1.0%) against 0"),
        (arm(6000.0, 0.0, 0.05), 6, "slower than the baseline's p9"),
    ] {
        let world = baking(&steps(15).build(), 0, 60_000.0);
        fill(&world, 0..15, canary);
        let mut output = judge(&world, settled(1)).await;
        let mut minutes = 1;
        while output.next == "Judge" && minutes < 15 {
            minutes += 1;
            output = judge(&world, settled(minutes)).await;
        }
        let release = current(&world);
        let Phase::RollingBack { .. } = &release.phase else { panic!("{:?}", release.phase) };
        assert!(minutes <= minute, "{cause}: {minutes} minutes");
        let verdict = release.verdict.unwrap();
        assert_eq!(verdict.outcome, Outcome::Fail);
        let texts = verdict.texts().join("; ");
        assert!(texts.contains(cause), "{texts}");
    }
}

#[tokio::test]
async fn a_healthy_canary_goes_on_as_soon_as_that_is_shown() {
    let target = steps(15).build();
    let world = baking(&target, 0, 60_000.0);
    fill(&world, 0..15, arm(6000.0, 0.0, 0.0));
    let mut minutes = 1;
    while judge(&world, settled(minutes)).await.next == "Judge" {
        minutes += 1;
        assert!(minutes <= 10, "no verdict in 10 minutes");
    }
    assert_eq!(current(&world).phase.name(), "Promoting");
    assert_eq!(broken_always(&world), [""; 0]);
    let verdict = current(&world).verdict.unwrap();
    assert!(verdict.early && verdict.texts()[0].contains("0.20 points"), "{verdict}");
}

#[tokio::test]
async fn without_early_a_bake_takes_its_time() {
    let mut target = steps(6).build();
    target.judge.early = false;
    let world = baking(&target, 0, 60_000.0);
    fill(&world, 0..6, arm(6000.0, 0.0, 0.0));
    for minutes in 1..6 {
        assert_eq!(judge(&world, settled(minutes)).await.next, "Judge", "{minutes}");
    }
    // The sixth minute is not settled yet: neither passed nor without data.
    assert_eq!(judge(&world, settled(6) - 1).await.next, "Judge");
    assert_eq!(judge(&world, settled(6)).await.next, "Promote");
}

#[tokio::test]
async fn no_data_never_promotes_and_ends_as_the_target_says() {
    for (target, next) in
        [(steps(5).build(), "Judge"), (steps(5).failing_without_data().build(), "Rollback")]
    {
        let world = baking(&target, 0, 60_000.0);
        assert_eq!(judge(&world, settled(5) - 1).await.next, "Judge");
        assert_eq!(judge(&world, settled(5)).await.next, next);
        let verdict = current(&world).verdict.unwrap();
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        assert!(verdict.low_traffic);
    }
}

#[tokio::test]
async fn a_step_before_the_last_goes_on_while_nothing_speaks_against_the_canary() {
    let target = target().steps(&[(10, 180), (50, 600)]).judged_by_evidence().build();
    let (quiet, leaning, silent) =
        (arm(60.0, 0.0, 0.0), arm(60.0, 2.0 / 60.0, 0.0), arm(0.0, 0.0, 0.0));
    // The first two minutes are warm-up.
    for (first, third, next) in
        [(quiet, quiet, "Shift"), (quiet, leaning, "Judge"), (silent, silent, "Judge")]
    {
        let world = baking(&target, 0, 600.0);
        fill(&world, 0..2, first);
        fill(&world, 2..3, third);
        assert_eq!(judge(&world, settled(3)).await.next, next, "{third:?}");
    }
}

#[tokio::test]
async fn what_was_settled_is_neither_read_nor_counted_again() {
    let world = baking(&steps(15).build(), 0, 6000.0);
    fill(&world, 0..15, arm(600.0, 0.0, 0.0));
    judge(&world, settled(2)).await;
    let before = current(&world).judging.unwrap();
    fill(&world, 0..2, arm(600.0, 1.0, 0.0));
    judge(&world, settled(2)).await;
    judge(&world, settled(4)).await;
    let judging = current(&world).judging.unwrap();
    assert_eq!(judging.observed[..2], before.observed[..]);
    assert_eq!(judging.observed.len(), 4);
    let asked: Vec<_> = world.metrics.asked().iter().map(|w| (w.from, w.to)).collect();
    assert_eq!(asked, [(at(0), at(120)), (at(120), at(240))]);
    let journal = world.journal(&current(&world).id);
    let looks = journal.iter().filter_map(|entry| entry.evidence.as_ref());
    let new: Vec<usize> = looks.map(|evidence| evidence.observed.len()).collect();
    assert_eq!(new, [2, 0, 2], "each look keeps the buckets that it read");
}

#[tokio::test]
async fn a_look_that_comes_late_does_not_skip_the_declared_last_one() {
    let world = baking(&steps(15).build(), 0, 3000.0);
    fill(&world, 0..20, arm(300.0, 0.0, 0.0));
    let on_time = baking(&steps(15).build(), 0, 3000.0);
    fill(&on_time, 0..20, arm(300.0, 0.0, 0.0));
    assert_eq!(judge(&on_time, settled(15)).await.next, "Promote");
    assert_eq!(judge(&world, settled(18)).await.next, "Promote");
}

#[tokio::test]
async fn a_lost_commit_is_decided_again_on_the_same_readings() {
    let world = baking(&steps(15).build(), 0, 6000.0);
    fill(&world, 0..15, arm(600.0, 0.5, 0.0));
    world.calls.inject(Fault::of("commit"));
    let World { store, lambda, metrics, alarms, .. } = &world;
    let input = input();
    let look = || {
        judge_canary::run(
            store,
            (lambda, &world.services, &world.deployments),
            (metrics, alarms),
            &input,
            at(settled(1)),
        )
    };
    look().await.unwrap_err();
    assert_eq!(current(&world).judging.unwrap().observed, []);
    assert_eq!(look().await.unwrap().next, "Rollback");
}

#[tokio::test]
async fn a_guard_decides_whatever_the_evidence() {
    let world = baking(&steps(15).build(), 0, 60_000.0);
    fill(&world, 0..15, arm(6000.0, 0.0, 0.0));
    world.alarms.set("errors", true);
    assert_eq!(judge(&world, settled(10)).await.next, "Rollback");
    let world = baking(&steps(15).build(), 0, 60_000.0);
    fill(&world, 0..15, arm(6000.0, 0.0, 0.0));
    world.alarms.delete("errors");
    assert_eq!(judge(&world, settled(10)).await.next, "Judge", "nothing passes without its guard");
}

#[tokio::test]
async fn too_few_requests_raise_the_weight_once_then_extend_then_end() {
    let raise_weight = Some(Weight::new(60).unwrap());
    let low_traffic = LowTraffic { extend: Some(Span::minutes(4)), raise_weight, synthetic: None };
    let target = steps(3).with_low_traffic(low_traffic).failing_without_data().build();
    let world = baking(&target, 0, 20.0);
    fill(&world, 0..3, arm(2.0, 0.0, 0.0));
    assert_eq!(judge(&world, settled(3)).await.next, "Shift");
    let (step, from) = (1, Weight::new(10).unwrap());
    let weight = Weight::new(60).unwrap();
    assert_eq!(current(&world).phase, Phase::Shifting { step, weight, from });

    let extended = LowTraffic { extend: Some(Span::minutes(4)), ..LowTraffic::default() };
    let target = steps(3).with_low_traffic(extended).failing_without_data().build();
    let world = baking(&target, 0, 20.0);
    fill(&world, 0..8, arm(2.0, 0.0, 0.0));
    assert_eq!(judge(&world, settled(3)).await.next, "Judge");
    assert_eq!(judge(&world, settled(6)).await.next, "Judge");
    assert_eq!(judge(&world, settled(7)).await.next, "Rollback");
}

#[tokio::test]
async fn the_basis_is_fixed_before_the_first_shift() {
    let target = steps(15).build();
    let world = World::with(&target);
    let history = History {
        requests: [vec![0.0; 30], vec![1000.0; 30]].concat(),
        errors: [vec![0.0; 30], vec![2.0; 30]].concat(),
        custom: Vec::new(),
        latency_ms: vec![80.0, 90.0, 110.0, 150.0],
    };
    world.metrics.set_history(history);
    let mut placed = release().to(&target).preparing().build();
    placed.code = Some("b".repeat(64));
    world.lambda.change(|account| {
        let function = &placed.plan.driver.alias().unwrap().function;
        account.update_code(function, &placed.artifact.identity()).unwrap();
    });
    world.place(&placed);
    let World { store, lambda, uploads, alarms, metrics, .. } = &world;
    let ports = (lambda, uploads, alarms, metrics);
    world.calls.inject(Fault::of("history"));
    prepare_canary::run(store, lambda, ports, &input(), at(10)).await.unwrap_err();
    let output = prepare_canary::run(store, lambda, ports, &input(), at(12)).await.unwrap();
    assert_eq!(output.next, "Shift");
    let published = world.journal(&current(&world).id).pop().unwrap();
    let plan =
        "1300 canary requests are planned, and a promotion promises at most 2 times the errors + ";
    assert!(published.cause.contains(plan), "{}", published.cause);
    let Judging { basis, settle_seconds, observed } = current(&world).judging.unwrap();
    assert_eq!((settle_seconds, observed.len()), (SETTLE, 0));
    // The half hour before the first request is no history of it.
    assert_eq!((basis.history, basis.requests, basis.error_rate), (30, 100.0, 0.002));
    assert_eq!((basis.blocks, basis.bucket_seconds, basis.share), (15, 60, 0.1));
    assert_eq!(basis.thresholds_ms, [80.0, 90.0, 110.0, 150.0]);
}
