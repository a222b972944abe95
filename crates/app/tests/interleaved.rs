//! Two use cases at the same time, their port calls in every order that there is.

use perch_app::close_release::{self, CloseInput};
use perch_app::on_alarm::{self, Alarm};
use perch_app::ports::{Machine, StartExecution};
use perch_app::restore_traffic::{self, RollbackInput};
use perch_app::step::StepInput;
use perch_app::{announce, judge_canary, order, prepare_canary, promote_canary, shift_weight};
use perch_core::head::Waiting;
use perch_core::phase::RollbackCause;
use perch_core::release::Release;
use perch_core::target::WhileReleasing;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{
    Machines, Paused, Schedule, World, announcement, at, healthy, image, interleave, release,
    target,
};
use serde_json::json;

fn step_of(release: &Release) -> StepInput {
    StepInput { release_id: release.id.clone(), fence: release.fence }
}

fn abort_of(release: &Release) -> RollbackInput {
    let cause = RollbackCause::Abort { by: "kim".to_owned(), reason: "looks odd".to_owned() };
    RollbackInput { release_id: release.id.clone(), cause: Some(cause) }
}

fn alarm() -> Alarm {
    Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: "threshold crossed".to_owned(),
        at: at(100),
    }
}

/// Runs both machines of the release to their ends: what the state machines do after the answers,
/// whether they were errors to retry or not.
async fn rest(world: &World, release: &Release) {
    let input = json!({ "releaseId": release.id, "fence": release.fence });
    world.executions.start(Machine::CanaryDeploy, &release.id, &input).await.unwrap();
    let input = json!({ "releaseId": release.id });
    world.executions.start(Machine::Rollback, &release.id, &input).await.unwrap();
    Machines::new(at(130)).run(world).await;
}

/// The release's own next step against something that rolls it back, in every order.
async fn step_against(
    placed: &Release,
    step: impl AsyncFn(&World, &StepInput),
    other: impl AsyncFn(&World),
) {
    let (mut schedule, mut orders) = (Schedule::first(), 0);
    loop {
        let world = World::amid(placed);
        for version in ["1", "2"] {
            world.metrics.set(version, healthy());
        }
        let input = step_of(placed);
        interleave(
            &mut schedule,
            Paused::new(&world.calls, step(&world, &input)),
            Paused::new(&world.calls, other(&world)),
        );
        let log = world.calls.log();
        assert_eq!(broken_always(&world), [""; 0], "{log:?}");
        rest(&world, placed).await;
        assert_eq!(broken_at_rest(&world), [""; 0], "{log:?}");
        assert_eq!(world.release(&placed.id).phase.name(), "RolledBack", "{log:?}");
        orders += 1;
        if !schedule.advance() {
            break;
        }
    }
    assert!(orders > 50, "only {orders} orders");
}

async fn prepare(world: &World, input: &StepInput) {
    let World { store, lambda, uploads, alarms, metrics, .. } = world;
    prepare_canary::run(store, lambda, (lambda, uploads, alarms, metrics), input, at(120))
        .await
        .ok();
}

async fn shift(world: &World, input: &StepInput) {
    shift_weight::run(&world.store, &world.lambda, input, at(120)).await.ok();
}

async fn judge(world: &World, input: &StepInput) {
    let World { store, lambda, metrics, alarms, .. } = world;
    judge_canary::run(
        store,
        (lambda, &world.services, &world.deployments),
        (metrics, alarms),
        input,
        at(120),
    )
    .await
    .ok();
}

async fn promote(world: &World, input: &StepInput) {
    promote_canary::run(&world.store, &world.lambda, input, at(120)).await.ok();
}

async fn guard_alarms(world: &World) {
    let World { store, lambda, executions, .. } = world;
    // A conflict is another rollback that took the fence; the event comes again all the same.
    on_alarm::run(store, lambda, executions, &alarm()).await.ok();
}

#[tokio::test]
async fn a_rollback_during_any_step_ends_on_the_baseline() {
    let abort = abort_of(&release().build());
    let roll_back = async |world: &World| {
        restore_traffic::run(&world.store, &world.lambda, &abort, at(120)).await.ok();
    };
    step_against(&release().build(), prepare, roll_back).await;
    step_against(&release().preparing().build(), prepare, roll_back).await;
    step_against(&release().shifting(0).build(), shift, roll_back).await;
    step_against(&release().shifting(1).build(), shift, roll_back).await;
    step_against(&release().baking(1).build(), judge, roll_back).await;
    step_against(&release().promoting().build(), promote, roll_back).await;
    step_against(&release().watching().build(), judge, roll_back).await;
}

#[tokio::test]
async fn an_alarm_during_any_exposed_step_ends_on_the_baseline() {
    step_against(&release().shifting(0).build(), shift, guard_alarms).await;
    step_against(&release().shifting(1).build(), shift, guard_alarms).await;
    step_against(&release().baking(1).build(), judge, guard_alarms).await;
    step_against(&release().promoting().build(), promote, guard_alarms).await;
    step_against(&release().watching().build(), judge, guard_alarms).await;
}

#[tokio::test]
async fn an_alarm_and_a_rollback_at_once_end_on_the_baseline() {
    let abort = abort_of(&release().build());
    let roll_back = async |world: &World, _: &StepInput| {
        restore_traffic::run(&world.store, &world.lambda, &abort, at(120)).await.ok();
    };
    for placed in [release().shifting(0), release().baking(1), release().watching()] {
        step_against(&placed.build(), roll_back, guard_alarms).await;
    }
}

#[tokio::test]
async fn two_rollbacks_at_once_are_one() {
    let abort = abort_of(&release().build());
    let roll_back = async |world: &World| {
        restore_traffic::run(&world.store, &world.lambda, &abort, at(120)).await.ok();
    };
    step_against(&release().baking(0).build(), async |w, _| roll_back(w).await, roll_back).await;
}

#[tokio::test]
async fn an_order_during_a_look_is_never_lost() {
    let placed = release().baking(0).build();
    let mut schedule = Schedule::first();
    loop {
        let world = World::amid(&placed);
        let now = at(60);
        let World { store, lambda, metrics, alarms, .. } = &world;
        let input = step_of(&placed);
        let (looked, ordered) = interleave(
            &mut schedule,
            Paused::new(
                &world.calls,
                judge_canary::run(
                    store,
                    (lambda, &world.services, &world.deployments),
                    (metrics, alarms),
                    &input,
                    now,
                ),
            ),
            Paused::new(&world.calls, order::promote(store, &placed.target, "kim", "go", now)),
        );
        let log = world.calls.log();
        assert_eq!(broken_always(&world), [""; 0], "{log:?}");
        // One of the two may find the other's entry; both are tried again.
        if ordered.is_err() {
            order::promote(store, &placed.target, "kim", "go", now).await.unwrap();
        }
        let next = match looked {
            Ok(output) if output.next == "Promote" => output,
            _ => judge_canary::run(
                store,
                (lambda, &world.services, &world.deployments),
                (metrics, alarms),
                &input,
                now,
            )
            .await
            .unwrap(),
        };
        assert_eq!(next.next, "Promote", "{log:?}");
        if !schedule.advance() {
            break;
        }
    }
}

#[tokio::test]
async fn two_artifacts_at_once_are_one_release_and_one_that_waits() {
    let mut schedule = Schedule::first();
    loop {
        let world = World::with(&target().while_releasing(WhileReleasing::Queue).build());
        let World { store, executions, .. } = &world;
        let first = announcement().build();
        let second = announcement().of(image('c', "v3")).event("event-2").pushed_at(60).build();
        let (a, b) = interleave(
            &mut schedule,
            Paused::new(&world.calls, announce::run(store, executions, &first, at(60))),
            Paused::new(&world.calls, announce::run(store, executions, &second, at(60))),
        );
        // A conflict is an event that is delivered again.
        for (outcome, announcement) in [(a, &first), (b, &second)] {
            if outcome.is_err() {
                announce::run(store, executions, announcement, at(61)).await.unwrap();
            }
        }
        let log = world.calls.log();
        assert_eq!(broken_always(&world), [""; 0], "{log:?}");
        assert_eq!(executions.started().len(), 1, "{log:?}");
        assert!(world.head(&"news".parse().unwrap()).waiting.is_some(), "{log:?}");
        if !schedule.advance() {
            break;
        }
    }
}

#[tokio::test]
async fn the_same_event_twice_at_once_is_one_release() {
    let mut schedule = Schedule::first();
    loop {
        let world = World::usual();
        let World { store, executions, .. } = &world;
        let event = announcement().build();
        let outcomes = interleave(
            &mut schedule,
            Paused::new(&world.calls, announce::run(store, executions, &event, at(60))),
            Paused::new(&world.calls, announce::run(store, executions, &event, at(60))),
        );
        let log = world.calls.log();
        assert!(outcomes.0.is_ok() && outcomes.1.is_ok(), "{outcomes:?}: {log:?}");
        assert_eq!(store.read(|items| items.releases.len()), 1, "{log:?}");
        assert_eq!(executions.started().len(), 1, "{log:?}");
        assert_eq!(executions.started()[0].input["fence"], 1, "{log:?}");
        if !schedule.advance() {
            break;
        }
    }
}

/// What the version that serves was built from.
fn serving(world: &World, release: &Release) -> String {
    let lambda = release.plan.driver.alias().unwrap();
    let place = world.route(lambda).primary.as_str().parse::<usize>().unwrap() - 1;
    world.lambda.read(|account| {
        let version = account.functions[&lambda.function].versions[place].as_ref();
        version.unwrap().code.clone()
    })
}

#[tokio::test]
async fn of_one_that_waits_and_one_that_comes_at_the_close_the_newest_serves() {
    let older = announcement().of(image('c', "v3")).event("event-2").pushed_at(60).build();
    let newer = announcement().of(image('d', "v4")).event("event-3").pushed_at(90).build();
    for (waits, comes) in [(&older, &newer), (&newer, &older)] {
        let mut schedule = Schedule::first();
        loop {
            let closed = release().promoted().build();
            let world = World::amid(&closed);
            for version in ["1", "2", "3", "4"] {
                world.metrics.set(version, healthy());
            }
            world.metrics.set_total(healthy());
            let World { store, executions, .. } = &world;
            store.change(|items| {
                let head = items.heads.get_mut(&closed.target).unwrap();
                head.waiting = Some(Waiting {
                    artifact: waits.artifact.clone(),
                    event: waits.event.clone(),
                    pushed_at: waits.pushed_at,
                });
            });
            let input = CloseInput { release_id: closed.id.clone(), fence: 1, failure: None };
            let (closing, coming) = interleave(
                &mut schedule,
                Paused::new(&world.calls, close_release::run(store, executions, &input, at(600))),
                Paused::new(&world.calls, announce::run(store, executions, comes, at(600))),
            );
            let log = world.calls.log();
            // A conflict is tried again, by the stream of events and by the state machine.
            if coming.is_err() {
                announce::run(store, executions, comes, at(601)).await.unwrap();
            }
            if closing.is_err() {
                close_release::run(store, executions, &input, at(601)).await.unwrap();
            }
            Machines::new(at(602)).run(&world).await;
            assert_eq!(broken_at_rest(&world), [""; 0], "{log:?}");
            assert_eq!(serving(&world, &closed), newer.artifact.identity(), "{log:?}");
            assert_eq!(world.head(&closed.target).waiting, None, "{log:?}");
            if !schedule.advance() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_release_whose_abort_was_taken_is_never_promoted() {
    let mut schedule = Schedule::first();
    let (mut taken, mut too_late) = (0, 0);
    loop {
        let placed = release().watching().build();
        let world = World::amid(&placed);
        world.metrics.set_total(healthy());
        let World { store, executions, .. } = &world;
        let (input, end) = (step_of(&placed), at(601));
        let (_, aborted) = interleave(
            &mut schedule,
            Paused::new(&world.calls, async {
                let World { store, lambda, metrics, alarms, .. } = &world;
                judge_canary::run(
                    store,
                    (lambda, &world.services, &world.deployments),
                    (metrics, alarms),
                    &input,
                    end,
                )
                .await
            }),
            Paused::new(
                &world.calls,
                order::roll_back(store, executions, &placed.target, "kim", "looks odd"),
            ),
        );
        let log = world.calls.log();
        Machines::new(end).run(&world).await;
        let phase = world.release(&placed.id).phase.name();
        match aborted {
            Ok(_) => assert_eq!(phase, "RolledBack", "{log:?}"),
            Err(error) => {
                assert_eq!(phase, "Promoted", "{error}: {log:?}");
                too_late += 1;
            }
        }
        taken += u32::from(phase == "RolledBack");
        assert_eq!(broken_at_rest(&world), [""; 0], "{log:?}");
        if !schedule.advance() {
            break;
        }
    }
    assert!(taken > 10 && too_late > 10, "{taken} taken, {too_late} too late");
}

#[tokio::test]
async fn a_person_who_goes_back_while_another_release_starts_replaces_nothing() {
    let newer = announcement().of(image('c', "v3")).event("event-2").pushed_at(700).build();
    let mut schedule = Schedule::first();
    let (mut went_back, mut too_late) = (0, 0);
    loop {
        let closed = release().promoted().build();
        let world = World::amid(&closed);
        for version in ["1", "2", "3"] {
            world.metrics.set(version, healthy());
        }
        world.metrics.set_total(healthy());
        let World { store, lambda, executions, .. } = &world;
        let version = "1".parse().unwrap();
        let to = (&closed.target, &version);
        let (announced, gone) = interleave(
            &mut schedule,
            Paused::new(&world.calls, announce::run(store, executions, &newer, at(700))),
            Paused::new(
                &world.calls,
                order::go_back_to(
                    store,
                    (lambda, &world.services),
                    executions,
                    to,
                    ("kim", "odd"),
                    at(700),
                ),
            ),
        );
        let log = world.calls.log();
        if announced.is_err() {
            announce::run(store, executions, &newer, at(701)).await.unwrap();
        }
        Machines::new(at(702)).run(&world).await;
        assert_eq!(broken_at_rest(&world), [""; 0], "{log:?}");
        let phases = store.read(|items| {
            let others = items.releases.values().filter(|release| release.id != closed.id);
            others.map(|r| (r.cause.is_person(), r.phase.name())).collect::<Vec<_>>()
        });
        if gone.is_ok() {
            assert!(phases.contains(&(true, "Promoted")), "{phases:?}: {log:?}");
            went_back += 1;
        } else {
            assert_eq!(phases, [(false, "Promoted")], "{log:?}");
            too_late += 1;
        }
        if !schedule.advance() {
            break;
        }
    }
    assert!(went_back > 5 && too_late > 5, "{went_back} went back, {too_late} too late");
}

#[tokio::test]
async fn a_rollback_that_was_slow_leaves_a_later_release_alone() {
    let (placed, abort) = (release().baking(0).build(), abort_of(&release().build()));
    for call in ["alias", "shift"] {
        let world = World::amid(&placed);
        for version in ["1", "2"] {
            world.metrics.set(version, healthy());
        }
        let World { store, lambda, executions, .. } = &world;
        let slow = restore_traffic::run(store, lambda, &abort, at(120));
        let slow = Paused::new(&world.calls, slow).before(call);
        // Another rollback of the release is faster, and its artifact has another turn.
        let cause = Some(RollbackCause::Replaced {
            by: "news-2".parse().unwrap(),
            artifact: placed.artifact.to_string(),
        });
        let replaced = RollbackInput { release_id: placed.id.clone(), cause };
        restore_traffic::run(store, lambda, &replaced, at(121)).await.unwrap();
        let again = announcement().event("event-2").pushed_at(122).build();
        announce::run(store, executions, &again, at(122)).await.unwrap();
        let baking = |world: &World| {
            let baking = |release: &Release| release.phase.name() == "Baking";
            world.store.read(|items| items.releases.values().any(baking))
        };
        assert!(Machines::new(at(123)).run_until(&world, baking).await);
        let route = world.route(placed.plan.driver.alias().unwrap());
        assert!(route.split.is_some(), "{route}");
        let error = slow.finish().unwrap_err();
        assert_eq!(world.route(placed.plan.driver.alias().unwrap()), route, "{error}");
    }
}
