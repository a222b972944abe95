//! Flagger: <https://github.com/fluxcd/flagger/issues>

use perch_app::order::OrderError;
use perch_app::step::{StepError, StepInput};
use perch_app::{order, promote_canary};
use perch_core::phase::{Phase, RollbackCause};
use perch_testkit::{Failure, Fault, Paused, digest, failing, healthy, silent, target};

use crate::scene::Scene;

/// What goes wrong, and how the scene makes it so.
type Breach = (&'static str, fn(&Scene));

#[tokio::test]
async fn flagger_1898_rollback_picks_the_verified_baseline() {
    let ways_to_break: [Breach; 3] = [
        ("UpdateAlias is refused", |scene| {
            scene.world.calls.inject(Fault::of("shift").with(Failure::Denied));
        }),
        ("the alias moved, and that can't be written down", |scene| {
            scene.world.calls.inject(Fault::of("commit").with(Failure::Denied));
        }),
        ("what was promoted fails", |scene| scene.world.metrics.set_total(failing())),
    ];
    for (way, breaks) in ways_to_break {
        let mut scene = Scene::usual();
        scene.push('b').await;
        scene.rest().await;
        scene.push('c').await;
        scene.until('c', "Promoting").await;
        breaks(&scene);
        scene.rest().await;
        assert_eq!((scene.phase('c'), scene.serves()), ("RolledBack", 'b'), "{way}");
        let serving = scene.world.head(&scene.target.name).serving.unwrap();
        assert_eq!(serving.artifact.identity(), digest('b').to_string(), "{way}");
        let routes = scene.routes();
        let verified = routes.iter().position(|route| route == "2").unwrap();
        let since = &routes[verified..];
        assert!(since.iter().all(|route| !route.starts_with('1')), "{way}: {routes:?}");
        assert_eq!(since.last().unwrap(), "2", "{way}: {routes:?}");
    }
}

#[tokio::test]
async fn flagger_1801_a_hold_keeps_protecting() {
    for stopped in [false, true] {
        for by_alarm in [false, true] {
            let mut scene = Scene::usual();
            scene.push('b').await;
            scene.until_at('b', 10).await;
            let (store, now) = (&scene.world.store, scene.machines.now());
            if stopped {
                order::stop(store, Some(&scene.target.name), "kim", "wait", now).await.unwrap();
            } else {
                order::hold(store, &scene.target.name, "kim", "wait", now).await.unwrap();
            }
            for _ in 0..10 {
                scene.step().await;
            }
            assert_eq!(scene.routes(), ["1", "1+2@10"], "it waits");
            let waited = scene.seconds();
            if by_alarm {
                let alarm = scene.goes_red();
                scene.ring(&alarm).await;
                assert_eq!(scene.serves(), 'a', "before any state runs");
            } else {
                scene.answers('b', failing());
            }
            scene.rest().await;
            assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'));
            match scene.cause('b') {
                RollbackCause::Alarm { .. } => assert!(by_alarm),
                RollbackCause::Judge { .. } => assert!(!by_alarm),
                other => panic!("{other:?}"),
            }
            assert!(scene.seconds() - waited <= 61, "one look later: {}", scene.seconds());
        }
    }
}

#[tokio::test]
async fn flagger_1801_a_hold_of_days_keeps_protecting_without_any_guard() {
    let mut scene = Scene::of(target().guarded_by(&[]).deadline(7 * 24 * 3600));
    scene.push('b').await;
    scene.until_at('b', 10).await;
    let (store, now) = (&scene.world.store, scene.machines.now());
    order::hold(store, &scene.target.name, "kim", "over the weekend", now).await.unwrap();
    scene.run_for(3 * 24 * 3600).await;
    scene.answers('b', failing());
    let began = scene.seconds();
    scene.rest().await;
    assert!(matches!(scene.cause('b'), RollbackCause::Judge { .. }), "{:?}", scene.cause('b'));
    assert!(scene.seconds() - began < 1300, "{} seconds", scene.seconds() - began);
    assert_eq!(scene.routes(), ["1", "1+2@10", "1"]);
}

#[tokio::test]
async fn flagger_1591_a_promotion_that_does_not_get_through_is_rolled_back() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until('b', "Promoting").await;
    let began = scene.seconds();
    scene.world.calls.inject(Fault::of("shift").times(7));
    scene.rest().await;
    assert!(matches!(scene.cause('b'), RollbackCause::Error { .. }), "{:?}", scene.cause('b'));
    assert_eq!(scene.serves(), 'a');
    assert!(scene.seconds() - began < 120, "{} seconds", scene.seconds() - began);
}

#[tokio::test]
async fn flagger_379_what_a_failed_release_left_does_not_hold_up_the_next() {
    let mut scene = Scene::usual();
    scene.world.lambda.change(|account| account.version_fails = Some("no such layer".to_owned()));
    scene.push('b').await;
    scene.rest().await;
    assert!(scene.refusal('b').contains("no such layer"), "{}", scene.refusal('b'));
    scene.world.lambda.change(|account| account.version_fails = None);
    scene.push('c').await;
    scene.rest().await;
    assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'));
    assert_eq!(scene.release_of('c').ledger.unwrap().baseline.as_str(), "1");
}

#[tokio::test]
async fn flagger_639_a_broken_baseline_does_not_block_the_fix() {
    let mut scene = Scene::of(target().ignoring_alarms_at_start());
    scene.world.metrics.set("1", failing());
    scene.goes_red();
    scene.push('b').await;
    scene.until_at('b', 50).await;
    assert_eq!(scene.release_of('b').ignored_guards.len(), 1, "still red because of version 1");
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "2"], "judged at every step");
}

#[tokio::test]
async fn flagger_1035_without_traffic_the_release_does_as_the_target_says() {
    let mut holds = Scene::usual();
    holds.push('b').await;
    holds.until_at('b', 10).await;
    holds.answers('b', silent());
    holds.run_for(1800).await;
    assert_eq!(holds.routes(), ["1", "1+2@10"], "neither promoted nor rolled back");
    holds.answers('b', healthy());
    holds.rest().await;
    assert_eq!(holds.phase('b'), "Promoted");

    let mut fails = Scene::of(target().failing_without_data());
    fails.push('b').await;
    fails.until_at('b', 10).await;
    fails.answers('b', silent());
    fails.rest().await;
    assert!(matches!(fails.cause('b'), RollbackCause::NoData { .. }), "{:?}", fails.cause('b'));
    assert_eq!(fails.routes(), ["1", "1+2@10", "1"]);
}

#[tokio::test]
async fn flagger_1581_a_guard_that_does_not_exist_stops_the_release() {
    let mut scene = Scene::of(target().guarded_by(&["errors", "latency"]));
    scene.world.alarms.delete("latency");
    scene.push('b').await;
    scene.rest().await;
    assert!(scene.refusal('b').starts_with("guard latency does not exist"));
    assert_eq!(scene.writes(), 0, "{:?}", scene.world.calls.log());

    // One that is deleted during the release: nothing passes until it is back.
    scene.world.alarms.set("latency", false);
    scene.push('c').await;
    scene.until_at('c', 10).await;
    scene.world.alarms.delete("latency");
    scene.run_for(1800).await;
    assert_eq!(scene.routes(), ["1", "1+2@10"]);
    let verdict = scene.release_of('c').verdict.unwrap().to_string();
    assert!(verdict.contains("latency"), "{verdict}");
    scene.world.alarms.set("latency", false);
    scene.rest().await;
    assert_eq!(scene.phase('c'), "Promoted");
}

#[tokio::test]
async fn flagger_616_a_person_goes_back_at_once_after_the_promotion() {
    let mut scene = Scene::usual();
    let event = scene.pushed('b');
    scene.deliver(&event).await;
    scene.rest().await;
    assert_eq!(scene.phase('b'), "Promoted");
    scene.goes_red();
    let began = scene.seconds();
    let back = scene.go_back_to("1").await.unwrap();
    scene.rest().await;
    assert_eq!(scene.world.release(&back).phase, Phase::Promoted);
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "2", "1"], "no steps on the way back");
    assert!(scene.seconds() - began <= 5, "{} seconds", scene.seconds() - began);

    // Nothing automatic brings it up again.
    scene.world.alarms.set("errors", false);
    scene.deliver(&event).await;
    assert_eq!(scene.sweep_after(2000).await, [""; 0]);
    scene.rest().await;
    assert_eq!((scene.serves(), scene.releases()), ('a', 2));
}

#[tokio::test]
async fn flagger_1344_looks_are_no_noise() {
    let mut scene = Scene::of(target().steps(&[(10, 1800), (50, 1800)]));
    scene.push('b').await;
    scene.rest().await;
    let looks = scene.world.calls.count("versions") + scene.world.calls.count("alias_total");
    assert!(looks > 60, "{looks} looks");
    let told = scene.told().await;
    let subjects: Vec<&str> = told.iter().map(|message| message.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "news: release of news:vb (bbbbbbbbbbbb) planned",
            "news: canary published",
            "news: 10% of traffic on the canary",
            "news: 50% of traffic on the canary",
            "news: news:vb (bbbbbbbbbbbb) has all traffic",
            "news: news:vb (bbbbbbbbbbbb) promoted",
        ]
    );
    for message in told {
        let command = format!("perch release {}", scene.release_of('b').id);
        assert!(message.text.contains(&command), "{}", message.text);
    }
}

#[tokio::test]
async fn flagger_413_a_person_rolls_back_in_every_phase() {
    let phases =
        ["Pending", "Preparing", "Shifting", "Baking", "Promoting", "Watching", "RollingBack"];
    for phase in phases {
        let mut scene = Scene::usual();
        scene.push('b').await;
        if phase == "RollingBack" {
            scene.until_at('b', 10).await;
            scene.answers('b', failing());
        }
        scene.until('b', phase).await;
        scene.abort().await.unwrap();
        scene.rest().await;
        assert_eq!((scene.phase('b'), scene.serves()), ("RolledBack", 'a'), "{phase}");
        if phase != "RollingBack" {
            let cause = scene.cause('b').to_string();
            assert_eq!(cause, "aborted by kim: looks odd", "{phase}");
        }
    }
}

#[tokio::test]
async fn flagger_189_success_is_told_only_after_the_alias_was_read_back() {
    let mut scene = Scene::of(target().steps(&[(15, 60), (61, 60)]));
    scene.push('b').await;
    scene.until('b', "Promoting").await;
    let release = scene.release_of('b');
    let input = StepInput { release_id: release.id.clone(), fence: release.fence };
    let half_way = scene.world.route(scene.lambda());
    let (calls, store, lambda) = (&scene.world.calls, &scene.world.store, &scene.world.lambda);
    let promotion = promote_canary::run(store, lambda, &input, scene.machines.now());
    let mut promotion = Paused::new(calls, promotion).before("shift");
    assert!(promotion.step().is_none());
    assert_eq!(scene.routes().last().unwrap(), "2", "Lambda took the update");
    lambda.move_alias(scene.lambda(), &half_way);
    let error = promotion.finish().unwrap_err();
    assert!(matches!(error, StepError::NotAsSet { .. }), "{error}");
    assert_eq!(scene.phase('b'), "Promoting");
    let told = scene.subjects().await;
    assert!(told.iter().all(|subject| !subject.contains("all traffic")), "{told:?}");
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
    assert!(scene.subjects().await.iter().any(|subject| subject.ends_with("promoted")));
}

#[tokio::test]
async fn flagger_1152_a_failed_release_is_tried_again_when_a_person_says_so() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 10).await;
    scene.answers('b', failing());
    scene.rest().await;
    assert_eq!(scene.phase('b'), "RolledBack");
    scene.push('b').await;
    scene.rest().await;
    assert_eq!(scene.releases(), 1, "a push of the same image is not tried on its own");
    assert!(scene.notes()[0].contains("had its release already"), "{:?}", scene.notes());
    let again = scene.start_of('b');
    let refused = scene.start(&again).await.unwrap_err();
    assert!(matches!(refused, OrderError::Quarantined { .. }), "{refused}");
    scene.answers('b', healthy());
    scene.start(&order::Start { allow_quarantined: true, ..again }).await.unwrap();
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
}

#[tokio::test]
async fn flagger_1163_a_revert_to_what_serves_rolls_nothing() {
    for promoted_before in [false, true] {
        let mut scene = Scene::usual();
        let baseline = if promoted_before {
            scene.push('d').await;
            scene.rest().await;
            'd'
        } else {
            'a'
        };
        scene.push('b').await;
        scene.until_at('b', 10).await;
        scene.answers('b', failing());
        scene.rest().await;
        let (writes, routes) = (scene.writes(), scene.routes());
        scene.push(baseline).await;
        scene.rest().await;
        assert_eq!((scene.writes(), scene.routes()), (writes, routes), "{promoted_before}");
        assert_eq!(scene.serves(), baseline);
    }
}
