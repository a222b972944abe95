//! Whole releases whose traffic a deployment of CodeDeploy or ECS moves: followed, stopped in time, also
//! when any call fails.

use std::time::Duration;

use jiff::SignedDuration;
use perch_app::deployment::{follow, group};
use perch_app::order::{self, OrderError};
use perch_app::ports::{CommitRelease, Deploying, Platform, PortError, Progress, Transition};
use perch_app::step::StepInput;
use perch_core::deployment::{Purpose, Schedule};
use perch_core::head::{AliasSnapshot, Snapshot};
use perch_core::journal::What;
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::{Mover, Release};
use perch_core::target::{EcsService, Lambda, Target, WhenBusy};
use perch_testkit::deployments::Made;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{
    Failure, Fault, Machines, Paused, TargetBuilder, World, announcement, at, failing, healthy,
    silent, target,
};

use crate::whole_release::{ASYNC_ATTEMPTS, alarm, announce, phase_is};

/// What moves the traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Lambda,
    Ecs,
    Native,
    /// ECS, with hooks that pause its deployments.
    Pausing,
}

const KINDS: [Kind; 4] = [Kind::Lambda, Kind::Ecs, Kind::Native, Kind::Pausing];

fn by(kind: Kind, when_busy: WhenBusy) -> TargetBuilder {
    let target = target().steps(&[(10, 600)]);
    match kind {
        Kind::Lambda => target.deployed_by_code_deploy(when_busy),
        Kind::Ecs => target.on_ecs(Some(when_busy)).needing_healthy_targets("80%"),
        Kind::Native | Kind::Pausing => target.on_ecs(None),
    }
}

fn deployed(when_busy: WhenBusy) -> Target {
    by(Kind::Lambda, when_busy).build()
}

fn linear(kind: Kind) -> Target {
    let steps = [25, 50, 75].map(|weight| (weight, 600));
    by(kind, WhenBusy::Wait).steps(&steps).build()
}

fn live() -> Lambda {
    deployed(WhenBusy::Wait).service.lambda.unwrap()
}

fn service() -> EcsService {
    by(Kind::Ecs, WhenBusy::Wait).build().service.ecs.unwrap()
}

fn world(target: &Target) -> World {
    let world = World::with(target);
    for version in ["1", "2"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    world
}

fn world_by(kind: Kind) -> World {
    let target = by(kind, WhenBusy::Wait).build();
    let world = world(&target);
    if kind == Kind::Pausing {
        world.pause(&target);
    }
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
    AlarmOnceTheBaselineHasEnded,
    Abort,
    StoppedByCodeDeploy,
    LineStopped,
}

const STORIES: [(Story, &str); 10] = [
    (Story::Healthy, "Promoted"),
    (Story::Failing, "RolledBack"),
    (Story::Silent, "RolledBack"),
    (Story::AlarmBeforeTheFirstShift, "RolledBack"),
    (Story::AlarmInTheBake, "RolledBack"),
    (Story::AlarmInTheWatch, "RolledBack"),
    (Story::AlarmOnceTheBaselineHasEnded, "RolledBack"),
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
        // Nothing is left that could be stopped: it takes a deployment of its own to go back.
        Story::AlarmOnceTheBaselineHasEnded => {
            let has_ended = |world: &World| {
                let made = |made: &Made| made.progress == Progress::Succeeded;
                phase_is("Watching")(world)
                    && world.deployments.read(|service| service.made.first().is_some_and(made))
            };
            machines.run_until(world, has_ended).await;
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

/// Everything that ever had all traffic, oldest first.
fn all_on(world: &World, kind: Kind) -> Vec<Version> {
    match kind {
        Kind::Lambda => {
            let routes = world.lambda.routes(&live()).into_iter();
            routes.filter(|route| route.split.is_none()).map(|route| route.primary).collect()
        }
        Kind::Ecs | Kind::Native | Kind::Pausing => world.services.change(&service(), |running| {
            let alone = running.splits.iter().filter(|split| split.len() == 1);
            alone.map(|split| split[0].0.clone()).collect()
        }),
    }
}

fn is_split(world: &World, kind: Kind) -> bool {
    match kind {
        Kind::Lambda => world.route(&live()).split.is_some(),
        Kind::Ecs | Kind::Native | Kind::Pausing => {
            world.services.change(&service(), |running| running.split().len() != 1)
        }
    }
}

/// A deployment that waits is held until the deadline where others go back at once: looks alike, which would
/// only repeat what the other stories say.
fn has_few_looks(kind: Kind, story: Story) -> bool {
    kind != Kind::Pausing || !matches!(story, Story::Silent | Story::LineStopped)
}

/// What must hold at the end of a story.
fn check(world: &World, kind: Kind, story: Story, end: &str, place: &str) {
    assert_eq!(broken_at_rest(world), [""; 0], "{place}, {:?}", world.calls.log());
    assert_eq!(only(world).phase.name(), end, "{place}, {:?}", world.calls.log());
    let expected = if end == "Promoted" { "2" } else { "1" };
    let alone = all_on(world, kind);
    assert!(!is_split(world, kind), "{place}");
    assert_eq!(alone.last().unwrap().as_str(), expected, "{place}: {alone:?}");
    let made = world.deployments.read(|service| service.made.clone());
    let running = made.iter().filter(|made| made.progress == Progress::Running).count();
    // A deployment of a promoted release goes on for as long as the former tasks are kept.
    let kept = kind != Kind::Lambda && end == "Promoted";
    assert!(running == 0 || kept && running == 1, "{place}: {made:?}");
    for purpose in [Purpose::Canary, Purpose::WayBack] {
        let own = made.iter().filter(|made| made.release.is_some() && made.purpose == purpose);
        assert!(own.count() <= 1, "{place}: more than one deployment: {made:?}");
    }
    let went_up = alone.iter().any(|version| version.as_str() == "2");
    let may_go_up = matches!(
        story,
        Story::Healthy | Story::AlarmInTheWatch | Story::AlarmOnceTheBaselineHasEnded
    );
    assert!(!went_up || may_go_up, "{place}: all traffic moved without evidence");
}

#[tokio::test]
async fn every_story_ends_as_it_should() {
    for kind in KINDS {
        for (story, end) in STORIES {
            let world = world_by(kind);
            let mut machines = Machines::new(at(0));
            tell(story, &world, &mut machines).await;
            check(&world, kind, story, end, &format!("{kind:?} {story:?}"));
        }
    }
}

#[tokio::test]
async fn every_story_ends_the_same_when_every_function_runs_twice() {
    for kind in KINDS {
        for (story, end) in STORIES {
            let world = world_by(kind);
            let mut machines = Machines::new(at(0)).delivering_twice();
            tell(story, &world, &mut machines).await;
            check(&world, kind, story, end, &format!("{kind:?} {story:?}"));
        }
    }
}

#[tokio::test]
async fn a_call_that_fails_and_is_tried_again_changes_no_end() {
    let faults: [fn(usize) -> Fault; 3] = [
        Fault::call,
        |call| Fault::call(call).after(),
        |call| Fault::call(call).with(Failure::Conflict),
    ];
    for (story, end, fault) in
        STORIES.into_iter().flat_map(|(story, end)| (0..3).map(move |fault| (story, end, fault)))
    {
        for kind in KINDS.into_iter().filter(|kind| has_few_looks(*kind, story)) {
            for call in 0.. {
                let world = world_by(kind);
                let mut machines = Machines::new(at(0));
                world.calls.inject(faults[fault](call));
                tell(story, &world, &mut machines).await;
                if !world.calls.faults_are_used_up() {
                    assert!(call > 30, "{story:?} has only {call} calls");
                    break;
                }
                let place = format!("{kind:?} {story:?}, fault {fault} at call {call}");
                check(&world, kind, story, end, &place);
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_is_refused_for_good_never_leaves_the_target_half_way() {
    for failure in [Failure::Denied, Failure::Invalid, Failure::NotFound] {
        for (kind, (story, _)) in KINDS.into_iter().flat_map(|kind| STORIES.map(|of| (kind, of))) {
            if !has_few_looks(kind, story) {
                continue;
            }
            for call in 0.. {
                let world = world_by(kind);
                let mut machines = Machines::new(at(0));
                world.calls.inject(Fault::call(call).with(failure));
                tell(story, &world, &mut machines).await;
                if !world.calls.faults_are_used_up() {
                    break;
                }
                let place = format!("{kind:?} {story:?}, {failure:?} at call {call}");
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
    for (kind, mover) in [
        (Kind::Lambda, "CodeDeploy's app/live"),
        (Kind::Ecs, "CodeDeploy's app/live"),
        (Kind::Native, "service main/news"),
        (Kind::Pausing, "service main/news"),
    ] {
        let (world, mut machines) = (world(&linear(kind)), Machines::new(at(0)));
        tell(Story::Healthy, &world, &mut machines).await;
        check(&world, kind, Story::Healthy, "Promoted", "linear");
        let shifts = causes(&world, What::WeightShifted);
        let expected =
            ["25%", "50%", "75%"].map(|weight| format!("{weight} of traffic on the canary"));
        assert_eq!(shifts, expected);
        let started = causes(&world, What::DeploymentStarted);
        assert_eq!(started, [format!("d-1 by {mover}")]);
    }
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
    world.deployments.pass((&world.lambda, &world.services), at(0));
    world.deployments.make(Deploying {
        mover: Mover::CodeDeploy(lambda.code_deploy.as_ref().unwrap()),
        snapshot: &Snapshot::Alias(AliasSnapshot {
            lambda: lambda.clone(),
            code: String::new(),
            revision: String::new(),
            model: None,
        }),
        release: &release,
        purpose: Purpose::Canary,
        from: &from,
        to: &to,
        schedule: Schedule::Canary { percent: 10, minutes: 5 },
        alarms: None,
        is_tested: false,
    });
    world.deployments.pass((&world.lambda, &world.services), at(0));
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
async fn a_group_that_is_not_there_or_deploys_something_else_is_said() {
    let target = deployed(WhenBusy::Wait);
    let world = world(&target);
    let unfit = async || {
        let unfit = group::unfit(&world.deployments, &target).await.unwrap();
        unfit.map(|unfit| unfit.to_string())
    };
    assert_eq!(unfit().await, None);
    world.deployments.change(|service| service.groups = Some(Platform::Ecs));
    assert_eq!(
        unfit().await.unwrap(),
        "CodeDeploy's app/live deploys ECS services, not functions: name one of an application for \
         Lambda under `service.lambda.codeDeploy`; no release gets traffic until then"
    );
    world.deployments.change(|service| service.groups = None);
    assert_eq!(
        unfit().await.unwrap(),
        "CodeDeploy's app/live does not exist yet; no release gets traffic until it does"
    );
    let mut machines = Machines::new(at(0));
    push(&world, &machines).await;
    machines.run(&world).await;
    assert!(phase_is("RolledBack")(&world), "{:?}", only(&world).phase);
    assert_eq!(
        causes(&world, What::RollbackDecided),
        ["a step failed: CodeDeploy's app/live does not exist"]
    );
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

#[tokio::test]
async fn a_stop_between_the_intent_and_the_deployment_keeps_it_from_starting() {
    for kind in KINDS {
        let (world, mut machines) = (world_by(kind), Machines::new(at(0)));
        push(&world, &machines).await;
        let is_intended = |world: &World| only(world).deployment.is_some();
        machines.run_until(&world, is_intended).await;
        assert_eq!(world.calls.count("create_deployment"), 0, "{kind:?}");
        let news = "news".parse().unwrap();
        order::stop(&world.store, Some(&news), "kim", "freeze", machines.now()).await.unwrap();
        for _ in 0..10 {
            machines.step(&world).await;
        }
        assert_eq!(world.calls.count("create_deployment"), 0, "{kind:?}");
        let World { store, executions, .. } = &world;
        let why = ("kim", "over");
        order::resume(store, executions, Some(&news), why, machines.now()).await.unwrap();
        machines.run(&world).await;
        assert_eq!(only(&world).phase.name(), "Promoted", "{kind:?}");
    }
}

#[tokio::test]
async fn a_deployment_that_ends_while_it_is_looked_at_is_not_someone_elses() {
    for kind in KINDS {
        for calls in 0.. {
            let world = world_by(kind);
            let mut machines = Machines::new(at(0));
            push(&world, &machines).await;
            machines.run_until(&world, phase_is("Promoting")).await;
            let (release, now) = (only(&world), machines.now());
            let input = StepInput { release_id: release.id.clone(), fence: release.fence }.into();
            let World { store, lambda, services, deployments, alarms, metrics, .. } = &world;
            let (traffic, looks) = ((lambda, services), (lambda, alarms, metrics));
            let times = (Duration::from_secs(60), now);
            let look = follow::run(store, traffic, deployments, looks, &input, times);
            let mut look = Paused::new(&world.calls, look);
            let ended = (0..=calls).any(|_| look.step().is_some());
            // All of it moves, and the tasks of the baseline have ended.
            let later = |seconds| now.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
            deployments.pass(traffic, later(600));
            deployments.pass(traffic, later(1200));
            if ended {
                assert!(calls > 4, "{kind:?}: {calls} calls");
                break;
            }
            look.finish().unwrap();
            machines.run(&world).await;
            assert_eq!(only(&world).phase.name(), "Promoted", "{kind:?} after {calls} calls");
        }
    }
}

#[tokio::test]
async fn who_read_the_release_before_its_intent_does_not_write_over_it() {
    for kind in KINDS {
        let world = world_by(kind);
        let mut machines = Machines::new(at(0));
        push(&world, &machines).await;
        machines.run_until(&world, phase_is("Shifting")).await;
        let before = only(&world);
        assert!(before.deployment.is_none());
        machines.run_until(&world, |world| only(world).deployment.is_some()).await;
        assert_eq!(only(&world).seq, before.seq, "the intent is no entry of the journal");
        let stale = Transition {
            expected_seq: before.seq,
            fence: before.fence,
            entries: Vec::new(),
            release: before,
        };
        let refused = world.store.commit(&stale).await.unwrap_err();
        assert!(matches!(refused, PortError::Conflict { .. }), "{refused}");
        assert!(only(&world).deployment.is_some(), "{kind:?}");
    }
}
