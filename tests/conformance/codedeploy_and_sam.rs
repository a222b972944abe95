//! CodeDeploy, and the tools that drive it for Lambda: SAM, the Serverless plugin, the CDK, ecspresso.

use perch_app::announce::{self, Answer};
use perch_app::ports::SaveTarget as _;
use perch_app::step::StepInput;
use perch_app::{on_alarm, order, shift_weight};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::{Preset, Rollout, Target, WhileReleasing};
use perch_testkit::{Fault, Paused, World, failing, healthy, image, target};

use crate::scene::Scene;

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn sam_291_a_second_push_is_never_a_conflict() {
    let phases =
        ["Pending", "Preparing", "Shifting", "Baking", "Promoting", "Watching", "RollingBack"];
    for policy in [WhileReleasing::Replace, WhileReleasing::Queue, WhileReleasing::Reject] {
        for phase in phases {
            let mut scene = Scene::of(target().while_releasing(policy));
            scene.push('b').await;
            if phase == "RollingBack" {
                scene.until_at('b', 10).await;
                scene.answers('b', failing());
            }
            scene.until('b', phase).await;
            let answer = scene.push('c').await;
            scene.world.metrics.set_total(healthy());
            assert!(!matches!(answer, Answer::Started(_)), "{policy:?} in {phase}: {answer:?}");
            scene.rest().await;
            let expected = match (policy, phase) {
                (WhileReleasing::Reject, "RollingBack") => 'a',
                (WhileReleasing::Reject, _) => 'b',
                _ => 'c',
            };
            assert_eq!(scene.serves(), expected, "{policy:?} in {phase}");
            // Nothing is left that would stand in the way of the next.
            scene.push('d').await;
            scene.rest().await;
            assert_eq!((scene.phase('d'), scene.serves()), ("Promoted", 'd'), "{phase}");
        }
    }
}

#[tokio::test]
async fn sam_716_the_fix_can_be_released_while_an_alarm_is_red() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.rest().await;
    // The flaw shows days later.
    scene.machines.wait(3 * 24 * 3600);
    let alarm = scene.goes_red();
    assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::NothingInFlight]);
    scene.push('c').await;
    scene.rest().await;
    let command = "perch release start news --artifact";
    let refusal = scene.refusal('c');
    assert!(refusal.contains(command) && refusal.contains("--override-alarm errors"), "{refusal}");
    let overrides = vec!["errors".parse().unwrap()];
    let fix = order::Start { overrides, ..scene.start_of('c') };
    scene.start(&fix).await.unwrap();
    scene.rest().await;
    assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'));
    let told = scene.told().await;
    let audited = "kim, who overrides errors: needed now";
    assert!(told.iter().any(|message| message.text.contains(audited)), "{told:?}");
    // What holds for the fix does not hold for what comes after it.
    scene.push('d').await;
    scene.rest().await;
    assert!(scene.refusal('d').contains("guard errors is in ALARM already"));
    scene.world.alarms.set("errors", false);
    scene.push('e').await;
    scene.rest().await;
    assert_eq!(scene.phase('e'), "Promoted");
}

#[tokio::test]
async fn sam_1296_provisioned_concurrency_is_refused_before_anything_changes() {
    let mut scene = Scene::usual();
    scene.world.lambda.change(|account| account.provisioned.insert("news:live".to_owned()));
    scene.push('b').await;
    scene.rest().await;
    assert!(scene.refusal('b').contains("delete-provisioned-concurrency-config"));
    assert_eq!((scene.writes(), scene.routes()), (0, vec!["1".to_owned()]));
    let World { lambda, alarms, .. } = &scene.world;
    let warned =
        perch_app::apply_target::warnings((lambda, &scene.world.services), alarms, &scene.target)
            .await
            .unwrap();
    assert!(warned[0].contains("has provisioned concurrency"), "{warned:?}");
    scene.world.lambda.change(|account| account.provisioned.clear());
    scene.push('b').await;
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
}

/// Thirty functions that take the images of one repository.
fn many() -> Scene {
    let scene = Scene::usual();
    for number in 1..30 {
        let name = format!("news-{number}");
        scene.world.add(&target().named(&name).function(&name).build());
    }
    scene
}

#[tokio::test]
async fn sls_canary_159_of_many_functions_each_is_whole_or_untouched() {
    for (throttled, end) in [(60, "Promoted"), (240, "RolledBack")] {
        let mut scene = many();
        let event = scene.pushed('b');
        scene.world.calls.inject(Fault::of("plan").times(1));
        scene.world.calls.inject(Fault::of("start").times(1));
        scene.world.calls.inject(Fault::of("shift").times(throttled));
        let World { store, executions, .. } = &scene.world;
        for _ in 0..2 {
            announce::run(store, executions, &event, scene.machines.now()).await.unwrap_err();
        }
        // The third delivery of the event, as Lambda makes it.
        announce::run(store, executions, &event, scene.machines.now()).await.unwrap();
        scene.rest().await;
        assert!(scene.world.calls.faults_are_used_up());
        let all: Vec<Release> =
            scene.world.store.read(|items| items.releases.values().cloned().collect());
        assert_eq!(all.len(), 30);
        for release in all {
            assert_eq!(release.phase.name(), end, "{}, throttled {throttled}", release.target);
            let route = scene.world.route(release.plan.driver.alias().unwrap()).to_string();
            let version = if end == "Promoted" { "2" } else { "1" };
            assert_eq!(route, format!("version {version} alone"));
        }
    }
}

#[tokio::test]
async fn sls_canary_76_the_first_release_is_watched_like_any_other() {
    for phase in ["Baking", "Watching"] {
        let mut scene = Scene::usual();
        assert_eq!(scene.world.head(&scene.target.name).serving, None, "Perch promoted nothing");
        scene.push('b').await;
        scene.until('b', phase).await;
        let alarm = scene.goes_red();
        assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::RolledBack], "{phase}");
        assert_eq!(scene.serves(), 'a', "{phase}");
        scene.rest().await;
        assert_eq!(scene.phase('b'), "RolledBack", "{phase}");
    }
}

#[tokio::test]
async fn sls_canary_76_smoke_tests_come_before_the_first_release_too() {
    let mut scene = Scene::of(target().smoke_tested());
    assert_eq!(scene.world.head(&scene.target.name).serving, None, "Perch promoted nothing");
    let code = (scene.lambda().function.to_string(), image('b', "v2").identity());
    scene.world.lambda.change(|account| account.unfit.insert(code));
    scene.push('b').await;
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves(), scene.routes().len()), ("Rejected", 'a', 1));
    assert!(
        scene.refusal('b').contains("1 of 1 smoke test failed: `fit`"),
        "{}",
        scene.refusal('b')
    );
    scene.push('c').await;
    scene.rest().await;
    assert_eq!((scene.phase('c'), scene.serves()), ("Promoted", 'c'));
}

#[tokio::test]
async fn sam_2452_a_guard_that_was_taken_out_guards_no_more() {
    let mut scene = Scene::of(target().guarded_by(&["errors", "latency"]));
    let before = scene.target.clone();
    let after = Target { guards: vec!["latency".parse().unwrap()], ..before.clone() };
    scene.world.store.save_target(&after, Some(&before), scene.machines.now()).await.unwrap();
    scene.world.alarms.set("errors", true);
    scene.push('b').await;
    scene.until_at('b', 10).await;
    let alarm = scene.goes_red();
    assert_eq!(scene.ring(&alarm).await, []);
    scene.rest().await;
    assert_eq!((scene.phase('b'), scene.serves()), ("Promoted", 'b'));
    // The one that stayed still does.
    scene.push('c').await;
    scene.until_at('c', 10).await;
    let alarm = on_alarm::Alarm { name: "latency".parse().unwrap(), ..scene.goes_red() };
    assert_eq!(scene.ring(&alarm).await, [on_alarm::Answer::RolledBack]);
    scene.rest().await;
    assert_eq!((scene.phase('c'), scene.serves()), ("RolledBack", 'b'));
}

#[tokio::test]
async fn containers_roadmap_2266_a_person_finishes_now() {
    for spoilt in [false, true] {
        let mut scene = Scene::of(target().steps(&[(10, DAY), (50, DAY)]));
        scene.push('b').await;
        scene.until_at('b', 10).await;
        scene.run_for(600).await;
        let ordered = scene.seconds();
        let (store, now) = (&scene.world.store, scene.machines.now());
        order::promote(store, &scene.target.name, "kim", "looks good", now).await.unwrap();
        if spoilt {
            // It turned bad before the order was carried out: evidence counts more.
            scene.answers('b', failing());
            scene.rest().await;
            assert_eq!(scene.routes(), ["1", "1+2@10", "1"]);
        } else {
            scene.until('b', "Watching").await;
            assert!(scene.seconds() - ordered <= 180, "{} seconds", scene.seconds() - ordered);
            scene.rest().await;
            assert_eq!(scene.routes(), ["1", "1+2@10", "2"], "the wait was skipped");
        }
    }
}

#[tokio::test]
async fn containers_roadmap_229_a_canary_stays_for_days_until_a_person_says_go() {
    let mut scene = Scene::of(target().deadline(7 * DAY));
    scene.push('b').await;
    scene.until_at('b', 10).await;
    let (store, now) = (&scene.world.store, scene.machines.now());
    order::hold(store, &scene.target.name, "kim", "over the weekend", now).await.unwrap();
    scene.run_for(3 * 24 * 3600).await;
    assert_eq!(scene.routes(), ["1", "1+2@10"]);
    let looked = scene.release_of('b').verdict.unwrap().to_string();
    assert!(looked.starts_with("Pass"), "judged all the while: {looked}");
    let (store, now) = (&scene.world.store, scene.machines.now());
    order::continue_now(store, &scene.target.name, "ana", "go", now).await.unwrap();
    scene.rest().await;
    assert_eq!(scene.phase('b'), "Promoted");
    assert_eq!(scene.routes(), ["1", "1+2@10", "1+2@50", "2"], "step by step from there");
}

#[tokio::test]
async fn ecspresso_663_a_rollback_that_meets_a_shift_ends_on_the_baseline() {
    let mut scene = Scene::usual();
    scene.push('b').await;
    scene.until_at('b', 10).await;
    scene.until('b', "Shifting").await;
    let release = scene.release_of('b');
    let input = StepInput { release_id: release.id.clone(), fence: release.fence };
    let (calls, store, lambda) = (&scene.world.calls, &scene.world.store, &scene.world.lambda);
    let shift = shift_weight::run(store, lambda, &input, scene.machines.now());
    let shift = Paused::new(calls, shift).before("shift");
    scene.abort().await.unwrap();
    let mut machines = scene.machines.clone();
    machines.run(&scene.world).await;
    assert_eq!(scene.serves(), 'a');
    drop(shift.finish());
    assert_eq!(scene.routes(), ["1", "1+2@10", "1"], "the shift came too late");
    assert_eq!(scene.phase('b'), "RolledBack");
    let versions = scene.world.lambda.read(|account| {
        account.functions[&scene.lambda().function].versions.iter().flatten().count()
    });
    assert_eq!(versions, 2, "a rollback deletes nothing");
}

#[tokio::test]
async fn one_login_5292_traffic_moves_in_steps_and_a_person_may_skip_them() {
    let linear = Rollout::Preset(Preset::LambdaLinear10PercentEvery1Minute);
    for skipped in [false, true] {
        let mut scene = Scene::with(Target { rollout: linear.clone(), ..target().build() });
        scene.push('b').await;
        scene.until_at('b', 10).await;
        if skipped {
            let (store, now) = (&scene.world.store, scene.machines.now());
            order::promote(store, &scene.target.name, "kim", "urgent", now).await.unwrap();
        }
        scene.rest().await;
        let mut expected = vec!["1".to_owned(), "1+2@10".to_owned()];
        if !skipped {
            expected.extend((2..10).map(|tenth| format!("1+2@{tenth}0")));
        }
        expected.push("2".to_owned());
        assert_eq!(scene.routes(), expected);
        assert_eq!(scene.release_of('b').phase, Phase::Promoted);
    }
}
