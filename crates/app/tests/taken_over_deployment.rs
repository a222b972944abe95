//! Traffic that someone moves by hand while a deployment of the release runs: it is stopped, and the traffic
//! stays as that person set it, also when any call fails.

use jiff::SignedDuration;
use perch_app::order;
use perch_app::ports::Route;
use perch_core::deployment::Purpose;
use perch_core::journal::What;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::{Target, WhenBusy};
use perch_core::weight::Weight;
use perch_testkit::deployments::Made;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::services::Registered;
use perch_testkit::{Fault, Machines, World, announcement, at, healthy, target};

use crate::whole_release::{ASYNC_ATTEMPTS, alarm, announce, phase_is};

/// What moves the traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Lambda,
    Ecs,
    Native,
}

/// When somebody moves it by hand.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    Intended,
    Asked,
    Shifting,
    Baking,
    Promoting,
    Watching,
    BakingAndAlarm,
    BakingAndAbort,
    RollingBack,
    RollingBackOnceStopped,
}

const MOMENTS: [Moment; 10] = [
    Moment::Intended,
    Moment::Asked,
    Moment::Shifting,
    Moment::Baking,
    Moment::Promoting,
    Moment::Watching,
    Moment::BakingAndAlarm,
    Moment::BakingAndAbort,
    Moment::RollingBack,
    Moment::RollingBackOnceStopped,
];

fn by(kind: Kind) -> Target {
    let target = target().steps(&[(10, 600)]);
    match kind {
        Kind::Lambda => target.deployed_by_code_deploy(WhenBusy::Wait),
        Kind::Ecs => target.on_ecs(Some(WhenBusy::Wait)),
        Kind::Native => target.on_ecs(None),
    }
    .build()
}

/// A world whose version 2 nobody but a person would choose; the canary becomes number 3.
fn world(target: &Target) -> World {
    let world = World::with(target);
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    if target.service.lambda.is_some() {
        world.lambda.change(|account| {
            let function = account.functions.values_mut().next().unwrap();
            function.versions.push(function.versions[0].clone());
        });
    }
    if let Some(service) = &target.service.ecs {
        let other = Registered { image: "other".to_owned(), release: None, is_active: true };
        world.services.change(service, |running| running.revisions.push(other));
    }
    world
}

fn chosen() -> Route {
    Route::all_on(&"2".parse().unwrap())
}

fn move_by_hand(world: &World, target: &Target) {
    if let Some(lambda) = &target.service.lambda {
        world.lambda.move_alias(lambda, &chosen());
    }
    if let Some(service) = &target.service.ecs {
        let split = vec![("2".parse().unwrap(), Weight::FULL)];
        world.services.change(service, |running| running.splits.push(split));
    }
}

fn only(world: &World) -> Release {
    world.store.read(|items| items.releases.values().next().unwrap().clone())
}

fn made(world: &World) -> Vec<Made> {
    world.deployments.read(|known| known.made.clone())
}

fn causes(world: &World, what: What) -> Vec<String> {
    let journal = world.journal(&only(world).id);
    journal.into_iter().filter(|entry| entry.what == what).map(|entry| entry.cause).collect()
}

async fn abort(world: &World) {
    let news = "news".parse().unwrap();
    for _ in 0..ASYNC_ATTEMPTS {
        let World { store, executions, .. } = world;
        if order::roll_back(store, executions, &news, "kim", "looks odd").await.is_ok() {
            return;
        }
    }
}

async fn until(moment: Moment, world: &World, machines: &mut Machines) {
    let knows = |world: &World| {
        let of = world.store.read(|items| items.releases.values().next().cloned());
        of.is_some_and(|release| release.deployment_id().is_some())
    };
    match moment {
        Moment::Intended => {
            let intended = |world: &World| only(world).deployment.is_some();
            machines.run_until(world, intended).await;
        }
        Moment::Asked => {
            machines.run_until(world, |world| !made(world).is_empty()).await;
        }
        Moment::Shifting => {
            machines.run_until(world, knows).await;
        }
        Moment::Baking | Moment::BakingAndAlarm | Moment::BakingAndAbort => {
            machines.run_until(world, phase_is("Baking")).await;
        }
        Moment::Promoting => {
            machines.run_until(world, phase_is("Promoting")).await;
        }
        Moment::Watching => {
            machines.run_until(world, phase_is("Watching")).await;
        }
        Moment::RollingBack | Moment::RollingBackOnceStopped => {
            machines.run_until(world, phase_is("Baking")).await;
            alarm(world, machines.now()).await;
            machines.run_until(world, phase_is("RollingBack")).await;
        }
    }
    if moment == Moment::RollingBackOnceStopped {
        machines.run_until(world, |world| made(world)[0].rollback.is_some()).await;
    }
}

async fn tell(kind: Kind, moment: Moment, fault: Option<Fault>) -> (World, bool) {
    let target = by(kind);
    let (world, mut machines) = (world(&target), Machines::new(at(0)));
    if let Some(fault) = fault {
        world.calls.inject(fault);
    }
    // Its id is lost.
    if moment == Moment::Asked {
        world.calls.inject(Fault::of("create_deployment").after());
    }
    announce(&world, &announcement().build(), &machines).await;
    until(moment, &world, &mut machines).await;
    // CodeDeploy shifts first and asks nobody: what it does right now would hide the move.
    world.deployments.pass((&world.lambda, &world.services), machines.now());
    move_by_hand(&world, &target);
    match moment {
        Moment::BakingAndAlarm => alarm(&world, machines.now()).await,
        Moment::BakingAndAbort => abort(&world).await,
        _ => {}
    }
    while machines.step(&world).await {
        assert_eq!(broken_always(&world), [""; 0], "{kind:?} {moment:?}");
    }
    // Nothing is left that moves it later.
    let later = machines.now().saturating_add(SignedDuration::from_hours(2)).unwrap();
    world.deployments.pass((&world.lambda, &world.services), later);
    let used_up = world.calls.faults_are_used_up();
    (world, used_up)
}

fn check(world: &World, kind: Kind, moment: Moment, place: &str) {
    let (release, log) = (only(world), world.calls.log());
    assert_eq!(broken_at_rest(world), [""; 0], "{place}, {log:?}");
    let made = made(world);
    assert!(made.iter().all(Made::has_ended), "{place}: {made:?}");
    let own = made.iter().filter(|made| made.release.is_some());
    assert!(own.count() <= 1, "{place}: {made:?}");
    if kind == Kind::Native && made.iter().any(|made| made.rollback.is_some()) {
        // ECS knows no stop but the one that puts the baseline back.
        assert_eq!(release.phase.name(), "RolledBack", "{place}, {log:?}");
        return;
    }
    assert_eq!(release.phase, Phase::Superseded { by: None }, "{place}, {log:?}");
    let route = world.serves(&by(kind)).unwrap();
    assert_eq!(route, chosen(), "{place}: left as the person wanted it, {log:?}");
    let rolled_back = made.iter().any(|made| made.rollback.is_some());
    assert!(!rolled_back || moment == Moment::RollingBackOnceStopped, "{place}: {made:?}");
    let last = world.journal(&release.id).pop().unwrap();
    assert_eq!(last.what, What::TrafficTakenOver, "{place}");
}

#[tokio::test]
async fn what_a_person_set_stays_and_the_deployment_is_stopped() {
    for kind in [Kind::Lambda, Kind::Ecs, Kind::Native] {
        for moment in MOMENTS {
            let (world, _) = tell(kind, moment, None).await;
            check(&world, kind, moment, &format!("{kind:?} {moment:?}"));
            let canaries = made(&world).iter().filter(|m| m.purpose == Purpose::Canary).count();
            assert_eq!(canaries == 0, moment == Moment::Intended, "{kind:?} {moment:?}");
        }
    }
}

#[tokio::test]
async fn the_journal_says_what_was_stopped_and_why() {
    for (kind, told) in [
        (
            Kind::Lambda,
            "d-1 is told to stop and to leave the traffic as it is: someone else moved alias live of \
             news: it sends version 2 alone",
        ),
        (
            Kind::Ecs,
            "d-1 is told to stop and to leave the traffic as it is: someone else deployed to service main/news: \
             it has news:2 at 100%",
        ),
        (
            Kind::Native,
            "d-1 is told to stop and to put the baseline back: someone else deployed to service main/news: it \
             has news:2 at 100%",
        ),
    ] {
        let (world, _) = tell(kind, Moment::Baking, None).await;
        assert_eq!(causes(&world, What::DeploymentStopped), [told]);
    }
}

#[tokio::test]
async fn a_call_that_fails_and_is_tried_again_changes_nothing_of_that() {
    let faults: [fn(usize) -> Fault; 2] = [Fault::call, |call| Fault::call(call).after()];
    for (kind, moment) in [Kind::Lambda, Kind::Ecs, Kind::Native]
        .into_iter()
        .flat_map(|kind| MOMENTS.map(|moment| (kind, moment)))
    {
        for (number, fault) in faults.iter().enumerate() {
            for call in 0.. {
                let (world, used_up) = tell(kind, moment, Some(fault(call))).await;
                if !used_up {
                    assert!(call > 20, "{kind:?} {moment:?} has only {call} calls");
                    break;
                }
                let place = format!("{kind:?} {moment:?}, fault {number} at call {call}");
                check(&world, kind, moment, &place);
            }
        }
    }
}

#[tokio::test]
async fn traffic_that_moves_by_hand_at_any_moment_leaves_no_deployment_behind() {
    for kind in [Kind::Lambda, Kind::Ecs, Kind::Native] {
        for steps in 1.. {
            let target = by(kind);
            let (world, mut machines) = (world(&target), Machines::new(at(0)));
            announce(&world, &announcement().build(), &machines).await;
            let mut over = false;
            for _ in 0..steps {
                over |= !machines.step(&world).await;
            }
            if over {
                assert!(steps > 15, "{kind:?} has only {steps} steps");
                break;
            }
            move_by_hand(&world, &target);
            while machines.step(&world).await {
                let broken = broken_always(&world);
                assert_eq!(broken, [""; 0], "{kind:?} after {steps} steps");
            }
            assert!(only(&world).phase.is_over(), "{kind:?} after {steps} steps");
        }
    }
}
