//! Every record reads back from the table as it was written.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use perch_app::ports::Note;
use perch_core::artifact::Artifact;
use perch_core::head::Head;
use perch_core::journal::JournalEntry;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::samples::{at, entry, head, image, planned, release_in, target};
use crate::store_follow::full as full_head;
use crate::support::read;

/// The value after a way through the SDK's item.
fn through_the_table<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(value).unwrap();
    serde_dynamo::from_item(item).unwrap()
}

fn verdict(outcome: &str) -> Value {
    json!({ "outcome": outcome, "reasons": [
        { "kind": "guardInAlarm", "alarm": "news errors/5xx" },
        { "kind": "errorsAbove", "errors": 3, "requests": 40, "max": "0.5%" },
        { "kind": "latencyAbove", "quantile": "p99", "canaryMs": 120.0, "baselineMs": 80.25, "limitMs": 96.3 },
        { "kind": "tooFewRequests", "found": 3, "needed": 20 },
        { "kind": "tooFewBaselineRequests", "found": 0, "needed": 20 },
        { "kind": "errorsWithin", "errors": 0, "requests": 9_007_199_254_740_991_u64, "max": "1%" },
        { "kind": "latencyWithin", "quantile": "p50", "canaryMs": 0.1, "baselineMs": 1e-7 },
    ] })
}

/// Every phase, and every cause of a rollback.
pub(crate) fn phases() -> Vec<Phase> {
    let causes = [
        json!({ "kind": "judge", "reasons": ["3 of 40 failed", "too slow"] }),
        json!({ "kind": "alarm", "alarm": "news-errors", "reason": "Threshold Crossed" }),
        json!({ "kind": "abort", "by": "ada", "reason": "wrong model" }),
        json!({ "kind": "noData", "reasons": ["3 of 20 canary requests needed"] }),
        json!({ "kind": "deadline", "deadline": "2026-11-21T14:00:00Z" }),
        json!({ "kind": "error", "error": "Denied: no" }),
        json!({ "kind": "replaced", "by": "news-2", "artifact": "news:v3" }),
    ];
    let plain = [
        json!({ "name": "Pending" }),
        json!({ "name": "Preparing" }),
        json!({ "name": "Shifting", "step": 1, "weight": 50, "from": 10 }),
        json!({ "name": "Baking", "step": 0, "weight": 10, "since": "2026-11-21T12:01:00.5Z" }),
        json!({ "name": "Promoting", "from": 50 }),
        json!({
            "name": "Watching",
            "since": "2026-11-21T12:30:00Z",
            "until": "2026-11-21T13:00:00.123456789Z",
        }),
        json!({ "name": "Promoted" }),
        json!({ "name": "Rejected", "why": "alias live is split already" }),
        json!({ "name": "Superseded", "by": "news-20261121-120500-0a1b2c" }),
        json!({ "name": "Superseded", "by": null }),
        json!({ "name": "Stuck", "why": "traffic could not be restored", "from": 10 }),
    ];
    let back = causes.iter().flat_map(|cause| {
        [
            json!({ "name": "RollingBack", "cause": cause, "from": 10 }),
            json!({ "name": "RolledBack", "cause": cause }),
        ]
    });
    plain.into_iter().chain(back).map(read).collect()
}

#[test]
fn a_release_reads_back_in_every_phase() {
    let phases = phases();
    let names: std::collections::BTreeSet<&str> = phases.iter().map(Phase::name).collect();
    assert_eq!(names.len(), 12, "every phase: {names:?}");
    for phase in phases {
        let release = Release {
            verdict: Some(read(verdict("Fail"))),
            order: Some(read(json!({ "kind": "promote", "by": "ada", "reason": "hot fix" }))),
            ended_at: Some(at("2026-11-21T13:00:00Z")),
            ..release_in(phase)
        };
        assert_eq!(through_the_table(&release), release);
    }
}

#[test]
fn a_release_reads_back_with_nothing_known_yet() {
    let release = planned();
    assert_eq!(through_the_table(&release), release);
    let waited = json!({ "kind": "waited", "id": "e-1", "pushedAt": "2026-11-21T12:00:00Z" });
    let sweep = json!({ "kind": "sweep", "id": "sweep-1", "pushedAt": "2026-11-21T12:00:00Z" });
    let person = |overrides: Value| {
        let at = "2026-11-21T12:00:00Z";
        json!({ "kind": "person", "by": "ada", "reason": "the fix", "at": at, "overrides": overrides })
    };
    let alarms = json!(["news errors/5xx"]);
    for cause in [waited, sweep, person(json!([])), person(alarms.clone())] {
        let release =
            Release { cause: read(cause), ignored_guards: read(alarms.clone()), ..planned() };
        assert_eq!(through_the_table(&release), release);
    }
}

#[test]
fn every_order_of_a_person_reads_back() {
    for kind in ["promote", "hold", "continue"] {
        let order = json!({ "kind": kind, "by": "ada", "reason": "x" });
        let release = Release { order: Some(read(order)), ..planned() };
        assert_eq!(through_the_table(&release), release);
    }
}

#[test]
fn every_kind_of_artifact_reads_back() {
    let untagged =
        json!({ "kind": "image", "repository": "a/b", "digest": image()["digest"], "tag": null });
    let package =
        json!({ "kind": "package", "bucket": "models", "key": "a/b c.zip", "version": "v.1_x" });
    let version = json!({ "kind": "version", "version": "4" });
    for artifact in [image(), untagged, package, version] {
        let artifact: Artifact = read(artifact);
        assert_eq!(through_the_table(&artifact), artifact);
    }
}

#[test]
fn a_head_reads_back_full_and_free() {
    for full in [head(), full_head()] {
        assert_eq!(through_the_table(&full), full);
    }
    let free: Head = read(json!({ "target": "news", "fence": 8 }));
    assert_eq!(through_the_table(&free), free);
}

#[test]
fn a_journal_entry_reads_back_with_evidence_and_without() {
    let arm = |latency: Value| json!({ "requests": 40, "errors": 3, "latencyMs": latency });
    for outcome in ["Pass", "Fail", "Inconclusive"] {
        let mut with: Value =
            serde_json::to_value(entry(3, perch_core::journal::What::BakeJudged)).unwrap();
        with["evidence"] = json!({
            "readings": {
                "from": "2026-11-21T12:01:00Z",
                "to": "2026-11-21T12:06:00Z",
                "canary": arm(json!(120.25)),
                "baseline": arm(Value::Null),
                "alarms": ["news-errors"],
            },
            "verdict": verdict(outcome),
        });
        let with: JournalEntry = read(with);
        assert!(with.evidence.is_some());
        assert_eq!(through_the_table(&with), with);
    }
    let without = entry(1, perch_core::journal::What::ReleasePlanned);
    assert_eq!(through_the_table(&without), without);
}

#[test]
fn a_target_reads_back_with_every_field_and_with_defaults() {
    let full = target();
    assert_eq!(through_the_table(&full), full);
    let plain: Target = read(json!({
        "apiVersion": "perch/v1",
        "kind": "Target",
        "name": "news",
        "service": { "lambda": { "function": "news", "alias": "live" } },
        "sources": { "package": { "bucket": "models", "keys": ["*.zip"] } },
        "rollout": { "preset": "LambdaLinear10PercentEvery1Minute" },
    }));
    assert_eq!(through_the_table(&plain), plain);
}

#[test]
fn a_note_reads_back_with_a_target_and_without() {
    for target in [json!("news"), Value::Null] {
        let note: Note = read(json!({
            "at": "2026-11-21T12:00:00Z",
            "target": target,
            "event": "e-1",
            "subject": "news:v2 (7f5b2640fe6f)",
            "text": "no target takes it",
        }));
        assert_eq!(through_the_table(&note), note);
    }
}
