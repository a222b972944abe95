//! Tables as people see them: 80 columns on a terminal, and one line per row elsewhere.

use perch_app::ports::{Note, Standing};
use perch_app::view::ReleaseView;
use perch_core::head::{Head, Serving};
use perch_core::target::Quantile;
use perch_testkit::{at, target};

use super::*;
use crate::scenes::Scene;
use crate::scenes::judged::{self, Judged};

const TERMINAL: Look = Look { colour: false, width: Some(80) };
const PIPE: Look = Look { colour: false, width: None };

fn view(scene: &Scene) -> ReleaseView {
    ReleaseView::of(&scene.world.release(&scene.id), scene.world.journal(&scene.id))
}

#[test]
fn releases_fit_80_columns_with_their_reasons_below() {
    let views = [view(&Scene::baking()), view(&Scene::rolled_back())];
    insta::assert_snapshot!(releases(&views, at(600), TERMINAL));
}

#[test]
fn releases_in_a_pipe_have_one_line_each() {
    let views = [view(&Scene::baking()), view(&Scene::rolled_back())];
    insta::assert_snapshot!(releases(&views, at(600), PIPE));
}

#[test]
fn a_release_shows_the_evidence_of_each_look() {
    let view = view(&Scene::rolled_back());
    insta::assert_snapshot!(release(&view, Quantile::P99, at(600), TERMINAL));
}

#[test]
fn colours_only_where_they_are_wanted() {
    let views = [view(&Scene::rolled_back())];
    let coloured = releases(&views, at(600), Look { colour: true, ..TERMINAL });
    assert!(coloured.contains("\u{1b}["));
    assert!(!releases(&views, at(600), TERMINAL).contains('\u{1b}'));
}

fn targets_of(scene: &Scene) -> Vec<TargetView> {
    let mut active = view(scene);
    active.journal.clear();
    let busy = target().named("news-classifier").guarded_by(&["news-errors"]);
    let serving = Serving {
        artifact: perch_testkit::image('a', "v1"),
        version: "1".parse().unwrap(),
        release: "news-classifier-20270114-071500-c0ffee".parse().unwrap(),
    };
    let head = Head { serving: Some(serving), ..Head::new("news-classifier".parse().unwrap()) };
    let standing = Standing { head: Some(head), stop: None };
    let busy = TargetView::of(busy.build(), Some(active), standing);
    let idle =
        target().named("ranking").taking_packages().steps(&[(5, 60), (20, 60), (50, 60), (80, 60)]);
    vec![busy, TargetView::of(idle.build(), None, Standing { head: None, stop: None })]
}

#[test]
fn targets_say_what_goes_on() {
    let views = targets_of(&Scene::baking());
    insta::assert_snapshot!(targets(&views, TERMINAL));
}

#[test]
fn a_target_is_shown_in_full() {
    let views = targets_of(&Scene::baking());
    insta::assert_snapshot!(target_text(&views));
}

fn target_text(views: &[TargetView]) -> String {
    let blocks: Vec<_> = views.iter().map(|view| super::target(view, TERMINAL)).collect();
    blocks.join("\n\n")
}

#[test]
fn notes_say_why_nothing_happened() {
    let note = Note {
        at: at(0),
        target: None,
        event: "event-1".to_owned(),
        subject: "other:v2 (bbbbbbbbbbbb)".to_owned(),
        text: "no target takes artifacts from this source: name it under `sources` in a target \
               file and apply it"
            .to_owned(),
    };
    insta::assert_snapshot!(notes(&[note], TERMINAL));
}

#[test]
fn empty_lists_say_what_to_do() {
    let empty = [releases(&[], at(0), TERMINAL), targets(&[], TERMINAL), notes(&[], TERMINAL)];
    insta::assert_snapshot!(empty.join("\n"));
}

/// A terminal of 100 columns.
const WIDE: Look = Look { colour: false, width: Some(100) };

fn evidence_of(judged: &Judged) -> String {
    let view = ReleaseView::of(&judged.release, judged.journal.clone());
    let text = evidence::evidence(&judged.release, &view, WIDE);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    text
}

#[test]
fn evidence_of_a_healthy_canary_is_shown_look_by_look() {
    insta::assert_snapshot!(evidence_of(&judged::healthy()));
}

#[test]
fn evidence_of_a_failing_canary_is_shown_look_by_look() {
    insta::assert_snapshot!(evidence_of(&judged::failing()));
}

#[test]
fn evidence_of_a_slow_canary_is_shown_look_by_look() {
    insta::assert_snapshot!(evidence_of(&judged::slow_canary()));
}

#[test]
fn evidence_of_an_undecided_canary_ends_with_what_is_missing() {
    let text = evidence_of(&judged::undecided());
    let last = text.rfind("\nlook").unwrap();
    insta::assert_snapshot!(text[last + 1..]);
}

#[test]
fn evidence_of_a_custom_signal_has_its_own_row() {
    let text = evidence_of(&judged::unsure());
    let last = text.rfind("\nlook").unwrap();
    insta::assert_snapshot!(text[last + 1..]);
}

#[test]
fn what_a_look_sent_itself_is_shown_with_it() {
    let mut judged = judged::healthy();
    assert!(!evidence_of(&judged).contains("synthetic"));
    let looks = judged.journal.iter_mut().filter_map(|entry| entry.evidence.as_mut());
    looks.zip([12, 1]).for_each(|(evidence, requests)| evidence.synthetic = requests);
    let text = evidence_of(&judged);
    let looks: Vec<&str> = text.split("\nlook ").collect();
    assert!(looks[1].contains("\n  sent        12 synthetic requests to the alias\n"), "{text}");
    assert!(looks[2].contains("\n  sent        1 synthetic request to the alias\n"), "{text}");
    assert!(!looks[3].contains("synthetic"), "{text}");
}

#[test]
fn fixed_limits_keep_no_evidence() {
    let scene = Scene::rolled_back();
    let mut release = scene.world.release(&scene.id);
    release.plan.judge.rule = perch_core::target::Rule::Thresholds;
    let judged = Judged { release, journal: scene.world.journal(&scene.id) };
    insta::assert_snapshot!(evidence_of(&judged));
}
