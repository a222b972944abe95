//! The in-memory ports keep the promises of the ports' documentation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests count as tests"
)]

use perch_app::ports::{
    Behind, Claim, CodeState, CommitRelease, ListReleases, LoadHead, LoadRelease, Machine,
    PlanRelease, Planned, PortError, PublishVersion, ReadAlarms, ReadAlias, ReadFunction,
    ReadJournal, Route, ShiftWeight, StartExecution, TakeFence, Transition, Turn, UpdateCode,
    WaitForTurn,
};
use perch_core::artifact::Lane;
use perch_core::head::Waiting;
use perch_core::journal::{JournalEntry, What};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::target::Lambda;
use perch_core::weight::Weight;
use perch_testkit::{
    Calls, Failure, Fault, Paused, Schedule, World, at, digest, image, interleave, release, run,
    target,
};

fn entry(release: &Release, seq: u64) -> JournalEntry {
    JournalEntry {
        release: release.id.clone(),
        target: release.target.clone(),
        seq,
        at: at(0),
        what: What::ReleasePlanned,
        cause: "test".to_owned(),
        evidence: None,
        smoke: Vec::new(),
        moment: None,
    }
}

fn plan(world: &World, release: &Release) -> Result<Planned, PortError> {
    run(world.store.plan(release, &entry(release, 1)))
}

fn is_conflict<T>(outcome: &Result<T, PortError>) -> bool {
    matches!(outcome, Err(PortError::Conflict { .. }))
}

/// The release one entry later, in this phase.
fn step(release: &Release, phase: Phase) -> Transition {
    let mut after = release.clone();
    after.seq += 1;
    after.phase = phase;
    Transition {
        expected_seq: release.seq,
        fence: release.fence,
        entries: vec![entry(&after, after.seq)],
        release: after,
    }
}

fn news() -> perch_core::names::TargetName {
    "news".parse().unwrap()
}

fn lambda() -> Lambda {
    target().build().service.lambda.unwrap()
}

#[test]
fn a_plan_looks_at_record_artifact_holder_and_fence_in_this_order() {
    let first = release().build();
    let other = |id: &str, hex, fence| {
        let mut release = release().fence(fence).build();
        release.id = id.parse().unwrap();
        release.artifact = image(hex, "v3");
        release
    };
    let world = World::usual();
    assert_eq!(plan(&world, &first).unwrap(), Planned::Created);
    assert_eq!(plan(&world, &first).unwrap(), Planned::Repeated);
    let known =
        Planned::AlreadyReleased { by: first.id.clone(), outcome: "not ended yet".to_owned() };
    assert_eq!(plan(&world, &other("news-2", 'b', 9)).unwrap(), known);
    let busy = Planned::Busy { active: first.id.clone() };
    assert_eq!(plan(&world, &other("news-2", 'c', 9)).unwrap(), busy);
    let rejected = Phase::Rejected { why: "no".to_owned() };
    run(world.store.commit(&step(&first, rejected))).unwrap();
    assert!(is_conflict(&plan(&world, &other("news-2", 'c', 9))));
    assert!(world.store.read(|items| items.releases.len() == 1 && items.journal.len() == 2));
    assert_eq!(plan(&world, &other("news-2", 'b', 3)).unwrap(), Planned::Created);
}

#[test]
fn an_artifact_stays_closed_unless_its_release_was_rejected_or_superseded() {
    let back = RollbackCause::Error { error: "x".to_owned() };
    for (phase, admitted) in [
        (Phase::Rejected { why: "no".to_owned() }, true),
        (Phase::Superseded { by: None }, true),
        (Phase::Promoted, false),
        (Phase::RolledBack { cause: back }, false),
        (Phase::Stuck { why: "no".to_owned(), from: Weight::ZERO }, false),
    ] {
        let world = World::usual();
        let first = release().build();
        plan(&world, &first).unwrap();
        run(world.store.commit(&step(&first, phase.clone()))).unwrap();
        let fence = world.head(&news()).fence + 1;
        let mut again = release().fence(fence).build();
        again.id = "news-2".parse().unwrap();
        let planned = plan(&world, &again).unwrap();
        assert_eq!(planned == Planned::Created, admitted, "{}: {planned:?}", phase.name());
    }
}

#[test]
fn a_commit_needs_holder_fence_and_number() {
    let placed = release().baking(0).build();
    let next = step(&placed, Phase::Promoting { from: Weight::ZERO });
    let cases: [fn(&mut Transition); 4] = [
        |t| t.fence += 1,
        |t| t.expected_seq += 1,
        |t| t.expected_seq -= 1,
        |t| t.entries[0].seq = 1,
    ];
    for (case, spoil) in cases.into_iter().enumerate() {
        let world = World::amid(&placed);
        let before = world.store.read(|items| format!("{items:?}"));
        let mut spoilt = next.clone();
        spoil(&mut spoilt);
        assert!(is_conflict(&run(world.store.commit(&spoilt))), "case {case}");
        assert_eq!(world.store.read(|items| format!("{items:?}")), before, "case {case}");
    }
    let world = World::amid(&placed);
    run(world.store.commit(&next)).unwrap();
    assert!(is_conflict(&run(world.store.commit(&next))), "once only");
}

#[test]
fn a_commit_tells_the_head_what_it_has_to_know() {
    let placed = release().baking(0).build();
    for (phase, holds, exposed) in [
        (Phase::Promoting { from: Weight::ZERO }, true, true),
        (Phase::Stuck { why: "no".to_owned(), from: Weight::ZERO }, true, true),
        (Phase::Promoted, false, false),
    ] {
        let world = World::amid(&placed);
        run(world.store.commit(&step(&placed, phase))).unwrap();
        let head = run(world.store.head(&news())).unwrap().unwrap();
        assert_eq!((head.active.is_some(), head.ledger.is_some()), (holds, holds));
        assert_eq!((head.exposed, head.fence), (exposed, if holds { 1 } else { 2 }));
    }
}

#[test]
fn a_fence_is_taken_from_an_exposed_target_or_by_its_holder() {
    let (mine, other) = ("news-1".parse().unwrap(), "news-9".parse().unwrap());
    let guard = |seconds| Claim::Guard { at: at(seconds) };
    for (placed, claim, holds) in [
        (release().baking(0), guard(0), true),
        (release().baking(0), guard(-1), false),
        (release().baking(0), Claim::Holder(&mine), true),
        (release().baking(0), Claim::Holder(&other), false),
        (release().preparing(), guard(9), false),
        (release().preparing(), Claim::Holder(&mine), true),
        (release().promoted(), guard(9), false),
        (release().promoted(), Claim::Holder(&mine), false),
    ] {
        let world = World::amid(&placed.build());
        let before = world.head(&news()).fence;
        let taken = run(world.store.take_fence(&news(), claim)).unwrap();
        assert_eq!(taken.map(|head| head.fence), holds.then_some(before + 1), "{claim:?}");
        assert_eq!(world.head(&news()).fence, before + u64::from(holds), "{claim:?}");
    }
}

#[test]
fn the_newest_push_waits() {
    let waiting = |seconds| Waiting {
        artifact: image('c', "v3"),
        event: "event-2".to_owned(),
        pushed_at: at(seconds),
    };
    let id = "news-1".parse().unwrap();
    let world = World::amid(&release().promoted().build());
    let wait = |world: &World, seconds| {
        run(world.store.wait_for_turn(&news(), &waiting(seconds), Behind::Release(&id))).unwrap()
    };
    assert_eq!(wait(&world, 10), Turn::Free, "that release is over");
    let world = World::amid(&release().baking(0).build());
    for (seconds, turn) in [
        (10, Turn::Waits { instead_of: None }),
        (10, Turn::Waits { instead_of: Some(waiting(10)) }),
        (9, Turn::Overtaken { by: waiting(10) }),
        (11, Turn::Waits { instead_of: Some(waiting(10)) }),
    ] {
        assert_eq!(wait(&world, seconds), turn);
    }
    run(world.store.forget_waiting(&news(), Lane::Code, at(10))).unwrap();
    assert_eq!(world.head(&news()).waiting, Some(waiting(11)));
    run(world.store.forget_waiting(&news(), Lane::Code, at(11))).unwrap();
    assert_eq!(world.head(&news()).waiting, None);
}

#[test]
fn journals_go_on_after_a_number_and_lists_begin_with_the_newest() {
    let world = World::amid(&release().preparing().build());
    let mut later = release().to(&target().named("other").build()).build();
    later.started_at = at(5);
    world.store.change(|items| items.releases.insert(later.id.clone(), later.clone()));
    let journal = run(world.store.journal(&"news-1".parse().unwrap(), 1)).unwrap();
    assert_eq!(journal.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2]);
    let ids = |target, limit| -> Vec<String> {
        let found = run(world.store.releases(target, limit)).unwrap();
        found.into_iter().map(|release| release.id.to_string()).collect()
    };
    assert_eq!(ids(None, 9), ["other-1", "news-1"]);
    assert_eq!(ids(None, 1), ["other-1"]);
    assert_eq!(ids(Some(&news()), 9), ["news-1"]);
}

#[test]
fn an_alias_moves_only_under_its_revision_and_each_write_changes_that() {
    let world = World::usual();
    let before = run(world.lambda.alias(&lambda())).unwrap();
    let same = run(world.lambda.shift(&lambda(), &before.route, &before.revision)).unwrap();
    assert_ne!(same.revision, before.revision);
    assert!(is_conflict(&run(world.lambda.shift(&lambda(), &before.route, &before.revision))));
    let absent = Route::all_on(&"9".parse().unwrap());
    let outcome = run(world.lambda.shift(&lambda(), &absent, &same.revision));
    assert!(matches!(outcome, Err(PortError::NotFound { .. })));
}

#[test]
fn code_takes_its_time_and_the_same_code_is_the_same_version() {
    let world = World::usual();
    let function = lambda().function;
    world.lambda.change(|account| account.update_looks = 1);
    let code = run(world.lambda.update_code(&function, &image('b', "v2"))).unwrap();
    assert_eq!(code, digest('b').hex());
    assert!(is_conflict(&run(world.lambda.publish(&function, &code, ""))));
    let update = || run(world.lambda.function(&function)).unwrap().update;
    assert_eq!((update(), update()), (CodeState::InProgress, CodeState::Ready));
    for _ in 0..2 {
        let version = run(world.lambda.publish(&function, &code, "")).unwrap();
        assert_eq!(version.as_str(), "2");
    }
    let outcome = run(world.lambda.publish(&function, digest('c').hex(), ""));
    assert!(matches!(outcome, Err(PortError::Invalid { .. })));
}

#[test]
fn alarms_are_known_in_alarm_or_missing() {
    let world = World::usual();
    let names = ["errors", "latency", "gone"].map(|name| name.parse().unwrap());
    world.alarms.set("latency", true);
    let states = run(world.alarms.alarms(&names)).unwrap();
    assert_eq!((states.in_alarm, states.missing), (vec![names[1].clone()], vec![names[2].clone()]));
    world.calls.clear();
    run(world.alarms.alarms(&[])).unwrap();
    assert_eq!(world.calls.total(), 0, "none for none");
}

#[test]
fn an_execution_is_started_once_per_machine_and_name() {
    let world = World::empty();
    let name = "news-1".parse().unwrap();
    for machine in [Machine::CanaryDeploy, Machine::Rollback, Machine::CanaryDeploy] {
        run(world.executions.start(machine, &name, &serde_json::Value::Null)).unwrap();
    }
    assert_eq!(world.executions.started().len(), 2);
}

#[test]
fn calls_fail_as_told_on_either_side_of_their_effect() {
    let world = World::amid(&release().baking(0).build());
    let take = || run(world.store.take_fence(&news(), Claim::Guard { at: at(9) })).is_ok();
    world.calls.inject(Fault::of("take_fence"));
    assert_eq!((take(), world.head(&news()).fence), (false, 1));
    world.calls.inject(Fault::of("take_fence").after());
    assert_eq!((take(), world.head(&news()).fence), (false, 2));
    world.calls.inject(Fault::call(3).with(Failure::Denied));
    assert_eq!((take(), take()), (true, false));
    assert!(world.calls.faults_are_used_up());
    assert_eq!(world.calls.log(), ["take_fence"; 4]);
}

#[test]
fn a_fork_goes_its_own_way() {
    let world = World::amid(&release().baking(0).build());
    let fork = world.fork();
    run(fork.store.take_fence(&news(), Claim::Guard { at: at(9) })).unwrap();
    assert_eq!((world.head(&news()).fence, fork.head(&news()).fence), (1, 2));
    assert_eq!((world.calls.total(), fork.calls.total()), (0, 1));
}

#[test]
fn a_paused_future_stops_before_the_call() {
    let world = World::amid(&release().baking(0).build());
    let both = async {
        run(world.store.release(&"news-1".parse().unwrap())).unwrap();
        world.store.take_fence(&news(), Claim::Guard { at: at(9) }).await.unwrap()
    };
    let paused = Paused::new(&world.calls, both).before("take_fence");
    assert_eq!(world.head(&news()).fence, 1);
    paused.finish();
    assert_eq!(world.head(&news()).fence, 2);
}

#[test]
fn a_schedule_goes_through_every_order_once() {
    let mut seen = std::collections::BTreeSet::new();
    let mut schedule = Schedule::first();
    loop {
        let world = World::amid(&release().baking(0).build());
        let two_reads = async {
            world.store.head(&news()).await.unwrap();
            world.store.head(&news()).await.unwrap();
        };
        let two_looks = async {
            world.lambda.alias(&lambda()).await.unwrap();
            world.lambda.alias(&lambda()).await.unwrap();
        };
        let calls: &Calls = &world.calls;
        interleave(&mut schedule, Paused::new(calls, two_reads), Paused::new(calls, two_looks));
        seen.insert(world.calls.log());
        if !schedule.advance() {
            break;
        }
    }
    assert_eq!(seen.len(), 6, "four calls, two of each: {seen:?}");
}
