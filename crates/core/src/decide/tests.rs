//! The whole matrix of phases and events as a reviewed snapshot, and what must hold for any run.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::artifact::{Artifact, Lane};
use crate::head::{AliasSnapshot, Ledger, Snapshot};
use crate::judge::{Outcome, Reason, Verdict};
use crate::release::{Cause, Order, Plan};
use crate::smoke::{SmokeResult, all_passed};
use crate::span::Span;
use crate::stop::Stop;
use crate::target::{AlarmAtStart, JudgeRule, Lambda, NoData, SmokeTests, Step};
use crate::weight::Weight;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn ledger() -> Ledger {
    Ledger {
        baseline: "7".parse().unwrap(),
        canary: Some("8".parse().unwrap()),
        snapshot: Snapshot::Alias(AliasSnapshot {
            lambda: lambda(),
            code: format!("sha256:{}", "a".repeat(64)),
            revision: "r1".into(),
            model: None,
        }),
        taken_at: at(0),
    }
}

fn lambda() -> Lambda {
    Lambda { function: "news".parse().unwrap(), alias: "live".parse().unwrap(), code_deploy: None }
}

fn percent(percent: u8) -> Weight {
    Weight::new(percent).unwrap()
}

fn step(weight: u8, bake: u64) -> Step {
    Step { weight: percent(weight), bake: Span::seconds(bake) }
}

fn release(phase: Phase) -> Release {
    let started_at = at(0);
    Release {
        id: "r-1".parse().unwrap(),
        target: "news".parse().unwrap(),
        artifact: Artifact::Image {
            repository: "news".parse().unwrap(),
            digest: format!("sha256:{}", "b".repeat(64)).parse().unwrap(),
            tag: Some("v2".into()),
        },
        phase,
        plan: Plan {
            driver: Driver::Alias(lambda()),
            cache: None,
            smoke: None,
            steps: vec![step(10, 120), step(50, 120)],
            judge: JudgeRule::default(),
            guards: Vec::new(),
            alarm_at_start: AlarmAtStart::Block,
            watch: Span::minutes(30),
        },
        fence: 1,
        seq: 1,
        kept: 0,
        ledger: Some(ledger()),
        code: Some("c".into()),
        canary: Some("8".parse().unwrap()),
        cause: Cause::Event { id: "e".into(), pushed_at: started_at },
        started_at,
        deadline: at(7200),
        due: started_at,
        ended_at: None,
        verdict: None,
        judging: None,
        synthetic: Default::default(),
        deployment: None,
        reload: None,
        smoke: Vec::new(),
        order: None,
        ignored_guards: Vec::new(),
    }
}

fn verdict(outcome: Outcome) -> Verdict {
    let reason = match outcome {
        Outcome::Fail => Reason::ErrorsAbove {
            errors: 9,
            requests: 90,
            max: JudgeRule::default().error_rate.max,
        },
        Outcome::Pass => Reason::ErrorsWithin {
            errors: 0,
            requests: 100,
            max: JudgeRule::default().error_rate.max,
        },
        Outcome::Inconclusive => Reason::TooFewRequests { found: 3, needed: 100 },
    };
    Verdict::new(outcome, vec![reason])
}

fn abort() -> RollbackCause {
    RollbackCause::Abort { by: "ana".into(), reason: "wrong model".into() }
}

fn replaced() -> RollbackCause {
    RollbackCause::Replaced { by: "r-2".parse().unwrap(), artifact: "news:v3".into() }
}

fn judged(outcome: Outcome) -> Event {
    Event::Judged { verdict: verdict(outcome), stop: None }
}

fn smoked(passed: bool) -> Event {
    let differences =
        if passed { Vec::new() } else { vec!["status: expected 200, got 503".into()] };
    let result = SmokeResult {
        name: "health".into(),
        passed,
        status: Some(if passed { 200 } else { 503 }),
        latency_ms: 40,
        differences,
    };
    Event::SmokeTested { results: vec![result] }
}

fn smoke_tests() -> Option<SmokeTests> {
    let checks =
        serde_json::json!({ "checks": [{ "name": "health", "invoke": { "payload": {} } }] });
    serde_json::from_value(checks).unwrap()
}

fn phases() -> Vec<Phase> {
    vec![
        Phase::Pending,
        Phase::Preparing,
        Phase::Shifting { step: 0, weight: percent(10), from: Weight::ZERO },
        Phase::Baking { step: 1, weight: percent(50), since: at(0) },
        Phase::Promoting { from: percent(50) },
        Phase::Watching { since: at(0), until: at(1800) },
        Phase::RollingBack { cause: abort(), from: percent(10) },
        Phase::Promoted,
        Phase::RolledBack { cause: abort() },
        Phase::Rejected { why: "no alias".into() },
        Phase::Superseded { by: None },
        Phase::RollingBack { cause: replaced(), from: percent(10) },
        Phase::Stuck { why: "denied".into(), from: percent(10) },
    ]
}

fn events() -> Vec<Event> {
    vec![
        Event::LedgerTaken { ledger: ledger(), ignored: Vec::new() },
        Event::Refused { why: "no alias".into() },
        Event::CodeSet { code: "c".into() },
        Event::CanaryPublished { version: "8".parse().unwrap() },
        smoked(true),
        smoked(false),
        Event::WeightShifted,
        judged(Outcome::Pass),
        judged(Outcome::Fail),
        judged(Outcome::Inconclusive),
        Event::AliasPromoted,
        Event::RollbackRequested(abort()),
        Event::TrafficRestored,
        Event::RestoreFailed { why: "denied".into() },
        Event::TakenOver { found: "version 3 alone".into() },
        Event::Revived,
    ]
}

fn label(event: &Event) -> String {
    if let Event::Judged { verdict, .. } = event {
        return format!("Judged {}", verdict.outcome);
    }
    if let Event::SmokeTested { results } = event {
        return format!("SmokeTested {}", if all_passed(results) { "Pass" } else { "Fail" });
    }
    event.name().to_owned()
}

fn name(phase: &Phase) -> &'static str {
    if matches!(phase, Phase::RollingBack { cause, .. } if cause.is_replaced()) {
        return "Replacing";
    }
    phase.name()
}

/// Every pair, at the end of the second step's bake. Review a change of this table line by line.
#[test]
fn every_phase_answers_every_event() {
    let mut table = String::new();
    for phase in phases() {
        for event in events() {
            let outcome = match decide(&release(phase.clone()), &event, at(120)) {
                Ok(d) => {
                    format!("{} -> {} +{}s", d.phase.name(), d.next.name(), d.next.wait_seconds())
                }
                Err(_) => "illegal".into(),
            };
            table += &format!("{:<12} {:<20} {outcome}\n", name(&phase), label(&event));
        }
    }
    insta::assert_snapshot!(table);
}

fn next_of(release: &Release, event: Event, now: Timestamp) -> (String, String) {
    let decision = decide(release, &event, now).unwrap();
    (
        decision.phase.name().into(),
        format!("{} +{}s", decision.next.name(), decision.next.wait_seconds()),
    )
}

fn baking(no_data: NoData) -> Release {
    let mut release = release(Phase::Baking { step: 0, weight: percent(10), since: at(0) });
    release.plan.judge.no_data = no_data;
    release
}

#[test]
fn inconclusive_bake_holds_the_weight_or_rolls_back_and_never_promotes() {
    let judged = || judged(Outcome::Inconclusive);
    let hold = next_of(&baking(NoData::Hold), judged(), at(500));
    assert_eq!(hold, ("Baking".into(), "Judge +60s".into()));
    let fail = next_of(&baking(NoData::Fail), judged(), at(120));
    assert_eq!(fail, ("RollingBack".into(), "Rollback +0s".into()));
    let early = next_of(&baking(NoData::Fail), judged(), at(60));
    assert_eq!(early, ("Baking".into(), "Judge +60s".into()));
}

#[test]
fn no_plan_takes_more_looks_than_an_execution_can_record() {
    let day = 24 * 3600;
    let mut long = baking(NoData::Hold);
    long.plan.steps = vec![step(10, 3 * day), step(50, 3 * day)];
    long.plan.watch = Span::seconds(7 * day);
    long.deadline = at(7 * 24 * 3600);
    let (mut looks, mut now) = (0, at(0));
    while now < long.deadline {
        let decision = decide(&long, &judged(Outcome::Inconclusive), now).unwrap();
        let wait = i64::try_from(decision.next.wait_seconds()).unwrap();
        now = now.checked_add(SignedDuration::from_secs(wait)).unwrap();
        looks += 1;
    }
    assert!((200..1200).contains(&looks), "{looks} looks");
}

#[test]
fn a_canary_that_is_held_for_days_is_looked_at_several_times_an_hour() {
    let mut held = baking(NoData::Hold);
    held.order = Some(Order::Hold { by: "ana".into(), reason: "over the weekend".into() });
    held.deadline = at(7 * 24 * 3600);
    for day in [1, 6] {
        let decision = decide(&held, &judged(Outcome::Pass), at(day * 24 * 3600)).unwrap();
        assert_eq!(decision.next.wait_seconds(), 1210, "day {day}");
    }
}

#[test]
fn a_pass_counts_at_the_end_of_the_bake_only() {
    let judged = || judged(Outcome::Pass);
    assert_eq!(
        next_of(&baking(NoData::Hold), judged(), at(100)),
        ("Baking".into(), "Judge +20s".into())
    );
    assert_eq!(
        next_of(&baking(NoData::Hold), judged(), at(120)),
        ("Shifting".into(), "Shift +0s".into())
    );
}

#[test]
fn the_deadline_rolls_back_a_bake_that_never_got_a_verdict() {
    let outcome = next_of(&baking(NoData::Hold), judged(Outcome::Inconclusive), at(7200));
    assert_eq!(outcome, ("RollingBack".into(), "Rollback +0s".into()));
}

#[test]
fn no_look_waits_beyond_the_deadline() {
    for seconds in [0, 500, 7000, 7199] {
        let judged = judged(Outcome::Inconclusive);
        let decision = decide(&baking(NoData::Hold), &judged, at(seconds)).unwrap();
        let next = seconds + i64::try_from(decision.next.wait_seconds()).unwrap();
        assert!(next <= 7200, "from {seconds} to {next}");
    }
    let mut shifting = release(Phase::Shifting { step: 0, weight: percent(10), from: percent(0) });
    shifting.deadline = at(90);
    assert_eq!(next_of(&shifting, Event::WeightShifted, at(60)).1, "Judge +30s");
}

#[test]
fn an_order_to_promote_skips_the_bakes_but_not_a_fail() {
    let mut ordered = baking(NoData::Hold);
    ordered.order = Some(Order::Promote { by: "ana".into(), reason: "hotfix".into() });
    assert_eq!(next_of(&ordered, judged(Outcome::Inconclusive), at(5)).0, "Promoting");
    assert_eq!(next_of(&ordered, judged(Outcome::Fail), at(5)).0, "RollingBack");
}

#[test]
fn a_hold_keeps_the_weight_but_not_from_a_fail_or_the_deadline() {
    let mut held = baking(NoData::Hold);
    held.order = Some(Order::Hold { by: "ana".into(), reason: "asking the team".into() });
    let pass = decide(&held, &judged(Outcome::Pass), at(500)).unwrap();
    assert_eq!(pass.phase, held.phase);
    assert!(pass.entries[0].1.ends_with("held by ana: asking the team"), "{:?}", pass.entries);
    assert_eq!(next_of(&held, judged(Outcome::Fail), at(5)).0, "RollingBack");
    assert_eq!(next_of(&held, judged(Outcome::Pass), at(7200)).0, "RollingBack");
}

#[test]
fn an_order_to_continue_goes_one_step_on() {
    let mut ordered = baking(NoData::Hold);
    ordered.order = Some(Order::Continue { by: "ana".into(), reason: "seen enough".into() });
    let next = decide(&ordered, &judged(Outcome::Inconclusive), at(5)).unwrap();
    assert_eq!(next.phase, Phase::Shifting { step: 1, weight: percent(50), from: percent(10) });
    assert_eq!(next_of(&ordered, judged(Outcome::Fail), at(5)).0, "RollingBack");
}

#[test]
fn a_stop_comes_before_any_order_but_not_before_a_rollback() {
    let stop = Some(Stop { by: "kim".into(), reason: "incident".into(), at: at(1) });
    let stopped = |outcome| Event::Judged { verdict: verdict(outcome), stop: stop.clone() };
    let mut ordered = baking(NoData::Hold);
    ordered.order = Some(Order::Promote { by: "ana".into(), reason: "hotfix".into() });
    assert_eq!(next_of(&ordered, stopped(Outcome::Pass), at(500)).0, "Baking");
    assert_eq!(next_of(&ordered, stopped(Outcome::Fail), at(500)).0, "RollingBack");
}

#[test]
fn what_speaks_against_the_artifact_counts_more_than_a_newer_one() {
    let replacing = release(Phase::RollingBack { cause: replaced(), from: percent(10) });
    let alarm = Event::RollbackRequested(abort());
    let decision = decide(&replacing, &alarm, at(5)).unwrap();
    assert_eq!(decision.phase, Phase::RollingBack { cause: abort(), from: percent(10) });
    let again = release(decision.phase);
    let later = decide(&again, &Event::RollbackRequested(replaced()), at(6)).unwrap();
    assert_eq!(later.phase, again.phase);
}

#[test]
fn a_plan_without_steps_goes_straight_to_the_promotion() {
    let mut all_at_once = release(Phase::Preparing);
    all_at_once.plan.steps.clear();
    let published = Event::CanaryPublished { version: "8".parse().unwrap() };
    assert_eq!(next_of(&all_at_once, published, at(0)), ("Promoting".into(), "Promote +0s".into()));
}

#[test]
fn a_canary_is_smoke_tested_before_its_first_traffic() {
    let mut gated = release(Phase::Preparing);
    gated.plan.smoke = smoke_tests();
    gated.canary = None;
    let resumed = |release: &Release| next::resume(release, at(0)).name();
    assert_eq!(resumed(&gated), "Prepare");
    let published = Event::CanaryPublished { version: "8".parse().unwrap() };
    assert_eq!(next_of(&gated, published.clone(), at(0)), ("Preparing".into(), "Smoke +0s".into()));
    assert!(decide(&gated, &smoked(true), at(0)).is_err(), "there is nothing to test yet");
    gated.learn(&published);
    assert_eq!(resumed(&gated), "Smoke");
    assert_eq!(next_of(&gated, smoked(true), at(1)), ("Shifting".into(), "Shift +0s".into()));
    let failed = decide(&gated, &smoked(false), at(1)).unwrap();
    assert_eq!((failed.phase.name(), failed.next), ("Rejected", Next::Close));
    let text = "1 of 1 smoke test failed: `health`: status: expected 200, got 503";
    assert_eq!(
        failed.entries,
        [
            (What::SmokeTested, text.to_owned()),
            (What::ReleaseRejected, format!("{text}. No traffic was moved")),
        ]
    );
    let none = Event::SmokeTested { results: Vec::new() };
    assert_eq!(next_of(&gated, none, at(1)).0, "Rejected", "no result is no pass");
}

#[test]
fn smoke_tests_of_a_driver_that_has_begun_take_its_traffic_back() {
    let begun = release(Phase::Shifting { step: 0, weight: percent(10), from: percent(0) });
    let passed = decide(&begun, &smoked(true), at(1)).unwrap();
    assert_eq!(
        (passed.phase, passed.next),
        (begun.phase.clone(), Next::Shift { after_seconds: 0 })
    );
    let failed = decide(&begun, &smoked(false), at(1)).unwrap();
    let failures = vec!["`health`: status: expected 200, got 503".to_owned()];
    let cause = RollbackCause::Smoke { failures };
    assert_eq!(failed.phase, Phase::RollingBack { cause: cause.clone(), from: percent(10) });
    assert_eq!(failed.entries[1].1, cause.to_string());
    assert_eq!(cause.to_string(), "smoke tests failed: `health`: status: expected 200, got 503");
}

#[test]
fn a_way_back_by_a_person_has_no_smoke_tests() {
    let target = serde_json::json!({
        "apiVersion": "perch/v1", "kind": "Target", "name": "news",
        "service": { "lambda": { "function": "news", "alias": "live" } },
        "sources": { "image": { "repository": "news", "tags": ["v*"] } },
        "rollout": { "steps": [{ "weight": "10%", "bake": "5m" }] },
        "smoke": smoke_tests(),
    });
    let target = serde_json::from_value(target).unwrap();
    for lane in [Lane::Code, Lane::Model] {
        assert!(Plan::of(&target, lane).unwrap().smokes_before_the_shift());
        assert!(!Plan::at_once(&target, lane).unwrap().smokes_before_the_shift());
    }
}

#[test]
fn an_illegal_pair_names_both() {
    let error = decide(&release(Phase::Promoted), &Event::WeightShifted, at(0)).unwrap_err();
    assert_eq!(error.to_string(), "WeightShifted has no place in phase Promoted of release r-1");
}

proptest! {
    /// P6 and P9 for any sequence of events: weights rise by one step of the plan at a time or fall
    /// to the baseline, and nothing is promoted unless every bake before ended in a Pass.
    #[test]
    fn any_sequence_of_events_keeps_the_promises(
        picks in prop::collection::vec((0usize..16, 1i64..200), 1..60),
    ) {
        let mut release = release(Phase::Pending);
        let (mut now, mut passes) = (at(0), 0usize);
        for (pick, later) in picks {
            now = now.checked_add(SignedDuration::from_secs(later)).unwrap();
            let event = events().swap_remove(pick);
            let before = release.phase.clone();
            let Ok(decision) = decide(&release, &event, now) else { continue };
            prop_assert!(!decision.entries.is_empty());
            prop_assert!(Next::NAMES.contains(&decision.next.name()));
            if let (Phase::Baking { step, .. }, Phase::Shifting { step: next, .. }) = (&before, &decision.phase) {
                prop_assert_eq!(step + 1, *next);
                passes += 1;
            }
            if let (Phase::Baking { .. }, Phase::Promoting { .. }) = (&before, &decision.phase) {
                passes += 1;
                prop_assert_eq!(passes, release.plan.steps.len());
            }
            if let Phase::Promoting { .. } = decision.phase {
                prop_assert!(passes == release.plan.steps.len());
            }
            if matches!(before, Phase::Promoted | Phase::RolledBack { .. } | Phase::Rejected { .. }) {
                prop_assert!(false, "left a final phase by {}", event.name());
            }
            release.phase = decision.phase;
        }
    }
}
