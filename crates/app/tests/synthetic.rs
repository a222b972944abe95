//! Requests of Perch's own while callers send too few: how many, when, and when not.

use perch_app::judge_canary;
use perch_core::judge::Judging;
use perch_core::judge::sequential::{Basis, Bucket, Counts, Series};
use perch_core::release::{Order, Release};
use perch_core::stop::Stop;
use perch_core::target::{LowTraffic, NoData, Synthetic};
use perch_testkit::{Fault, World, at, release, target};
use serde_json::{Value, json};

use crate::looks::{SETTLE, current, input, judge, settled};

/// A canary at 10 % for 15 minutes, filled up to this many requests a minute. The history has 20.
fn baking(per_minute: u32, change: impl FnOnce(&mut Release)) -> World {
    let events = vec![json!({ "text": "goal" }), json!({ "text": "rain" })];
    let synthetic = Some(Synthetic { per_minute, events });
    let low_traffic = LowTraffic { synthetic, ..LowTraffic::default() };
    let steps = target().steps(&[(10, 900)]).judged_by_evidence();
    let target = steps.with_low_traffic(low_traffic).build();
    let mut placed = release().to(&target).baking(0).build();
    let (n, e) = ([20.0; 60], [0.0; 60]);
    let series = Series { requests: &n, events: &e, of_traffic: 1.0 };
    let mut basis = Basis::new(60, 15, 0.1, &series);
    basis.thresholds_ms = vec![90.0, 120.0, 160.0, 200.0];
    placed.judging = Some(Judging { basis, settle_seconds: SETTLE, observed: Vec::new() });
    change(&mut placed);
    let world = World::with(&target);
    world.place(&placed);
    world
}

/// Callers send this many requests in these minutes, besides what was sent.
fn callers(world: &World, minutes: std::ops::Range<i64>, requests: f64) {
    for minute in minutes {
        let arm = |share: f64| Counts { requests: requests * share, ..Counts::default() };
        let bucket = Bucket { canary: arm(0.1), baseline: arm(0.9), custom: Vec::new() };
        world.metrics.set_bucket(at(60 * minute), bucket);
    }
}

fn sent(world: &World) -> Vec<(String, Value)> {
    world.lambda.read(|account| account.requests.clone())
}

/// What each look says that it sent, in the journal.
fn written(world: &World) -> Vec<u32> {
    let journal = world.journal(&current(world).id);
    journal.iter().filter_map(|entry| Some(entry.evidence.as_ref()?.synthetic)).collect()
}

#[tokio::test]
async fn callers_are_filled_up_from_the_first_look_on() {
    let world = baking(30, |_| {});
    // The history has 20 a minute; then callers send 5, and a look sees what the one before has sent.
    judge(&world, 61).await;
    assert_eq!(sent(&world).len(), 10);
    callers(&world, 0..1, 5.0);
    judge(&world, settled(1)).await;
    callers(&world, 1..2, 5.0 + 10.0 + 25.0);
    judge(&world, settled(2)).await;
    assert_eq!(written(&world), [10, 25, 25]);
    assert_eq!(current(&world).synthetic.total, 60);
    let all = sent(&world);
    assert_eq!(all.len(), 60);
    assert!(all.iter().all(|(alias, _)| alias == "news:live"), "to the alias");
    let in_turn = all
        .iter()
        .enumerate()
        .all(|(place, (_, event))| event["text"] == if place % 2 == 0 { "goal" } else { "rain" });
    assert!(in_turn, "{all:?}");
}

#[tokio::test]
async fn enough_callers_are_left_alone_and_a_look_sends_fifty_at_most() {
    let world = baking(30, |_| {});
    callers(&world, 0..1, 30.0);
    judge(&world, settled(1)).await;
    let world_of_many = baking(300, |_| {});
    callers(&world_of_many, 0..1, 30.0);
    judge(&world_of_many, settled(1)).await;
    assert_eq!((written(&world), written(&world_of_many)), (vec![0], vec![50]));
}

#[tokio::test]
async fn nothing_is_sent_behind_a_stop_or_a_hold() {
    let (by, reason) = ("ana".to_owned(), "lunch".to_owned());
    let hold = Order::Hold { by: by.clone(), reason: reason.clone() };
    let held = baking(30, |release| release.order = Some(hold));
    let stopped = baking(30, |_| {});
    let stop = Stop { by, reason, at: at(0) };
    stopped.store.change(|items| items.stop_of_all = Some(stop));
    for world in [held, stopped] {
        assert_eq!(judge(&world, settled(1)).await.next, "Judge");
        assert_eq!((sent(&world).len(), written(&world)), (0, vec![0]));
    }
}

#[tokio::test]
async fn nothing_is_sent_once_the_bake_is_decided_or_in_the_watch() {
    let failing = baking(30, |_| {});
    let arm = Counts { requests: 20.0, errors: 20.0, ..Counts::default() };
    let canary_fails =
        Bucket { canary: arm, baseline: Counts { errors: 0.0, ..arm }, custom: vec![] };
    failing.metrics.set_bucket(at(0), canary_fails);
    assert_eq!(judge(&failing, settled(1)).await.next, "Rollback");
    assert_eq!(sent(&failing), []);

    let late = baking(30, |release| release.deadline = at(100));
    assert_eq!(judge(&late, 110).await.next, "Rollback");
    assert_eq!(sent(&late), []);

    let ended = baking(30, |release| release.plan.judge.no_data = NoData::Fail);
    assert_eq!(judge(&ended, settled(15)).await.next, "Rollback");
    assert_eq!(sent(&ended), []);

    let watching = baking(30, |_| {});
    let mut promoted = release().to(&target().build()).watching().build();
    promoted.plan = current(&watching).plan;
    promoted.judging = current(&watching).judging;
    let world = World::amid(&promoted);
    assert_eq!(judge(&world, settled(1)).await.next, "Judge");
    assert_eq!(sent(&world), []);
}

#[tokio::test]
async fn a_failure_to_send_is_no_failure_of_the_look() {
    let world = baking(30, |_| {});
    world.calls.inject(Fault::of("send"));
    assert_eq!(judge(&world, 61).await.next, "Judge");
    assert!(world.calls.faults_are_used_up());
    assert_eq!((sent(&world).len(), written(&world)), (0, vec![0]));
    judge(&world, 62).await;
    assert_eq!((sent(&world).len(), written(&world)), (10, vec![0, 10]));
}

#[tokio::test]
async fn a_lost_commit_sends_again_and_no_more_than_a_look_may() {
    let world = baking(30, |_| {});
    world.calls.inject(Fault::of("commit"));
    let World { store, lambda, metrics, alarms, .. } = &world;
    let step = input();
    judge_canary::run(
        store,
        (lambda, &world.services, &world.deployments),
        (metrics, alarms),
        &step,
        at(61),
    )
    .await
    .unwrap_err();
    judge(&world, 62).await;
    assert_eq!((sent(&world).len(), written(&world)), (20, vec![10]));
}
