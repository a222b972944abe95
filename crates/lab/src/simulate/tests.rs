//! Cases as a release would have taken them.

use perch_core::judge::sequential::Method;
use perch_core::target::Strictness;

use super::*;
use crate::case;

fn published() -> Vec<Case> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/judge/cases_public2.json");
    case::read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn of_family(family: &str) -> Case {
    published().into_iter().find(|case| case.id.starts_with(family)).unwrap()
}

#[test]
fn the_published_preset_answers_as_the_reference() {
    let rule = JudgeRule { preset: Strictness::Published, ..JudgeRule::default() };
    for case in published() {
        let found = simulate(&rule, &case);
        let reference = case.reference.as_ref().unwrap();
        let minutes = (found.rollback_minute, found.promote_minute);
        assert_eq!(found.verdict, reference.verdict, "{}", case.id);
        assert_eq!(minutes, (reference.rollback, reference.promote), "{}", case.id);
        assert!(!found.reason.is_empty(), "{}", case.id);
        assert_eq!(found.log_evidence.len(), 15);
        for (found, expected) in found.log_evidence.iter().zip(&reference.log_evidence) {
            assert!((found - expected).abs() < 1e-3, "{}: {found} for {expected}", case.id);
        }
    }
}

#[test]
fn the_shipped_default_answers_every_case_as_allowed_and_in_time() {
    for case in published() {
        let found = simulate(&JudgeRule::default(), &case);
        assert!(case.accepts(found.verdict, found.rollback_minute), "{found:?}");
    }
}

#[test]
fn the_answer_for_programs_has_the_documented_fields() {
    let found =
        serde_json::to_value(simulate(&JudgeRule::default(), &of_family("leak_8"))).unwrap();
    let fields: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = ["id", "verdict", "rollbackMinute", "promoteMinute", "reason", "logEvidence"];
    assert_eq!(fields, documented);
    assert_eq!(found["verdict"], "rollback");
    assert!(found["promoteMinute"].as_u64() < found["rollbackMinute"].as_u64());
}

#[test]
fn without_early_the_promotion_waits_for_the_end() {
    let case = of_family("healthy_high");
    let early = simulate(&JudgeRule::default(), &case);
    let late = simulate(&JudgeRule { early: false, ..JudgeRule::default() }, &case);
    assert!(early.promote_minute < Some(15), "{early:?}");
    assert_eq!(late.promote_minute, Some(15));
    assert_eq!(early.log_evidence, late.log_evidence);
}

#[test]
fn a_declared_warm_up_takes_slow_minutes_out() {
    let row = crate::grid::Set::HeldB.rows().into_iter();
    let row = row.filter(|row| row.scenario.name() == "B warm 3min").nth(1).unwrap();
    let warm = |warm_up| {
        let rule = JudgeRule { preset: Strictness::Published, ..JudgeRule::default() };
        let latency = perch_core::target::LatencyRule { warm_up, ..rule.latency };
        let rule = JudgeRule { latency, ..rule };
        let case = Case {
            id: "warm".to_owned(),
            trace: row.trace(1, 1),
            allowed: Vec::new(),
            rollback_by: None,
            reference: None,
        };
        simulate(&rule, &case).verdict
    };
    assert_eq!(warm(None), Answer::Rollback);
    assert_eq!(warm(Some(Span::seconds(180))), Answer::Promote);
    assert_eq!(minutes(Span::seconds(61)), 2);
    assert_eq!(Method::published(), Strictness::Published.method(&Default::default()));
}

#[test]
fn fixed_limits_are_simulated_too() {
    let rule = JudgeRule { rule: Rule::Thresholds, ..JudgeRule::default() };
    let failing = simulate(&rule, &of_family("err_100"));
    assert_eq!((failing.verdict, failing.rollback_minute), (Answer::Rollback, Some(1)));
    assert!(failing.reason.contains("canary requests failed"), "{}", failing.reason);
    assert_eq!(failing.log_evidence, [0.0; 0]);
    let healthy = simulate(&rule, &of_family("healthy_mid"));
    assert_eq!((healthy.verdict, healthy.promote_minute), (Answer::Promote, Some(15)));
    let slow = simulate(&rule, &of_family("lat_x3"));
    assert_eq!(slow.verdict, Answer::Rollback);
    let silent = simulate(&rule, &of_family("no_traffic_both"));
    assert_eq!(silent.verdict, Answer::Inconclusive);
}
