//! Smoke tests between the canary's publication and its first traffic, and in the midst of a driver's
//! own shift.

use perch_app::announce;
use perch_app::order;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_app::{prepare_canary, smoke};
use perch_core::journal::What;
use perch_core::names::TargetName;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::smoke::Answer;
use perch_core::target::Target;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{
    Failure, Fault, Machines, World, announcement, at, healthy, image, release, target,
};
use serde_json::json;

const HEALTH: &str = "https://test:8443/health";

/// One check that invokes the canary, and one that asks the test listener.
fn tested() -> Target {
    let fit = json!({
        "name": "fit", "invoke": { "payload": { "text": "late goal" } },
        "expect": { "json": { "$.fit": true, "$.asked.text": "late goal" } },
    });
    let health = json!({ "name": "health", "http": { "path": "/health" } });
    let tests = json!({ "url": "https://test:8443/", "checks": [fit, health] });
    target().with_smoke_tests(tests).build()
}

/// A release whose canary was just published.
fn published() -> Release {
    let mut published = release().to(&tested()).baking(0).build();
    published.phase = Phase::Preparing;
    published
}

fn world() -> World {
    let world = World::with(&tested());
    world.place(&published());
    world
}

async fn smoke_test(world: &World, seconds: i64) -> Result<StepOutput, StepError> {
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    smoke::run(&world.store, (&world.lambda, &world.web), &input, || at(seconds)).await
}

fn current(world: &World) -> Release {
    world.release(&"news-1".parse().unwrap())
}

fn unfit(world: &World) {
    let code = ("news".to_owned(), image('b', "v2").identity());
    world.lambda.change(|account| account.unfit.insert(code));
}

#[tokio::test]
async fn a_canary_that_passes_gets_its_first_shift() {
    let world = world();
    assert_eq!(smoke_test(&world, 5).await.unwrap().next, "Shift");
    let release = current(&world);
    assert!(matches!(release.phase, Phase::Shifting { step: 0, .. }), "{:?}", release.phase);
    let entry = world.journal(&release.id).pop().unwrap();
    assert_eq!((entry.what, entry.at), (What::SmokeTested, at(5)));
    assert_eq!(entry.cause, "2 smoke tests passed, 65 ms in all");
    let told: Vec<_> = entry.smoke.iter().map(|r| (r.name.as_str(), r.passed, r.status)).collect();
    assert_eq!(told, [("fit", true, None), ("health", true, Some(200))]);
    assert_eq!(entry.smoke, release.smoke);
    assert_eq!(world.web.asked(), [format!("Get {HEALTH}")]);
    assert_eq!(world.calls.log(), ["release", "invoke", "request", "commit"]);
    assert_eq!(broken_always(&world), [""; 0]);
    // The machine may ask once more: nothing is tested again.
    assert_eq!(smoke_test(&world, 6).await.unwrap().next, "Shift");
    assert_eq!((world.calls.count("invoke"), current(&world).seq), (1, release.seq));
}

#[tokio::test]
async fn one_check_that_fails_ends_the_release_before_any_traffic() {
    let down = Answer::Http { status: 503, body: b"starting".to_vec() };
    let late = Answer::Nothing { why: "no answer within 10000 ms".to_owned() };
    for (spoil, why) in [
        (None, "1 of 2 smoke tests failed: `fit`: $.fit: expected true, got false"),
        (Some(down), "`health`: status: expected 200, got 503: starting"),
        (Some(late), "`health`: no answer within 10000 ms"),
    ] {
        let world = world();
        match spoil {
            Some(answer) => world.web.answer(HEALTH, answer),
            None => unfit(&world),
        }
        assert_eq!(smoke_test(&world, 5).await.unwrap().next, "Close");
        let release = current(&world);
        let Phase::Rejected { why: told } = &release.phase else { panic!("{:?}", release.phase) };
        assert!(told.contains(why) && told.ends_with(". No traffic was moved"), "{told}");
        let journal = world.journal(&release.id);
        let [.., tested, rejected] = journal.as_slice() else { panic!("{journal:?}") };
        assert_eq!((tested.what, rejected.what), (What::SmokeTested, What::ReleaseRejected));
        assert_eq!((tested.smoke.len(), rejected.smoke.len()), (2, 0));
        assert_eq!(tested.smoke.iter().filter(|result| !result.passed).count(), 1);
        assert!(rejected.what.is_notified() && rejected.cause == *told);
        assert_eq!(world.head(&release.target).active, None);
        assert_eq!(world.calls.count("shift"), 0);
        assert_eq!(broken_at_rest(&world), [""; 0]);
    }
}

#[tokio::test]
async fn a_call_that_can_not_be_made_is_a_failure_and_no_error() {
    for call in ["invoke", "request"] {
        let world = world();
        world.calls.inject(Fault::of(call).with(Failure::Denied));
        assert_eq!(smoke_test(&world, 5).await.unwrap().next, "Close");
        let Phase::Rejected { why } = current(&world).phase else { panic!() };
        assert!(why.contains("permission denied"), "{why}");
    }
}

#[tokio::test]
async fn a_result_that_was_not_written_down_is_found_again() {
    let world = world();
    world.calls.inject(Fault::of("commit"));
    assert!(smoke_test(&world, 5).await.is_err());
    assert_eq!(current(&world).phase, Phase::Preparing);
    assert_eq!(smoke_test(&world, 6).await.unwrap().next, "Shift");
    assert_eq!(world.calls.count("invoke"), 2);
    // The answer was lost: the same call again leads on.
    let world = self::world();
    world.calls.inject(Fault::of("commit").after());
    assert!(smoke_test(&world, 5).await.is_err());
    assert_eq!(smoke_test(&world, 6).await.unwrap().next, "Shift");
    assert_eq!((world.calls.count("invoke"), broken_always(&world)), (1, vec![]));
}

#[tokio::test]
async fn the_deadline_ends_it_without_a_test() {
    let world = world();
    world.store.change(|items| {
        items.releases.values_mut().for_each(|release| release.deadline = at(60));
    });
    assert_eq!(smoke_test(&world, 60).await.unwrap().next, "Close");
    let Phase::Rejected { why } = current(&world).phase else { panic!() };
    assert_eq!(why, "the canary was not smoke tested by 2027-01-15T08:01:00Z");
    assert_eq!(world.calls.count("invoke"), 0);
}

#[tokio::test]
async fn an_execution_that_lost_the_target_tests_nothing() {
    let world = world();
    world.store.change(|items| items.releases.values_mut().for_each(|release| release.fence = 2));
    assert_eq!(smoke_test(&world, 5).await.unwrap().next, "End");
    assert_eq!(world.calls.log(), ["release"]);
}

#[tokio::test]
async fn a_preparation_that_is_repeated_leads_to_the_tests() {
    let world = world();
    let World { store, lambda, uploads, alarms, metrics, .. } = &world;
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    let reads = (lambda, uploads, alarms, metrics);
    let output = prepare_canary::run(store, lambda, reads, &input, at(5)).await.unwrap();
    assert_eq!((output.next.as_str(), world.calls.log()), ("Smoke", vec!["release"]));
    assert_eq!(smoke_test(&world, 6).await.unwrap().next, "Shift");
}

/// A driver that moves the weights itself has the tests from its own hook, once it has begun.
#[tokio::test]
async fn a_release_that_has_begun_goes_on_or_back() {
    let begun = || {
        let world = World::with(&tested());
        world.place(&release().to(&tested()).shifting(0).build());
        world
    };
    let world = begun();
    assert_eq!(smoke_test(&world, 5).await.unwrap().next, "Shift");
    let release = current(&world);
    assert_eq!(world.journal(&release.id).last().unwrap().what, What::SmokeTested);
    assert!(matches!(release.phase, Phase::Shifting { step: 0, .. }));
    // A hook that is called again does not test again.
    assert_eq!(smoke_test(&world, 6).await.unwrap().next, "Shift");
    assert_eq!((world.calls.count("invoke"), current(&world).seq), (1, release.seq));

    let world = begun();
    unfit(&world);
    assert_eq!(smoke_test(&world, 5).await.unwrap().next, "Rollback");
    let Phase::RollingBack { cause: RollbackCause::Smoke { failures }, .. } = current(&world).phase
    else {
        panic!("{:?}", current(&world).phase)
    };
    assert_eq!(failures, ["`fit`: $.fit: expected true, got false"]);
}

#[tokio::test]
async fn whole_releases_pass_and_fail_their_tests() {
    for (fit, expected) in [(true, "Promoted"), (false, "Rejected")] {
        let world = World::with(&tested());
        if !fit {
            unfit(&world);
        }
        for version in ["1", "2"] {
            world.metrics.set(version, healthy());
        }
        world.metrics.set_total(healthy());
        let mut machines = Machines::new(at(0)).delivering_twice();
        let push = announcement().build();
        announce::run(&world.store, &world.executions, &push, at(0)).await.unwrap();
        machines.run(&world).await;
        let releases: Vec<Release> = world.store.read(|i| i.releases.values().cloned().collect());
        assert_eq!(releases.len(), 1);
        assert_eq!(releases[0].phase.name(), expected);
        assert_eq!(broken_at_rest(&world), [""; 0]);
        let lambda = tested().service.lambda.unwrap();
        assert_eq!(world.lambda.routes(&lambda).len() > 1, fit, "traffic moved");
    }
}

#[tokio::test]
async fn a_person_who_goes_back_to_a_version_waits_for_no_test() {
    let world = World::with(&tested());
    let promoted = release().to(&tested()).promoted().build();
    world.place(&promoted);
    let news: TargetName = "news".parse().unwrap();
    world.web.answer(HEALTH, Answer::Http { status: 503, body: Vec::new() });
    let wanted = order::Start {
        target: news,
        artifact: perch_core::artifact::Artifact::Version { version: "1".parse().unwrap() },
        by: "kim".to_owned(),
        reason: "wrong labels".to_owned(),
        overrides: Vec::new(),
        allow_quarantined: false,
        way_back: true,
    };
    let id = order::start(&world.store, &world.executions, &wanted, at(900)).await.unwrap();
    Machines::new(at(900)).run(&world).await;
    let release = world.release(&id);
    assert_eq!(release.phase.name(), "Promoted");
    assert_eq!((world.calls.count("invoke"), world.calls.count("request")), (0, 0));
}
