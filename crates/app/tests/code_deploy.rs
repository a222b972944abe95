//! Whole releases whose weights CodeDeploy moves: followed, stopped in time, also when any call fails.

use perch_app::order::{self, OrderError};
use perch_app::ports::{Deploying, Progress, Route};
use perch_core::deployment::Schedule;
use perch_core::journal::What;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::{Lambda, Target, WhenBusy};
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{
    Failure, Fault, Machines, World, announcement, at, failing, healthy, silent, target,
};

use crate::whole_release::{ASYNC_ATTEMPTS, alarm, announce, phase_is};

fn deployed(when_busy: WhenBusy) -> Target {
    target().steps(&[(10, 600)]).deployed_by_code_deploy(when_busy).build()
}

fn linear() -> Target {
    let steps = [(25, 240), (50, 240), (75, 600)].map(|(weight, _)| (weight, 600));
    target().steps(&steps).deployed_by_code_deploy(WhenBusy::Wait).build()
}

fn live() -> Lambda {
    deployed(WhenBusy::Wait).service.lambda.unwrap()
}

fn world(target: &Target) -> World {
    let world = World::with(target);
    for version in ["1", "2"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    world
}

async fn push(world: &World, machines: &Machines) {
    announce(world, &announcement().build(), machines).await;
}

fn only(world: &World) -> Release {
    world.store.read(|items| items.releases.values().next().unwrap().clone())
}

fn causes(world: &World, what: What) -> Vec<String> {
    let journal = world.journal(&only(world).id);
    journal.into_iter().filter(|entry| entry.what == what).map(|entry| entry.cause).collect()
}

/// What happens besides the push.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Story {
    Healthy,
    Failing,
    Silent,
    AlarmBeforeTheFirstShift,
    AlarmInTheBake,
    AlarmInTheWatch,
    Abort,
    StoppedByCodeDeploy,
    LineStopped,
}

const STORIES: [(Story, &str); 9] = [
    (Story::Healthy, "Promoted"),
    (Story::Failing, "RolledBack"),
    (Story::Silent, "RolledBack"),
    (Story::AlarmBeforeTheFirstShift, "RolledBack"),
    (Story::AlarmInTheBake, "RolledBack"),
    (Story::AlarmInTheWatch, "RolledBack"),
    (Story::Abort, "RolledBack"),
    (Story::StoppedByCodeDeploy, "RolledBack"),
    (Story::LineStopped, "RolledBack"),
];

async fn tell(story: Story, world: &World, machines: &mut Machines) {
    push(world, machines).await;
    let news = "news".parse().unwrap();
    match story {
        Story::Healthy => {}
        Story::Failing => world.metrics.set("2", failing()),
        Story::Silent => world.metrics.set("2", silent()),
        Story::AlarmBeforeTheFirstShift => {
            machines.run_until(world, phase_is("Shifting")).await;
            alarm(world, machines.now()).await;
        }
        Story::AlarmInTheBake | Story::AlarmInTheWatch => {
            let phase = if story == Story::AlarmInTheBake { "Baking" } else { "Watching" };
            machines.run_until(world, phase_is(phase)).await;
            alarm(world, machines.now()).await;
        }
        Story::Abort => {
            machines.run_until(world, phase_is("Baking")).await;
            for _ in 0..ASYNC_ATTEMPTS {
                let World { store, executions, .. } = world;
                if order::roll_back(store, executions, &news, "kim", "looks odd").await.is_ok() {
                    break;
                }
            }
        }
        Story::StoppedByCodeDeploy => {
            machines.run_until(world, phase_is("Baking")).await;
            world.deployments.change(|service| {
                if let Some(id) = service.made.first().map(|made| made.id.clone()) {
                    service.stop(&id, "CodeDeploy deployment d-1 was stopped: ALARM_ACTIVE");
                }
            });
        }
        Story::LineStopped => {
            machines.run_until(world, phase_is("Baking")).await;
            for _ in 0..ASYNC_ATTEMPTS {
                let now = machines.now();
                if order::stop(&world.store, Some(&news), "kim", "freeze", now).await.is_ok() {
                    break;
                }
            }
        }
    }
    while machines.step(world).await {
        assert_eq!(broken_always(world), [""; 0], "{story:?}");
    }
}

/// What must hold at the end of a story.
fn check(world: &World, story: Story, end: &str, place: &str) {
    assert_eq!(broken_at_rest(world), [""; 0], "{place}, {:?}", world.calls.log());
    assert_eq!(only(world).phase.name(), end, "{place}, {:?}", world.calls.log());
    let promoted = Route::all_on(&"2".parse().unwrap());
    let baseline = Route::all_on(&"1".parse().unwrap());
    let expected = if end == "Promoted" { &promoted } else { &baseline };
    assert_eq!(world.route(&live()), *expected, "{place}");
    let (made, running) = world.deployments.read(|service| {
        let running = |made: &&perch_testkit::deployments::Made| made.progress == Progress::Running;
        (service.made.clone(), service.made.iter().filter(running).count())
    });
    assert_eq!(running, 0, "{place}: {made:?}");
    let own = made.iter().filter(|made| made.release.is_some()).count();
    assert!(own <= 1, "{place}: more than one deployment: {made:?}");
    let went_up = world.lambda.routes(&live()).contains(&promoted);
    let may_go_up = matches!(story, Story::Healthy | Story::AlarmInTheWatch);
    assert!(!went_up || may_go_up, "{place}: all traffic moved without evidence");
}

#[tokio::test]
async fn every_story_ends_as_it_should() {
    for (story, end) in STORIES {
        let (world, mut machines) = (world(&deployed(WhenBusy::Wait)), Machines::new(at(0)));
        tell(story, &world, &mut machines).await;
        check(&world, story, end, &format!("{story:?}"));
    }
}

#[tokio::test]
async fn every_story_ends_the_same_when_every_function_runs_twice() {
    for (story, end) in STORIES {
        let world = world(&deployed(WhenBusy::Wait));
        let mut machines = Machines::new(at(0)).delivering_twice();
        tell(story, &world, &mut machines).await;
        check(&world, story, end, &format!("{story:?}"));
    }
}

#[tokio::test]
async fn a_call_that_fails_and_is_tried_again_changes_no_end() {
    let faults: [fn(usize) -> Fault; 3] = [
        Fault::call,
        |call| Fault::call(call).after(),
        |call| Fault::call(call).with(Failure::Conflict),
    ];
    for (story, end) in STORIES {
        for (kind, fault) in faults.into_iter().enumerate() {
            for call in 0.. {
                let world = world(&deployed(WhenBusy::Wait));
                let mut machines = Machines::new(at(0));
                world.calls.inject(fault(call));
                tell(story, &world, &mut machines).await;
                if !world.calls.faults_are_used_up() {
                    assert!(call > 30, "{story:?} has only {call} calls");
                    break;
                }
                check(&world, story, end, &format!("{story:?}, fault {kind} at call {call}"));
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_is_refused_for_good_never_leaves_the_target_half_way() {
    for failure in [Failure::Denied, Failure::Invalid, Failure::NotFound] {
        for (story, _) in STORIES {
            for call in 0.. {
                let world = world(&deployed(WhenBusy::Wait));
                let mut machines = Machines::new(at(0));
                world.calls.inject(Fault::call(call).with(failure));
                tell(story, &world, &mut machines).await;
                if !world.calls.faults_are_used_up() {
                    break;
                }
                let place = format!("{story:?}, {failure:?} at call {call}");
                let stuck = matches!(only(&world).phase, Phase::Stuck { .. });
                if !stuck {
                    assert_eq!(broken_at_rest(&world), [""; 0], "{place}, {:?}", world.calls.log());
                }
                assert!(!stuck || failure != Failure::Denied, "{place}, {:?}", world.calls.log());
            }
        }
    }
}

#[tokio::test]
async fn a_linear_deployment_is_followed_step_by_step() {
    let (world, mut machines) = (world(&linear()), Machines::new(at(0)));
    tell(Story::Healthy, &world, &mut machines).await;
    check(&world, Story::Healthy, "Promoted", "linear");
    let shifts = causes(&world, What::WeightShifted);
    let expected = ["25%", "50%", "75%"].map(|weight| format!("{weight} of traffic on the canary"));
    assert_eq!(shifts, expected);
    let started = causes(&world, What::DeploymentStarted);
    assert_eq!(started, ["d-1 in app/live, Perch.LambdaLinear25PercentEvery10Minutes"]);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_deployment() {
    let (world, mut machines) = (world(&deployed(WhenBusy::Wait)), Machines::new(at(0)));
    push(&world, &machines).await;
    machines.run_until(&world, |world| world.calls.count("find_deployment") > 0).await;
    let create = world.calls.log().len();
    assert_eq!(world.calls.count("create_deployment"), 1, "{:?}", world.calls.log());
    assert!(create > 0);
    while machines.step(&world).await {}
    assert_eq!(world.calls.count("create_deployment"), 1);
}

fn other_deployment(world: &World) {
    let (lambda, release) = (live(), "someone".parse().unwrap());
    world.lambda.change(|account| {
        let code = account.functions[&lambda.function].code.clone();
        let function = account.functions.get_mut(&lambda.function).unwrap();
        let version =
            perch_testkit::lambda::Published { code, model: None, state: Default::default() };
        function.versions.push(Some(version));
    });
    let (from, to) = ("1".parse().unwrap(), "2".parse().unwrap());
    world.deployments.pass(&world.lambda, at(0));
    world.deployments.make(Deploying {
        group: lambda.code_deploy.as_ref().unwrap(),
        lambda: &lambda,
        release: &release,
        from: &from,
        to: &to,
        schedule: Schedule::Canary { percent: 10, minutes: 5 },
        alarms: None,
    });
    world.deployments.pass(&world.lambda, at(0));
}

#[tokio::test]
async fn a_busy_group_is_waited_for_replaced_or_refused() {
    for (when_busy, end, baseline) in [
        (WhenBusy::Wait, "Promoted", "2"),
        (WhenBusy::Replace, "Promoted", "1"),
        (WhenBusy::Reject, "Rejected", ""),
    ] {
        let (world, mut machines) = (world(&deployed(when_busy)), Machines::new(at(0)));
        world.metrics.set("3", healthy());
        other_deployment(&world);
        push(&world, &machines).await;
        machines.run(&world).await;
        let release = only(&world);
        assert_eq!(release.phase.name(), end, "{when_busy:?}: {:?}", release.phase);
        let found = release.ledger.map(|ledger| ledger.baseline.to_string()).unwrap_or_default();
        assert_eq!(found, baseline, "{when_busy:?}");
        if let Phase::Rejected { why } = release.phase {
            assert!(why.contains("deployment d-1 runs in app/live"), "{why}");
        }
    }
}

#[tokio::test]
async fn a_split_that_no_deployment_made_is_refused() {
    let (world, mut machines) = (world(&deployed(WhenBusy::Wait)), Machines::new(at(0)));
    other_deployment(&world);
    world.deployments.change(|service| service.made[0].progress = Progress::Succeeded);
    push(&world, &machines).await;
    machines.run(&world).await;
    let Phase::Rejected { why } = only(&world).phase else { panic!("{:?}", only(&world).phase) };
    assert!(why.contains("is split already"), "{why}");
}

#[tokio::test]
async fn what_moves_by_itself_takes_no_orders_to_hold_or_hurry() {
    let (world, mut machines) = (world(&deployed(WhenBusy::Wait)), Machines::new(at(0)));
    push(&world, &machines).await;
    machines.run_until(&world, phase_is("Baking")).await;
    let (news, now) = ("news".parse().unwrap(), machines.now());
    let store = &world.store;
    for (what, answer) in [
        ("held", order::hold(store, &news, "kim", "wait", now).await),
        ("continued", order::continue_now(store, &news, "kim", "go", now).await),
        ("promoted", order::promote(store, &news, "kim", "go", now).await),
    ] {
        let error = answer.unwrap_err();
        assert!(matches!(error, OrderError::MovesItself { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
    machines.run(&world).await;
    assert_eq!(only(&world).phase.name(), "Promoted");
}

#[tokio::test]
async fn a_hold_before_the_deployment_keeps_it_from_starting() {
    let (world, mut machines) = (world(&deployed(WhenBusy::Wait)), Machines::new(at(0)));
    push(&world, &machines).await;
    machines.run_until(&world, phase_is("Preparing")).await;
    let news = "news".parse().unwrap();
    order::hold(&world.store, &news, "kim", "wait", machines.now()).await.unwrap();
    machines.run_until(&world, phase_is("Shifting")).await;
    for _ in 0..10 {
        machines.step(&world).await;
    }
    assert_eq!(world.calls.count("create_deployment"), 0);
    order::continue_now(&world.store, &news, "kim", "go", machines.now()).await.unwrap();
    machines.run(&world).await;
    assert_eq!(only(&world).phase.name(), "Promoted");
}
