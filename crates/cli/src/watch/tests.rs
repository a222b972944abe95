//! What the live view shows, and what the lines say.

use perch_app::order;
use perch_testkit::{MemoryStore, at, run, target};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::args::Format;
use crate::console::Look;
use crate::scenes::{Scene, arm};

fn drawn(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::screen(frame, screen)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn a_bake_at_80_by_24() {
    insta::assert_snapshot!(drawn(&Scene::baking().screen(17), 80, 24));
}

#[test]
fn a_bake_on_a_large_terminal() {
    insta::assert_snapshot!(drawn(&Scene::baking().screen(17), 120, 40));
}

#[test]
fn a_small_terminal_keeps_the_verdict_and_the_next_decision() {
    insta::assert_snapshot!(drawn(&Scene::baking().screen(17), 60, 12));
}

#[test]
fn nothing_panics_at_any_size() {
    let screen = Scene::baking().screen(17);
    for (width, height) in [(1, 1), (5, 3), (20, 8), (79, 15), (200, 60)] {
        drawn(&screen, width, height);
    }
}

#[test]
fn a_rollback_says_why_and_marks_where() {
    insta::assert_snapshot!(drawn(&Scene::rolled_back().screen(3), 80, 24));
}

#[test]
fn the_first_seconds_have_no_look_yet() {
    insta::assert_snapshot!(drawn(&Scene::pushed().screen(1), 80, 24));
}

#[test]
fn the_watch_says_when_it_ends() {
    let mut scene = Scene::baking();
    scene.look(arm(1560, 4, 65.9), arm(1571, 3, 60.1));
    for requests in [0, 0, 950, 1912] {
        scene.look(arm(requests, 0, 62.0), arm(0, 0, 0.0));
    }
    insta::assert_snapshot!(drawn(&scene.screen(20), 80, 24));
}

#[test]
fn what_keeps_a_release_is_shown_with_what_ends_it() {
    let scene = Scene::baking();
    let (store, name) = (&scene.world.store, "news-classifier".parse().unwrap());
    run(order::hold(store, &name, "ada", "looking at the logs", at(550))).unwrap();
    insta::assert_snapshot!("held", drawn(&scene.screen(17), 80, 24));
    run(order::stop(store, None, "kim", "freeze until Monday", at(551))).unwrap();
    insta::assert_snapshot!("stopped", drawn(&scene.screen(17), 80, 24));
}

#[test]
fn a_canary_without_traffic_waits_while_a_stop_stands() {
    let scene = Scene::pushed();
    run(order::stop(&scene.world.store, None, "kim", "freeze", at(1))).unwrap();
    let mut scene = scene;
    run(scene
        .machines
        .run_until(&scene.world, |world| world.release(&scene.id).phase.name() == "Shifting"));
    let screen = drawn(&scene.screen(17), 80, 24);
    assert!(screen.contains("next      waits with its first traffic: stopped by kim"), "{screen}");
}

#[test]
fn several_targets_are_listed_above_the_chosen_one() {
    let mut screen = Scene::baking().screen(17);
    screen.targets.extend(Scene::rolled_back().screen(0).targets);
    screen.targets.push(Followed::new("ranking".parse().unwrap()));
    screen.choose(true);
    insta::assert_snapshot!(drawn(&screen, 80, 30));
}

/// The lines of looks after each stage, and the answers.
fn lines(store: &MemoryStore, lines: &mut plain::Lines, format: Format) -> (String, Option<u8>) {
    let mut out = Vec::new();
    let look = Look { colour: false, width: None };
    let mut console = Console::new(format, look, &mut out);
    let code = run(lines.look(store, &mut console)).unwrap();
    (String::from_utf8(out).unwrap(), code)
}

#[test]
fn lines_come_once_and_the_end_has_a_code() {
    let mut scene = Scene::pushed();
    let mut watch = plain::Lines::new(vec!["news-classifier".parse().unwrap()], true);
    let (planned, code) = lines(&scene.world.store, &mut watch, Format::Table);
    assert_eq!(code, None);
    scene.look(Default::default(), Default::default());
    scene.look(Default::default(), Default::default());
    scene.look(arm(207, 31, 64.4), arm(1804, 2, 58.9)).finish();
    let (rest, code) = lines(&scene.world.store, &mut watch, Format::Table);
    assert_eq!(code, Some(5));
    let (silence, _) = lines(&scene.world.store, &mut watch, Format::Table);
    assert_eq!(silence, "");
    insta::assert_snapshot!(planned + &rest);
}

#[test]
fn what_ended_before_is_not_repeated() {
    let scene = Scene::rolled_back();
    let mut watch = plain::Lines::new(vec!["news-classifier".parse().unwrap()], true);
    for _ in 0..2 {
        let answer = lines(&scene.world.store, &mut watch, Format::Table);
        assert_eq!(answer, (String::new(), None));
    }
}

#[test]
fn json_lines_are_journal_entries() {
    let scene = Scene::pushed();
    let mut watch = plain::Lines::new(vec!["news-classifier".parse().unwrap()], false);
    let (text, _) = lines(&scene.world.store, &mut watch, Format::Json);
    let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((entry["seq"].as_u64(), entry["what"].as_str()), (Some(1), Some("ReleasePlanned")));
}

#[test]
fn a_release_in_flight_costs_two_reads_a_look() {
    let scene = Scene::baking();
    let mut followed = Followed::new("news-classifier".parse().unwrap());
    run(followed.refresh(&scene.world.store)).unwrap();
    scene.world.calls.clear();
    run(followed.refresh(&scene.world.store)).unwrap();
    assert_eq!(scene.world.calls.log(), ["release", "standing"]);
}

#[test]
fn a_long_plan_is_cut_around_the_current_step() {
    let steps: Vec<(u8, u64)> = (1..=9).map(|i| (10 * i, 60)).collect();
    let target = target().steps(&steps).build();
    let release = perch_testkit::release().to(&target).baking(4).build();
    let parts = plan::line(&release, &[], perch_testkit::at(48), 60);
    let texts: Vec<_> = parts.into_iter().map(|part| part.text).collect();
    assert_eq!(texts.join(" → "), "… → 40% ✔ → 50% ● 12s left → 60% → 70% → … → watch 10m");
}
