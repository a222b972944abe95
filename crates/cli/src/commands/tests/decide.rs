//! `perch rollback`, `abort`, `promote`, `hold`, `continue`

use perch_app::order;
use perch_app::ports::{Machine, PortError};
use perch_testkit::{Failure, Fault, World, at, run};

use super::{Started, decision, printed, try_printed};
use crate::args::Format;
use crate::commands::decide;
use crate::failure::{self, NothingToRollBack, PastAbort};
use crate::scenes::{Scene, arm};

/// Rolls back or aborts in a scene.
fn back(scene: &Scene, abort: bool) -> anyhow::Result<String> {
    let World { store, executions, .. } = &scene.world;
    let args = decision("news-classifier");
    try_printed(Format::Table, async |console| {
        let executions = async || Ok::<_, PortError>(Started(executions));
        if abort {
            decide::abort(store, executions, &args, console).await
        } else {
            decide::rollback(store, executions, &args, console).await
        }
    })
}

#[test]
fn a_rollback_and_an_abort_start_the_machine_and_say_where_traffic_goes() {
    let mut said = Vec::new();
    for abort in [false, true] {
        let mut scene = Scene::baking();
        said.push(back(&scene, abort).unwrap());
        let started = scene.world.executions.started();
        assert_eq!(started.last().unwrap().machine, Machine::Rollback);
        scene.finish();
        assert_eq!(scene.world.release(&scene.id).phase.name(), "RolledBack");
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn an_abort_after_promotion_points_to_rollback() {
    let mut scene = Scene::baking();
    scene.look(arm(1560, 4, 65.9), arm(1571, 3, 60.1)).look(arm(900, 0, 62.0), arm(0, 0, 0.0));
    let error = back(&scene, true).unwrap_err();
    assert!(error.is::<PastAbort>(), "{error}");
    insta::assert_snapshot!(error.to_string());
    assert!(back(&scene, false).is_ok());
}

#[test]
fn nothing_in_flight_is_said_and_nothing_starts() {
    let scene = Scene::rolled_back();
    let before = scene.world.executions.started().len();
    let error = back(&scene, false).unwrap_err();
    assert!(error.is::<NothingToRollBack>(), "{error}");
    assert_eq!(scene.world.executions.started().len(), before);
}

#[test]
fn a_promotion_is_recorded_for_the_next_look() {
    let mut scene = Scene::pushed();
    scene.look(arm(0, 0, 0.0), arm(0, 0, 0.0));
    let store = &scene.world.store;
    let args = decision("news-classifier");
    let said = printed(async |console| decide::promote(store, &args, at(70), console).await);
    insta::assert_snapshot!(said);
    scene.look(arm(104, 0, 61.0), arm(931, 1, 58.2));
    assert_eq!(scene.world.release(&scene.id).phase.name(), "Promoting");
}

#[test]
fn a_conflict_is_to_be_tried_again() {
    let scene = Scene::baking();
    scene.world.calls.inject(Fault::of("commit").with(Failure::Conflict));
    let args = decision("news-classifier");
    let error = try_printed(Format::Table, async |console| {
        decide::promote(&scene.world.store, &args, at(70), console).await
    });
    let text = failure::message(&error.unwrap_err(), "perch");
    assert!(text.ends_with("Nothing was changed. Try again."), "{text}");
}

#[test]
fn a_rollback_with_nothing_in_flight_names_what_served_before() {
    let mut scene = Scene::baking();
    scene.look(arm(1560, 4, 65.9), arm(1571, 3, 60.1)).finish();
    assert_eq!(scene.world.release(&scene.id).phase.name(), "Promoted");
    let before = scene.world.executions.started().len();
    let error = back(&scene, false).unwrap_err();
    assert_eq!(scene.world.executions.started().len(), before);
    let promoted = failure::message(&error, "perch");
    let new = failure::message(&back(&Scene::new_target(), false).unwrap_err(), "perch");
    insta::assert_snapshot!([promoted, new].join("\n"));
}

#[test]
fn a_hold_keeps_the_weight_and_continue_ends_it() {
    let mut scene = Scene::baking();
    let (store, args) = (&scene.world.store, decision("news-classifier"));
    let held = printed(async |console| decide::hold(store, &args, at(560), console).await);
    for _ in 0..3 {
        scene.look(arm(1560, 4, 65.9), arm(1571, 3, 60.1));
    }
    assert_eq!(scene.world.release(&scene.id).weight().percent(), 50);
    let store = &scene.world.store;
    let goes = printed(async |console| decide::continue_now(store, &args, at(800), console).await);
    scene.look(arm(1700, 4, 65.9), arm(1700, 3, 60.1));
    assert_eq!(scene.world.release(&scene.id).phase.name(), "Promoting");
    insta::assert_snapshot!([held, goes].join("\n"));
}

#[test]
fn a_hold_before_the_first_traffic_says_so() {
    let scene = Scene::pushed();
    let (store, args) = (&scene.world.store, decision("news-classifier"));
    let held = printed(async |console| decide::hold(store, &args, at(1), console).await);
    assert!(held.contains("is held before its first traffic; judge and guards go on"), "{held}");
}

#[test]
fn nothing_goes_up_while_a_stop_stands() {
    let scene = Scene::baking();
    let (store, args) = (&scene.world.store, decision("news-classifier"));
    run(order::stop(store, None, "kim", "freeze", at(560))).unwrap();
    let promoted = try_printed(Format::Table, async |console| {
        decide::promote(store, &args, at(570), console).await
    });
    let goes = try_printed(Format::Table, async |console| {
        decide::continue_now(store, &args, at(570), console).await
    });
    for error in [promoted.unwrap_err(), goes.unwrap_err()] {
        let text = failure::message(&error, "perch");
        assert!(text.contains("stopped by kim"), "{text}");
        assert!(text.contains("perch resume"), "{text}");
    }
    assert!(back(&scene, false).is_ok(), "rollbacks go on");
}
