//! Why nothing happened, asked after the use cases wrote down what did.

use jiff::Timestamp;
use perch_app::explain::{Answer, Reason, Registry, explain, gather};
use perch_app::ports::{KeepRuns, SweepRun};
use perch_app::{announce, on_alarm, order};
use perch_core::artifact::Artifact;
use perch_core::head::{Serving, Waiting};
use perch_core::names::TargetName;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Order;
use perch_core::target::WhileReleasing;
use perch_testkit::{World, announcement, at, image, release, target};

fn news() -> TargetName {
    "news".parse().unwrap()
}

async fn told_at(world: &World, subject: &str, now: Timestamp) -> Vec<Answer> {
    let registry = Registry { tags: &world.registry, sources: &world.registry };
    explain(&gather(&world.store, registry, subject, now).await.unwrap())
}

async fn told(world: &World, subject: &str) -> Vec<Answer> {
    told_at(world, subject, at(100)).await
}

/// The only answer.
async fn answer(world: &World, subject: &str) -> Answer {
    let answers = told(world, subject).await;
    assert_eq!(answers.len(), 1, "{answers:#?}");
    answers.into_iter().next().unwrap()
}

async fn announced(world: &World, artifact: Artifact, event: &str, seconds: i64) {
    let event = announcement().of(artifact.clone()).event(event).pushed_at(seconds).build();
    world.registry.push(artifact, at(seconds));
    announce::run(&world.store, &world.executions, &event, at(seconds)).await.unwrap();
}

async fn swept(world: &World, seconds: i64, failed: &[&str]) {
    let run = SweepRun {
        id: format!("sweep-{seconds}"),
        at: at(seconds),
        looked_at: 1,
        did: Vec::new(),
        failed: failed.iter().map(|line| (*line).to_owned()).collect(),
        more: false,
    };
    world.store.run(&run).await.unwrap();
}

fn serving(world: &World, artifact: Artifact, pushed_at: i64) {
    world.store.change(|items| {
        let head = items.heads.get_mut(&news()).unwrap();
        head.serving = Some(Serving {
            artifact,
            version: "1".parse().unwrap(),
            release: "r1".parse().unwrap(),
        });
        head.horizon = Some(at(pushed_at));
    });
}

#[tokio::test]
async fn a_push_without_an_event_was_never_seen() {
    let world = World::usual();
    swept(&world, 50, &[]).await;
    world.registry.push(image('b', "v2"), at(60));
    for subject in ["news:v2", "news"] {
        let answer = answer(&world, subject).await;
        assert_eq!(answer.reason, Reason::NeverSeen, "{answer:?}");
        assert!(
            answer.why.ends_with("the sweep finds such a push within 15 minutes"),
            "{answer:?}"
        );
        let start =
            format!("perch release start news --artifact sha256:{} --reason TEXT", "b".repeat(64));
        assert_eq!(answer.todo[0], start);
    }
    let late = &told_at(&world, "news:v2", at(2000)).await[0];
    assert!(late.why.contains("ran last at 2027-01-15T08:00:50Z: `perch doctor`"), "{late:?}");
}

#[tokio::test]
async fn a_push_from_before_the_target_is_no_missed_event() {
    let world = World::usual();
    world.registry.push(image('b', "v2"), at(-60));
    let answer = answer(&world, "news:v2").await;
    assert_eq!(answer.reason, Reason::NeverSeen);
    assert!(
        answer.why.contains("only for what was pushed after 2027-01-15T08:00:00Z"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_tag_that_no_glob_matches_is_named_with_the_globs() {
    let world = World::usual();
    announced(&world, image('c', "rc-1"), "event-7", 10).await;
    for subject in ["event-7", "news:rc-1", "news"] {
        let answer = answer(&world, subject).await;
        assert_eq!(answer.reason, Reason::NoGlob, "{subject}");
        assert_eq!(answer.why, "tag rc-1 matches none of the target's globs: v*");
        assert_eq!(
            answer.todo,
            ["perch apply -f FILE", "perch release start news --artifact news:rc-1 --reason TEXT"]
        );
    }
    let unseen = World::usual();
    unseen.registry.push(image('c', "rc-1"), at(10));
    let answer = answer(&unseen, "news:rc-1").await;
    assert_eq!(answer.reason, Reason::NoGlob, "also when no event came");
}

#[tokio::test]
async fn a_source_of_no_target_is_to_be_named_in_a_target_file() {
    let world = World::usual();
    let other = Artifact::Image {
        repository: "other".parse().unwrap(),
        digest: perch_testkit::digest('b'),
        tag: Some("v2".to_owned()),
    };
    announced(&world, other, "event-8", 10).await;
    for subject in ["event-8", "other:v2"] {
        let answer = answer(&world, subject).await;
        assert_eq!(answer.reason, Reason::NoTarget, "{subject}");
        assert!(answer.why.contains("name it under `sources`"), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_older_than_what_serves_has_no_turn() {
    let world = World::usual();
    serving(&world, image('c', "v3"), 50);
    announced(&world, image('b', "v2"), "event-2", 40).await;
    for subject in ["event-2", "news:v2"] {
        let answer = answer(&world, subject).await;
        assert_eq!(answer.reason, Reason::Older, "{answer:?}");
        assert_eq!(answer.todo, ["perch release start news --artifact news:v2 --reason TEXT"]);
    }
}

#[tokio::test]
async fn what_serves_already_is_said_with_its_release() {
    let world = World::usual();
    serving(&world, image('b', "v2"), 50);
    announced(&world, image('b', "v2"), "event-2", 60).await;
    let event = answer(&world, "event-2").await;
    assert_eq!(
        (event.reason, event.why.as_str()),
        (Reason::Serves, "it serves already, as version 1 by release r1")
    );
    let artifact = answer(&world, "news:v2").await;
    assert_eq!(artifact.reason, Reason::Serves);
    assert_eq!(artifact.todo, ["perch release r1"]);
}

/// A world whose release of image b ended like this.
fn ended(phase: Phase) -> World {
    let mut ended = release().baking(0).build();
    ended.phase = phase;
    ended.ended_at = Some(at(80));
    let world = World::amid(&ended);
    world.registry.push(image('b', "v2"), at(0));
    world
}

#[tokio::test]
async fn a_quarantined_artifact_has_its_cause_and_the_way_to_try_again() {
    let reasons = vec!["too many errors".to_owned()];
    let world = ended(Phase::RolledBack { cause: RollbackCause::Judge { reasons } });
    announced(&world, image('b', "v2"), "event-9", 90).await;
    let option = "--allow-quarantined";
    for subject in ["news:v2", "news-1"] {
        let answer = answer(&world, subject).await;
        assert_eq!(answer.reason, Reason::Quarantined, "{subject}");
        assert!(answer.why.starts_with("judged Fail: too many errors."), "{answer:?}");
        assert!(answer.todo[1].contains(option), "{answer:?}");
    }
    let event = answer(&world, "event-9").await;
    assert_eq!(event.reason, Reason::Quarantined);
    assert_eq!(event.todo[0], "perch release news-1");
    assert!(event.todo[1].contains(option), "{event:?}");
}

#[tokio::test]
async fn what_waits_says_for_what_and_how_to_make_room() {
    let target = target().while_releasing(WhileReleasing::Queue).build();
    let world = World::with(&target);
    world.place(&release().baking(0).build());
    announced(&world, image('c', "v3"), "event-3", 30).await;
    for subject in ["event-3", "news:v3"] {
        let answer = answer(&world, subject).await;
        assert_eq!(answer.reason, Reason::WaitsForRelease, "{subject}");
        assert!(answer.why.starts_with("release news-1 holds the target, in phase Baking"));
    }
    order::stop(&world.store, Some(&news()), "kim", "incident", at(40)).await.unwrap();
    let stopped = answer(&world, "event-3").await;
    assert_eq!(stopped.reason, Reason::WaitsForStop);
    assert_eq!(stopped.todo, ["perch resume news --reason TEXT"]);
    let reasons: Vec<_> = told(&world, "news").await.iter().map(|a| a.reason).collect();
    assert_eq!(reasons, [Reason::InFlight, Reason::WaitsForStop]);
}

#[tokio::test]
async fn behind_a_stop_of_all_everything_waits_for_its_end() {
    let world = World::usual();
    order::stop(&world.store, None, "kim", "freeze", at(5)).await.unwrap();
    announced(&world, image('b', "v2"), "event-2", 10).await;
    let answers = told(&world, "news").await;
    let reasons: Vec<_> = answers.iter().map(|answer| answer.reason).collect();
    assert_eq!(reasons, [Reason::Stopped, Reason::WaitsForStop]);
    for answer in answers {
        assert_eq!(answer.todo, ["perch resume --all --reason TEXT"]);
    }
}

#[tokio::test]
async fn what_waits_for_nothing_is_for_the_next_sweep() {
    let world = World::usual();
    let waiting =
        Waiting { artifact: image('b', "v2"), event: "event-2".to_owned(), pushed_at: at(10) };
    world.store.change(|items| items.heads.get_mut(&news()).unwrap().waiting = Some(waiting));
    assert_eq!(answer(&world, "news").await.reason, Reason::Waits);
}

#[tokio::test]
async fn a_skipped_artifact_names_the_newer_one() {
    let target = target().while_releasing(WhileReleasing::Queue).build();
    let world = World::with(&target);
    world.place(&release().baking(0).build());
    announced(&world, image('c', "v3"), "event-3", 30).await;
    announced(&world, image('d', "v4"), "event-4", 40).await;
    for subject in ["event-3", "news:v3"] {
        let answer = answer(&world, subject).await;
        assert_eq!(answer.reason, Reason::Skipped, "{answer:?}");
        assert_eq!(answer.why, "skipped: news:v4 (dddddddddddd) is newer and waits instead");
    }
    announced(&world, image('e', "v3.1"), "event-5", 35).await;
    assert_eq!(answer(&world, "event-5").await.reason, Reason::Skipped, "came late");
}

#[tokio::test]
async fn a_policy_that_refuses_is_named() {
    let target = target().while_releasing(WhileReleasing::Reject).build();
    let world = World::with(&target);
    world.place(&release().baking(0).build());
    announced(&world, image('c', "v3"), "event-3", 30).await;
    let answer = answer(&world, "event-3").await;
    assert_eq!(answer.reason, Reason::Refused);
    assert_eq!(answer.todo, ["perch release start news --artifact news:v3 --reason TEXT"]);
}

#[tokio::test]
async fn an_alarm_that_was_on_before_has_an_override() {
    let why = "guard errors is in ALARM already, so it could not protect this release. If this is \
               the fix: `perch release start ...`"
        .to_owned();
    let world = ended(Phase::Rejected { why });
    let answer = answer(&world, "news").await;
    assert_eq!(answer.reason, Reason::AlarmAtStart);
    let said = "guard errors is in ALARM already, so it could not protect this release \
                (alarmAtStart: block)";
    assert_eq!(answer.why, said);
    assert!(answer.todo[0].ends_with("--override-alarm 'errors' --reason TEXT"), "{answer:?}");
}

#[tokio::test]
async fn other_ends_say_what_is_left_to_do() {
    let rejected = Phase::Rejected { why: "function news has no alias live".to_owned() };
    let newer = Phase::Superseded { by: Some("news-2".parse().unwrap()) };
    for (phase, reason, todo) in [
        (rejected, Reason::Rejected, "perch doctor news"),
        (newer, Reason::Superseded, "perch release news-2"),
        (Phase::Superseded { by: None }, Reason::TakenOver, "perch doctor news"),
        (Phase::Promoted, Reason::Promoted, "perch release news-1"),
    ] {
        let world = ended(phase);
        let answer = answer(&world, "news-1").await;
        assert_eq!((answer.reason, answer.todo[0].as_str()), (reason, todo), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stuck_release_comes_first_with_its_commands() {
    let world = World::amid(&release().stuck().build());
    order::stop(&world.store, None, "kim", "freeze", at(5)).await.unwrap();
    let answers = told(&world, "news").await;
    assert_eq!(answers[0].reason, Reason::Stuck);
    assert!(answers[0].todo[0].starts_with("aws lambda update-alias --function-name news"));
    assert_eq!(answers[0].todo[1], "perch rollback news --reason TEXT");
    assert_eq!(answers[1].reason, Reason::Stopped);
}

#[tokio::test]
async fn drift_names_the_way_back_to_what_was_promoted() {
    let world = World::usual();
    serving(&world, image('c', "v3"), 50);
    world.store.change(|items| {
        items.heads.get_mut(&news()).unwrap().drift = Some("version 4 alone".to_owned());
    });
    let answer = answer(&world, "news").await;
    assert_eq!(answer.reason, Reason::Drift);
    assert_eq!(answer.todo[0], "perch rollback news --to 1 --reason TEXT");
}

#[tokio::test]
async fn a_hold_is_said_with_its_end() {
    let mut held = release().baking(0).build();
    held.order = Some(Order::Hold { by: "ada".to_owned(), reason: "logs".to_owned() });
    let answer = answer(&World::amid(&held), "news").await;
    assert!(answer.why.starts_with("it is held by ada: logs. The deadline rolls it back at"));
    assert_eq!(answer.todo[0], "perch continue news --reason TEXT");
}

#[tokio::test]
async fn an_alarm_without_a_release_rolled_nothing_back() {
    let world = World::usual();
    let alarm = on_alarm::Alarm {
        event: "event-a".to_owned(),
        name: "errors".parse().unwrap(),
        reason: "Threshold Crossed".to_owned(),
        at: at(10),
    };
    on_alarm::run(&world.store, &world.lambda, &world.executions, &alarm).await.unwrap();
    let answer = answer(&world, "event-a").await;
    assert_eq!(answer.reason, Reason::NothingToGuard);
    assert_eq!(answer.what, "alarm errors rolled nothing back");
}

#[tokio::test]
async fn what_the_sweep_could_not_do_is_told_and_so_is_that_all_is_well() {
    let world = World::usual();
    assert_eq!(answer(&world, "news").await.reason, Reason::Idle);
    swept(&world, 90, &["other: no", "news: permission denied for alias live"]).await;
    let answer = answer(&world, "news").await;
    assert_eq!(
        (answer.reason, answer.why.as_str()),
        (Reason::Sweep, "permission denied for alias live")
    );
}

#[tokio::test]
async fn an_image_that_is_not_there_was_not_pushed_here() {
    let answer = answer(&World::usual(), "news:v9").await;
    assert_eq!(answer.reason, Reason::NoArtifact);
}

#[tokio::test]
async fn what_nobody_knows_is_unknown() {
    let digest = format!("sha256:{}", "e".repeat(64));
    for subject in ["6a7e8feb-b491", "nowhere", "not a name", &digest] {
        let answer = answer(&World::usual(), subject).await;
        assert_eq!(answer.reason, Reason::Unknown, "{subject}");
        assert_eq!(answer.what, format!("nothing is known of {subject}"));
    }
}

#[tokio::test]
async fn a_bare_digest_is_found_in_the_targets_that_take_it() {
    let world = World::usual();
    announced(&world, image('b', "v2"), "event-2", 10).await;
    let answer = answer(&world, &format!("sha256:{}", "b".repeat(64))).await;
    assert_eq!((answer.reason, answer.target), (Reason::InFlight, Some(news())));
}
