//! Deployments of ECS services that pause before each shift: the judge has them go on, a person holds
//! them, and no call that is lost needs anybody to repeat it.

use perch_app::order::{self, OrderError};
use perch_app::ports::Pause;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::smoke::Answer;
use perch_core::target::Target;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{
    Failure, Fault, Machines, World, announcement, at, failing, healthy, silent, target,
};

use crate::stage::{on_ecs, only, tested};
use crate::whole_release::{announce, phase_is};

fn ready(target: &Target) -> World {
    let world = World::with(target);
    world.pause(target);
    for version in ["1", "2"] {
        world.metrics.set(version, healthy());
    }
    world
}

async fn pushed(target: &Target) -> (World, Machines) {
    let world = ready(target);
    let machines = Machines::new(at(0));
    announce(&world, &announcement().build(), &machines).await;
    (world, machines)
}

fn pauses(world: &World) -> Vec<Pause> {
    world.deployments.read(|known| {
        let first = known.made.first().and_then(|made| made.pausing.as_ref());
        first.map(|pausing| pausing.now()).unwrap_or_default()
    })
}

/// The canary's shares so far.
fn shares(world: &World) -> Vec<u8> {
    let service = on_ecs().service.ecs.unwrap();
    world.services.change(&service, |running| {
        let share = |split: &Vec<(perch_core::names::Version, perch_core::weight::Weight)>| {
            let of = split.iter().find(|(version, _)| version.as_str() == "2");
            of.map_or(0, |(_, weight)| weight.percent())
        };
        running.splits.iter().map(share).collect()
    })
}

#[tokio::test]
async fn the_judge_has_a_deployment_go_on() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    machines.run_until(&world, phase_is("Baking")).await;
    // One pause once test traffic is there, one before the shift.
    assert_eq!(world.calls.count("continue_deployment"), 2);
    machines.run_until(&world, phase_is("Promoting")).await;
    assert_eq!(world.calls.count("continue_deployment"), 2, "a bake continues nothing");
    assert_eq!(shares(&world), [0, 10]);
    machines.run(&world).await;
    assert_eq!(only(&world).phase, Phase::Promoted);
    assert_eq!(shares(&world), [0, 10, 100]);
    assert_eq!(world.calls.count("continue_deployment"), 3);
}

#[tokio::test]
async fn every_step_of_a_linear_deployment_waits_for_the_judge() {
    let steps: Vec<(u8, u64)> = [25, 50, 75].map(|weight| (weight, 240)).to_vec();
    let (world, mut machines) = pushed(&target().steps(&steps).on_ecs(None).build()).await;
    machines.run(&world).await;
    assert_eq!(only(&world).phase, Phase::Promoted);
    assert_eq!(shares(&world), [0, 25, 50, 75, 100]);
}

#[tokio::test]
async fn a_failing_canary_is_rolled_back_while_its_deployment_pauses() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    world.metrics.set("2", silent());
    machines.run_until(&world, |world| shares(world).len() == 2 && !pauses(world).is_empty()).await;
    assert_eq!(only(&world).phase.name(), "Baking");
    world.metrics.set("2", failing());
    machines.run(&world).await;
    let Phase::RolledBack { cause } = only(&world).phase else {
        panic!("{:?}", only(&world).phase)
    };
    assert!(matches!(cause, RollbackCause::Judge { .. }), "{cause}");
    assert_eq!(shares(&world), [0, 10, 0]);
    assert!(broken_at_rest(&world).is_empty());
}

#[tokio::test]
async fn smoke_tests_come_at_the_first_pause_without_a_function_of_the_service() {
    for (status, ends, moved) in
        [(200, "Promoted", &[0, 10, 100][..]), (503, "RolledBack", &[0][..])]
    {
        let (world, mut machines) = pushed(&tested()).await;
        let heard = Answer::Http { status, body: b"{}".to_vec() };
        world.web.answer("http://test:9000/health", heard);
        machines.run(&world).await;
        assert_eq!(only(&world).phase.name(), ends);
        assert_eq!(world.web.asked().len(), 1, "{status}");
        let mut shares = shares(&world);
        shares.dedup();
        assert_eq!(shares, moved, "{status}");
    }
}

#[tokio::test]
async fn a_judge_without_an_answer_holds_the_deployment_and_does_not_take_it_back() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    world.metrics.set("2", silent());
    machines.run_until(&world, |world| shares(world).len() == 2 && !pauses(world).is_empty()).await;
    machines.wait(600);
    for _ in 0..20 {
        machines.step(&world).await;
    }
    assert_eq!(only(&world).phase.name(), "Baking");
    world.metrics.set("2", healthy());
    machines.run(&world).await;
    assert_eq!(only(&world).phase, Phase::Promoted);
}

#[tokio::test]
async fn a_person_holds_a_deployment_that_waits_and_has_it_go_on() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    machines.run_until(&world, phase_is("Baking")).await;
    let (news, store) = ("news".parse().unwrap(), &world.store);
    order::hold(store, &news, "kim", "asking the team", machines.now()).await.unwrap();
    machines.run_until(&world, |world| shares(world).len() == 2 && !pauses(world).is_empty()).await;
    for _ in 0..20 {
        machines.step(&world).await;
    }
    assert_eq!(only(&world).phase.name(), "Baking");
    let error = order::promote(store, &news, "kim", "go", machines.now()).await.unwrap_err();
    assert!(error.to_string().contains("skips no step"), "{error}");
    order::continue_now(store, &news, "kim", "go", machines.now()).await.unwrap();
    machines.run(&world).await;
    let release = only(&world);
    assert_eq!(release.phase, Phase::Promoted);
    assert!(release.order.is_none(), "it is carried out once");
}

#[tokio::test]
async fn an_order_to_go_on_waits_until_the_schedule_is_at_its_gate() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    world.metrics.set("2", silent());
    machines.run_until(&world, phase_is("Baking")).await;
    let (news, began) = ("news".parse().unwrap(), machines.now());
    order::continue_now(&world.store, &news, "kim", "seen enough", began).await.unwrap();
    machines.run_until(&world, phase_is("Promoting")).await;
    let baked = machines.now().duration_since(began).as_secs();
    assert!((600..=660).contains(&baked), "{baked} s");
    machines.run(&world).await;
    assert_eq!(only(&world).phase, Phase::Promoted);
}

#[tokio::test]
async fn a_stop_of_the_line_holds_before_and_after_the_first_shift() {
    for phase in ["Shifting", "Baking"] {
        let (world, mut machines) = pushed(&on_ecs()).await;
        let there = |world: &World| {
            let release = only(world);
            release.phase.name() == phase && release.deployment_id().is_some()
        };
        machines.run_until(&world, there).await;
        let news = "news".parse().unwrap();
        order::stop(&world.store, Some(&news), "kim", "freeze", machines.now()).await.unwrap();
        let shifts = shares(&world).len();
        machines.run_until(&world, |world| !pauses(world).is_empty()).await;
        for _ in 0..20 {
            machines.step(&world).await;
        }
        assert_eq!((only(&world).phase.name(), shares(&world).len()), (phase, shifts));
        let World { store, executions, .. } = &world;
        let why = ("kim", "over");
        order::resume(store, executions, Some(&news), why, machines.now()).await.unwrap();
        machines.run(&world).await;
        assert_eq!(only(&world).phase, Phase::Promoted, "{phase}");
    }
}

#[tokio::test]
async fn a_hold_lasts_until_the_deadline() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    machines.run_until(&world, phase_is("Baking")).await;
    let news = "news".parse().unwrap();
    order::hold(&world.store, &news, "kim", "over lunch", machines.now()).await.unwrap();
    machines.run(&world).await;
    let Phase::RolledBack { cause } = only(&world).phase else {
        panic!("{:?}", only(&world).phase)
    };
    assert!(matches!(cause, RollbackCause::Deadline { .. }), "{cause}");
    assert_eq!(shares(&world), [0, 10, 0]);
}

#[tokio::test]
async fn a_service_without_a_hook_that_waits_takes_no_hold() {
    let world = World::with(&on_ecs());
    for version in ["1", "2"] {
        world.metrics.set(version, healthy());
    }
    let mut machines = Machines::new(at(0));
    announce(&world, &announcement().build(), &machines).await;
    machines.run_until(&world, phase_is("Baking")).await;
    let news = "news".parse().unwrap();
    let error = order::hold(&world.store, &news, "kim", "wait", machines.now()).await.unwrap_err();
    assert!(matches!(error, OrderError::MovesItself { .. }), "{error}");
    assert!(error.to_string().contains("no hook of its service waits"), "{error}");
}

#[tokio::test]
async fn a_pause_at_another_stage_is_somebody_else_s() {
    let (world, mut machines) = pushed(&on_ecs()).await;
    let stage = "PRE_SCALE_UP".to_owned();
    let other = Pause { hook: "theirs".to_owned(), stage };
    let made = |world: &World| only(world).deployment_id().is_some();
    machines.run_until(&world, made).await;
    world.deployments.change(|known| {
        known.made[0].pausing.as_mut().unwrap().wait_in(other.clone());
    });
    for _ in 0..20 {
        machines.step(&world).await;
    }
    assert_eq!((only(&world).phase.name(), pauses(&world)), ("Shifting", vec![other]));
    assert_eq!(world.calls.count("continue_deployment"), 0);
}

/// Whatever call fails, before or after its effect, smoke tests included.
#[tokio::test]
async fn a_call_that_is_lost_changes_no_end() {
    let faults: [fn(usize) -> Fault; 3] = [
        Fault::call,
        |call| Fault::call(call).after(),
        |call| Fault::call(call).with(Failure::Conflict),
    ];
    for (arm, end) in [(healthy(), "Promoted"), (failing(), "RolledBack")] {
        for (kind, fault) in faults.into_iter().enumerate() {
            for call in 0.. {
                let world = ready(&tested());
                let heard = Answer::Http { status: 200, body: b"{}".to_vec() };
                world.web.answer("http://test:9000/health", heard);
                world.metrics.set("2", arm);
                world.calls.inject(fault(call));
                let mut machines = Machines::new(at(0));
                announce(&world, &announcement().build(), &machines).await;
                while machines.step(&world).await {
                    assert_eq!(broken_always(&world), [""; 0], "fault {kind} at call {call}");
                }
                if !world.calls.faults_are_used_up() {
                    assert!(call > 30, "only {call} calls");
                    break;
                }
                let log = world.calls.log();
                let place = format!("fault {kind} at call {call}, {}", log[call]);
                assert_eq!(broken_at_rest(&world), [""; 0], "{place}");
                // A request of the smoke tests that gets no answer is a test that failed.
                let end = if log[call] == "request" { "RolledBack" } else { end };
                assert_eq!(only(&world).phase.name(), end, "{place}");
            }
        }
    }
}
