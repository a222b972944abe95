//! Situations and what follows from them.

use super::*;
use crate::artifact::Lane;
use crate::head::{AliasSnapshot, Ledger, Serving, Snapshot, Waiting};
use crate::names::{ReleaseId, TargetName};
use crate::phase::RollbackCause;
use crate::release::{Cause, Plan};
use crate::weight::Weight;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn image(letter: char) -> Artifact {
    Artifact::Image {
        repository: "news".parse().unwrap(),
        digest: format!("sha256:{}", letter.to_string().repeat(64)).parse().unwrap(),
        tag: Some("v1".into()),
    }
}

fn pushed(letter: char, seconds: i64) -> Pushed {
    Pushed { artifact: image(letter), at: at(seconds) }
}

fn head(active: Option<&str>) -> Head {
    let name: TargetName = "news".parse().unwrap();
    let active = active.map(|id| id.parse::<ReleaseId>().unwrap());
    Head { fence: 4, active, seen: Some(at(0)), ..Head::new(name) }
}

fn release(phase: Phase) -> Release {
    let target: crate::target::Target = serde_json::from_value(serde_json::json!({
        "apiVersion": "perch/v1", "kind": "Target", "name": "news",
        "service": { "lambda": { "function": "news", "alias": "live" } },
        "sources": { "image": { "repository": "news", "tags": ["v*"] } },
        "rollout": { "steps": [{ "weight": "10%", "bake": "5m" }] },
    }))
    .unwrap();
    let ledger = Ledger {
        baseline: "7".parse().unwrap(),
        canary: Some("8".parse().unwrap()),
        snapshot: Snapshot::Alias(AliasSnapshot {
            lambda: target.service.lambda.clone().unwrap(),
            code: String::new(),
            revision: "r".into(),
            model: None,
        }),
        taken_at: at(0),
    };
    Release {
        id: "r-1".parse().unwrap(),
        target: target.name.clone(),
        artifact: image('b'),
        phase,
        plan: Plan::of(&target, Lane::Code).unwrap(),
        fence: 4,
        seq: 5,
        kept: 0,
        ledger: Some(ledger),
        code: None,
        canary: Some("8".parse().unwrap()),
        cause: Cause::Event { id: "e".into(), pushed_at: at(0) },
        started_at: at(0),
        deadline: at(7200),
        due: at(60),
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

fn situation(head: Head, active: Option<Release>) -> Situation {
    let route = Found { alone: Some("7".parse().unwrap()), text: "version 7 alone".into() };
    Situation { head, active, stopped: false, route: Some(route), newest: None }
}

fn baking() -> Release {
    release(Phase::Baking { step: 0, weight: Weight::new(10).unwrap(), since: at(0) })
}

#[test]
fn a_release_that_is_on_time_is_left_alone() {
    let situation = situation(head(Some("r-1")), Some(baking()));
    assert_eq!(remedies(&situation, at(60 + 360)), []);
    assert_eq!(remedies(&situation, at(60 + 361)), [Remedy::Revive]);
}

#[test]
fn a_rollback_that_only_took_the_fence_is_finished_at_once() {
    let mut raised = head(Some("r-1"));
    raised.fence = 6;
    let situation = situation(raised, Some(baking()));
    assert_eq!(remedies(&situation, at(61)), [Remedy::FinishRollback { fence: 6 }]);
}

#[test]
fn a_target_is_freed_from_a_release_that_is_over_or_unknown() {
    let cause = RollbackCause::Error { error: "lost".into() };
    for active in [None, Some(release(Phase::RolledBack { cause }))] {
        let situation = situation(head(Some("r-1")), active);
        assert_eq!(remedies(&situation, at(61)), [Remedy::FreeTarget]);
    }
}

#[test]
fn what_is_stuck_is_closed_once_the_baseline_has_all_traffic() {
    let stuck = release(Phase::Stuck { why: "denied".into(), from: Weight::FULL });
    let mut situation = situation(head(Some("r-1")), Some(stuck));
    assert_eq!(remedies(&situation, at(9000)), [Remedy::CloseStuck]);
    situation.route = Some(Found { alone: None, text: "a split".into() });
    assert_eq!(remedies(&situation, at(9000)), []);
}

#[test]
fn what_waits_is_started_when_nothing_runs_and_no_stop_stands() {
    let mut free = head(None);
    free.waiting = Some(Waiting { artifact: image('c'), event: "e-2".into(), pushed_at: at(50) });
    let mut situation = situation(free, None);
    assert_eq!(remedies(&situation, at(61)), [Remedy::StartWaiting]);
    situation.stopped = true;
    assert_eq!(remedies(&situation, at(61)), []);
}

#[test]
fn drift_is_told_once_and_forgotten_when_it_ends() {
    let serving = Serving {
        artifact: image('b'),
        version: "8".parse().unwrap(),
        release: "r-1".parse().unwrap(),
    };
    let mut drifted = situation(Head { serving: Some(serving), ..head(None) }, None);
    let found = "version 7 alone".to_owned();
    assert_eq!(remedies(&drifted, at(61)), [Remedy::TellDrift { found: found.clone() }]);
    drifted.head.drift = Some(found);
    assert_eq!(remedies(&drifted, at(61)), []);
    drifted.route = Some(Found { alone: Some("8".parse().unwrap()), text: String::new() });
    assert_eq!(remedies(&drifted, at(61)), [Remedy::ForgetDrift]);
}

#[test]
fn an_artifact_is_missed_when_it_is_newer_than_all_that_was_seen() {
    let missed = |head: Head, active: Option<Release>, newest: Pushed| {
        let situation = Situation { newest: Some(newest), ..situation(head, active) };
        remedies(&situation, at(61))
    };
    let newest = || pushed('c', 50);
    assert_eq!(missed(head(None), None, newest()), [Remedy::StartMissed(newest())]);
    assert_eq!(missed(head(Some("r-1")), Some(baking()), newest()).len(), 1);
    let none: [Remedy; 0] = [];
    let before_apply = Head { seen: Some(at(50)), ..head(None) };
    assert_eq!(missed(before_apply, None, newest()), none);
    let promoted_later = Head { horizon: Some(at(55)), ..head(None) };
    assert_eq!(missed(promoted_later, None, newest()), none);
    assert_eq!(missed(head(Some("r-1")), Some(baking()), pushed('b', 50)), none);
}
