//! Notes, and what became of events.

use perch_app::ports::{EventTrace, KeepNote, Note, TraceEvent};
use perch_core::names::TargetName;
use serde_json::{Value, json};

use crate::samples::{TABLE, at, done, table, writes};
use crate::support::{item, key, limited, page, page_before, query, whole};

fn note(target: Option<&str>) -> Note {
    Note {
        at: at("2026-11-21T12:00:00Z"),
        target: target.map(|name| name.parse().unwrap()),
        event: "e-1".into(),
        subject: "news:v2".into(),
        text: "no target takes it".into(),
    }
}

const EXPIRES: &str = "1797854400";

/// The trace of a note: an update, so that the release that the event started stays on record.
fn trace(sk: &str, target: Value) -> Value {
    json!({ "Update": {
        "TableName": TABLE,
        "Key": key("EVENT#e-1", sk),
        "UpdateExpression": "SET #event = :event, #target = :target, #at = :at, \
            #subject = :subject, #why = :why, #expiresAt = :expiresAt",
        "ExpressionAttributeNames": {
            "#event": "event",
            "#target": "target",
            "#at": "at",
            "#subject": "subject",
            "#why": "why",
            "#expiresAt": "expiresAt",
        },
        "ExpressionAttributeValues": {
            ":event": { "S": "e-1" },
            ":target": target,
            ":at": { "S": "2026-11-21T12:00:00Z" },
            ":subject": { "S": "news:v2" },
            ":why": { "S": "no target takes it" },
            ":expiresAt": { "N": EXPIRES },
        },
    } })
}

#[tokio::test]
async fn a_note_and_the_trace_of_its_event_expire_after_thirty_days() {
    assert_eq!(EXPIRES, at("2026-12-21T12:00:00Z").as_second().to_string());
    for (target, pk, sk, trace_target) in [
        (Some("news"), "TARGET#news", "news", json!({ "S": "news" })),
        (None, "UNMATCHED", "-", json!({ "NULL": true })),
    ] {
        let (table, sent) = table([done()]);
        table.note(&note(target)).await.unwrap();
        let mut noted = item(pk, "NOTE#2026-11-21T12:00:00.000Z#e-1", &note(target));
        noted["expiresAt"] = json!({ "N": EXPIRES });
        let put = json!({ "Put": { "TableName": TABLE, "Item": noted } });
        assert_eq!(writes(&sent), json!([put, trace(sk, trace_target)]));
    }
}

#[tokio::test]
async fn an_event_is_traced_for_every_target_that_it_concerned() {
    let started = json!({
        "event": "e-1",
        "target": "news",
        "at": "2026-11-21T12:00:00Z",
        "subject": "news:v2",
        "release": "news-1",
        "why": null,
        "expiresAt": 1,
    });
    // An update writes no release where none was started.
    let ignored = json!({
        "event": "e-1",
        "target": null,
        "at": "2026-11-21T12:00:00Z",
        "subject": "news:v2",
        "why": "no target takes it",
    });
    let items = [item("EVENT#e-1", "news", &started), item("EVENT#e-1", "-", &ignored)];
    let (table, sent) = table([page(&items)]);
    let trace = |target: Option<&str>, release: Option<&str>, why: Option<&str>| EventTrace {
        event: "e-1".into(),
        target: target.map(|name| name.parse::<TargetName>().unwrap()),
        at: at("2026-11-21T12:00:00Z"),
        subject: "news:v2".into(),
        release: release.map(|id| id.parse().unwrap()),
        why: why.map(Into::into),
    };
    let expected =
        [trace(Some("news"), Some("news-1"), None), trace(None, None, Some("no target takes it"))];
    assert_eq!(table.traces("e-1").await.unwrap(), expected);
    assert_eq!(sent.only(), ("Query".into(), whole("EVENT#e-1", true)));
}

#[tokio::test]
async fn the_newest_notes_are_read_up_to_the_limit() {
    let mut first = item("TARGET#news", "NOTE#2", &note(Some("news")));
    first["expiresAt"] = json!({ "N": "1" });
    let second = item("TARGET#news", "NOTE#1", &note(Some("news")));
    let next = key("TARGET#news", "NOTE#1");
    // There is more, and it is not asked for.
    let (table, sent) = table([page_before(&next, &[first, second])]);
    let notes = table.notes(Some(&"news".parse().unwrap()), 2).await.unwrap();
    assert_eq!(notes, [note(Some("news")), note(Some("news"))]);
    assert_eq!(sent.only().1, limited(query("TARGET#news", "NOTE#", false), 2));
}

#[tokio::test]
async fn notes_without_a_target_have_their_own_partition() {
    let (table, sent) = table([page(&[])]);
    assert_eq!(table.notes(None, 5).await.unwrap(), []);
    assert_eq!(sent.only().1, limited(query("UNMATCHED", "NOTE#", false), 5));
}
