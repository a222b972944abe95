//! What applying a target changes, and what it warns of.

use perch_app::announce;
use perch_app::apply_target::{self, ApplyError, Change};
use perch_app::ports::{FindTargets, Route, TargetChange};
use perch_core::span::Span;
use perch_core::target::{MetricResolution, Target};
use perch_core::weight::Weight;
use perch_testkit::{Fault, World, announcement, at, release, target};

async fn plan(world: &World, target: Target) -> Change {
    apply_target::plan(&world.store, target, MetricResolution::Minute).await.unwrap()
}

#[tokio::test]
async fn a_plan_says_what_changes_and_writes_nothing() {
    let usual = target().build();
    let mut changed = usual.clone();
    changed.watch = Span::minutes(5);
    for (world, target, kind) in [
        (World::empty(), &usual, TargetChange::Create),
        (World::usual(), &usual, TargetChange::None),
        (World::usual(), &changed, TargetChange::Update),
    ] {
        let before = world.store.read(|items| items.targets.clone());
        let change = plan(&world, target.clone()).await;
        assert_eq!((&change.kind, &change.after), (&kind, target));
        assert_eq!(change.before, before.get(&target.name).cloned());
        assert_eq!(world.store.read(|items| items.targets.clone()), before);
        assert_eq!(world.calls.log(), ["target"]);
    }
}

#[tokio::test]
async fn a_target_with_problems_is_not_even_looked_up() {
    let world = World::usual();
    let mut broken = target().steps(&[(10, 30)]).build();
    broken.judge.min_requests = 0;
    let error =
        apply_target::plan(&world.store, broken, MetricResolution::Minute).await.unwrap_err();
    assert_eq!(error.to_string(), "the target has 2 problem(s)");
    let ApplyError::Problems(problems) = error else { panic!("other error") };
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_ref()).collect();
    assert_eq!(fields, ["judge.minRequests", "rollout"]);
    assert_eq!(world.calls.total(), 0);
}

#[tokio::test]
async fn looks_below_a_minute_are_refused_without_fine_metrics() {
    let world = World::usual();
    let mut fast = target().steps(&[(10, 30)]).build();
    fast.judge.interval = Span::seconds(10);
    let minute = apply_target::plan(&world.store, fast.clone(), MetricResolution::Minute).await;
    assert!(matches!(minute, Err(ApplyError::Problems(_))));
    apply_target::plan(&world.store, fast, MetricResolution::Second).await.unwrap();
}

#[tokio::test]
async fn an_applied_target_takes_artifacts_and_is_guarded() {
    let world = World::empty();
    let change = plan(&world, target().build()).await;
    for _ in 0..2 {
        apply_target::run(&world.store, &change, at(0)).await.unwrap();
    }
    let event = announcement().build();
    let found = world.store.by_source(&event.artifact).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].globs, ["v*"]);
    let guarded = world.store.by_guard(&"errors".parse().unwrap()).await.unwrap();
    assert_eq!(guarded, [target().build().name]);
    assert_eq!(plan(&world, target().build()).await.kind, TargetChange::None);
}

#[tokio::test]
async fn index_items_that_the_change_takes_away_lead_nowhere() {
    let world = World::usual();
    let mut changed = target().guarded_by(&["latency"]).build();
    changed.sources.image.as_mut().unwrap().repository = "news-next".parse().unwrap();
    let change = plan(&world, changed).await;
    apply_target::run(&world.store, &change, at(0)).await.unwrap();
    let World { store, executions, .. } = &world;
    let answers = announce::run(store, executions, &announcement().build(), at(1)).await.unwrap();
    assert_eq!(answers[0].0, None, "{answers:?}");
    assert!(store.by_guard(&"errors".parse().unwrap()).await.unwrap().is_empty());
    assert_eq!(store.by_guard(&"latency".parse().unwrap()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_alias_belongs_to_one_target() {
    let world = World::usual();
    let change = plan(&world, target().named("rival").build()).await;
    let error = apply_target::run(&world.store, &change, at(0)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "alias live of function news belongs to another target; two targets can't move one alias"
    );
    assert_eq!(world.store.read(|items| items.targets.len()), 1);
}

#[tokio::test]
async fn an_apply_whose_answer_was_lost_can_be_repeated() {
    for fault in [Fault::of("save_target"), Fault::of("save_target").after()] {
        let world = World::empty();
        let change = plan(&world, target().build()).await;
        world.calls.inject(fault);
        apply_target::run(&world.store, &change, at(0)).await.unwrap_err();
        apply_target::run(&world.store, &change, at(0)).await.unwrap();
        assert_eq!(plan(&world, target().build()).await.kind, TargetChange::None);
    }
}

#[tokio::test]
async fn a_change_leaves_the_plan_of_a_running_release_alone() {
    let running = release().baking(0).build();
    let world = World::amid(&running);
    let change = plan(&world, target().steps(&[(1, 600)]).build()).await;
    apply_target::run(&world.store, &change, at(0)).await.unwrap();
    assert_eq!(world.release(&running.id).plan, running.plan);
}

#[tokio::test]
async fn what_would_reject_the_first_release_is_warned_of() {
    let usual = target().build();
    let split = World::amid(&release().baking(0).build());
    let gone = World::usual();
    gone.lambda.change(|account| account.functions.clear());
    gone.alarms.delete("errors");
    for (world, warnings) in [
        (&World::usual(), &[][..]),
        (
            &split,
            &[
                "alias live of news is split (version 1 with 10% on version 2); a release is rejected until it is not",
            ][..],
        ),
        (
            &gone,
            &[
                "function news or its alias live does not exist yet; a release is rejected until it does",
                "guard errors does not exist yet; a release is rejected until it does",
            ][..],
        ),
    ] {
        let found = apply_target::warnings((&world.lambda, &world.services), &world.alarms, &usual)
            .await
            .unwrap();
        assert_eq!(found, warnings);
    }
    let world = World::usual();
    world.calls.inject(Fault::of("alias"));
    apply_target::warnings((&world.lambda, &world.services), &world.alarms, &usual)
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_route_reads_as_people_say_it() {
    let split = Some(("2".parse().unwrap(), Weight::new(10).unwrap()));
    let route = Route { primary: "1".parse().unwrap(), split };
    assert_eq!(route.to_string(), "version 1 with 10% on version 2");
    assert_eq!(Route::all_on(&route.primary).to_string(), "version 1 alone");
}

#[tokio::test]
async fn hooks_that_would_go_past_the_judge_are_warned_of() {
    let on_ecs = target().steps(&[(10, 600)]).on_ecs(None).build();
    let by_code_deploy =
        target().steps(&[(10, 600)]).on_ecs(Some(perch_core::target::WhenBusy::Wait)).build();
    for (target, pauses, warnings) in
        [(&on_ecs, false, 1), (&on_ecs, true, 0), (&by_code_deploy, false, 0)]
    {
        let world = World::with(target);
        if pauses {
            world.pause(target);
        }
        let ports = (&world.lambda, &world.services);
        let found = apply_target::warnings(ports, &world.alarms, target).await.unwrap();
        assert_eq!(found.len(), warnings, "{found:?}");
        assert!(found.iter().all(|text| text.contains("no hook waits")), "{found:?}");
    }
}
