//! Deployments that go back by themselves in the second in which the watch of their release ends: the load
//! balancer still sends everything to the canary, in every order of the calls.

use perch_app::deployment::changed::{self, Answer, Changed};
use perch_app::judge_canary;
use perch_app::ports::StopDeployment;
use perch_app::step::StepInput;
use perch_core::deployment::Rollback;
use perch_core::journal::{Happened, What};
use perch_core::names::DeploymentId;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::target::{Target, WhenBusy};
use perch_testkit::{
    Machines, Paused, Schedule, World, announcement, at, healthy, interleave, target,
};

use crate::whole_release::{announce, phase_is};

const KINDS: [Option<WhenBusy>; 2] = [None, Some(WhenBusy::Wait)];

const WHY: &str = "ECS service deployment d-1 goes back; in ALARM: errors";

fn on_ecs(kind: Option<WhenBusy>) -> Target {
    target().steps(&[(10, 600)]).on_ecs(kind).build()
}

fn only(world: &World) -> Release {
    world.store.read(|items| items.releases.values().next().unwrap().clone())
}

fn first() -> DeploymentId {
    "d-1".parse().unwrap()
}

/// A release in its watch, whose deployment still keeps the tasks of the baseline.
async fn watched(kind: Option<WhenBusy>) -> (World, Machines, StepInput) {
    let (world, mut machines) = (World::with(&on_ecs(kind)), Machines::new(at(0)));
    for version in ["1", "2"] {
        world.metrics.set(version, healthy());
    }
    announce(&world, &announcement().build(), &machines).await;
    machines.run_until(&world, phase_is("Watching")).await;
    let release = only(&world);
    let step = StepInput { release_id: release.id.clone(), fence: release.fence };
    (world, machines, step)
}

fn until(world: &World) -> jiff::Timestamp {
    let Phase::Watching { until, .. } = only(world).phase else { panic!("it is watched") };
    until
}

async fn last_look(world: &World, step: &StepInput) {
    let World { store, lambda, services, deployments, metrics, alarms, .. } = world;
    let (moving, watching) = ((lambda, services, deployments), (metrics, alarms));
    judge_canary::run(store, moving, watching, step, until(world)).await.unwrap();
}

async fn told(world: &World, kind: Option<WhenBusy>) -> Answer {
    let service = on_ecs(kind).service.ecs.unwrap();
    let changed = match kind {
        None => Changed::Service(service),
        Some(_) => Changed::Deployment(first()),
    };
    let World { store, deployments, executions, .. } = world;
    changed::run(store, deployments, executions, &changed).await.unwrap()
}

#[tokio::test]
async fn a_deployment_that_has_begun_to_go_back_promotes_nothing() {
    for kind in KINDS {
        let (world, mut machines, step) = watched(kind).await;
        world.deployments.change(|known| known.made[0].goes_back = Some(WHY.to_owned()));
        last_look(&world, &step).await;
        machines.run(&world).await;
        let cause = RollbackCause::Platform { why: WHY.to_owned() };
        assert_eq!(only(&world).phase, Phase::RolledBack { cause });
        let journal = world.journal(&step.release_id);
        let decided = journal.iter().find(|entry| entry.what == What::RollbackDecided).unwrap();
        assert_eq!(decided.cause, WHY);
    }
}

#[tokio::test]
async fn whenever_it_begins_to_go_back_the_release_does_or_people_are_told() {
    for kind in KINDS {
        let (mut schedule, mut back, mut heard) = (Schedule::first(), 0, 0);
        loop {
            let (world, mut machines, step) = watched(kind).await;
            let id = first();
            interleave(
                &mut schedule,
                Paused::new(&world.calls, last_look(&world, &step)),
                Paused::new(&world.calls, world.deployments.stop(&id, Rollback::ToBaseline)),
            )
            .1
            .unwrap();
            let log = world.calls.log();
            let answer = told(&world, kind).await;
            machines.run(&world).await;
            match only(&world).phase {
                Phase::RolledBack { cause } => {
                    assert!(matches!(cause, RollbackCause::Platform { .. }), "{cause}: {log:?}");
                    assert_eq!(world.store.read(|items| items.notices.len()), 0);
                    back += 1;
                }
                Phase::Promoted => {
                    assert_eq!(answer, Answer::Told, "{log:?}");
                    told(&world, kind).await;
                    let notices = world.store.read(|items| items.notices.clone());
                    assert_eq!(notices[0], notices[1], "the same event is the same notice");
                    assert_eq!(notices[0].what, Happened::DriftFound);
                    assert!(notices[0].text.contains("d-1 was stopped"), "{}", notices[0].text);
                    let last = |name: &str| log.iter().rposition(|call| *call == name);
                    assert!(last("stop_deployment") > last("deployment"), "{log:?}");
                    heard += 1;
                }
                other => panic!("{other:?}: {log:?}"),
            }
            if !schedule.advance() {
                break;
            }
        }
        assert!(back > 3 && heard > 0, "{kind:?}: {back} back, {heard} told");
    }
}
