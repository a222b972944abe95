//! Values that several tests use, written as they are stored.

use jiff::Timestamp;
use perch_aws::store::Table;
use perch_core::head::{Head, Ledger};
use perch_core::journal::{Happened, JournalEntry, Notice, What};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;
use serde_json::{Value, json};

use crate::support::{Answer, Recorded, aws, key, read};

pub(crate) const TABLE: &str = "perch";
pub(crate) const ID: &str = "news-20261121-120000-0a1b2c";
pub(crate) const DIGEST: &str =
    "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd12345678";

/// The table, answering with these.
pub(crate) fn table(answers: impl IntoIterator<Item = Answer>) -> (Table, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Table::new(&sdk, TABLE.into()), recorded)
}

pub(crate) fn done() -> Answer {
    Answer::json(&json!({}))
}

/// An update whose condition did not hold, with the item that was there.
pub(crate) fn refused(found: &Value) -> Answer {
    Answer::conditional(found)
}

/// A transaction of `writes` writes, of which the one at `place` was refused.
pub(crate) fn refused_at(place: usize, writes: usize, reason: &Value) -> Answer {
    let mut reasons = vec![json!({ "Code": "None" }); writes];
    reasons[place] = reason.clone();
    Answer::canceled(&reasons)
}

/// Why a write of a transaction was refused, with the item that was there.
pub(crate) fn condition_failed(found: &Value) -> Value {
    json!({
        "Code": "ConditionalCheckFailed",
        "Message": "The conditional request failed",
        "Item": found,
    })
}

/// An update of the head with these fields.
pub(crate) fn update_of_head(fields: Value) -> (String, Value) {
    let mut body = json!({ "TableName": TABLE, "Key": key("TARGET#news", "HEAD") });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ("UpdateItem".into(), body)
}

/// The writes of the only request, which is a transaction.
pub(crate) fn writes(sent: &Recorded) -> Value {
    let (operation, body) = sent.only();
    assert_eq!(operation, "TransactWriteItems");
    body["TransactItems"].clone()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn image() -> Value {
    json!({ "kind": "image", "repository": "news", "digest": DIGEST, "tag": "v2" })
}

/// A target with every optional field.
pub(crate) fn target() -> Target {
    read(json!({
        "apiVersion": "perch/v1",
        "kind": "Target",
        "name": "news",
        "service": { "lambda": { "function": "news", "alias": "live" } },
        "sources": { "image": { "repository": "news", "tags": ["v*", "release-*"] } },
        "rollout": { "steps": [
            { "weight": "10%", "bake": "5m" },
            { "weight": "50%", "bake": "90s" },
        ] },
        "judge": {
            "errorRate": { "max": "0.5%" },
            "latency": { "quantile": "p95", "maxIncrease": "20%", "tolerance": "5ms" },
            "minRequests": 20,
            "interval": "60s",
            "noData": "fail",
        },
        "guards": ["news-errors"],
        "watch": "30m",
        "deadline": "2h",
        "notify": { "slack": { "webhook": "ssm:/perch/slack" } },
    }))
}

pub(crate) fn ledger() -> Ledger {
    read(json!({
        "baseline": "4",
        "snapshot": {
            "kind": "alias",
            "lambda": { "function": "news", "alias": "live" },
            "code": "sha256:aa",
            "revision": "rev-4",
        },
        "takenAt": "2026-11-21T12:00:02Z",
    }))
}

/// A release in a phase, with everything known about it that can be.
pub(crate) fn release_in(phase: Phase) -> Release {
    let target = target();
    Release {
        id: ID.parse().unwrap(),
        target: target.name.clone(),
        artifact: read(image()),
        phase,
        plan: perch_core::release::Plan::of(&target, perch_core::artifact::Lane::Code).unwrap(),
        fence: 7,
        seq: 5,
        kept: 0,
        ledger: Some(ledger()),
        code: Some("c2hh".into()),
        canary: Some("5".parse().unwrap()),
        cause: read(json!({ "kind": "event", "id": "e-1", "pushedAt": "2026-11-21T12:00:00Z" })),
        started_at: at("2026-11-21T12:00:01.25Z"),
        deadline: at("2026-11-21T14:00:01.25Z"),
        due: at("2026-11-21T12:00:01.25Z"),
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

/// A release as it is planned.
pub(crate) fn planned() -> Release {
    Release { seq: 1, ledger: None, code: None, canary: None, ..release_in(Phase::Pending) }
}

pub(crate) fn head() -> Head {
    read(json!({
        "target": "news",
        "fence": 7,
        "active": ID,
        "exposed": true,
        "ledger": ledger(),
        "waiting": { "artifact": image(), "event": "e-2", "pushedAt": "2026-11-21T12:05:00Z" },
    }))
}

pub(crate) fn notice(target: Option<&str>, what: Happened) -> Notice {
    Notice {
        id: "stopped-ada".into(),
        target: target.map(|name| name.parse().unwrap()),
        at: at("2026-11-21T12:00:01.25Z"),
        what,
        text: "as it happened".into(),
    }
}

pub(crate) fn entry(seq: u64, what: What) -> JournalEntry {
    JournalEntry {
        release: ID.parse().unwrap(),
        target: "news".parse().unwrap(),
        seq,
        at: at("2026-11-21T12:00:01.25Z"),
        what,
        cause: "as decided".into(),
        evidence: None,
        smoke: Vec::new(),
        moment: None,
    }
}
