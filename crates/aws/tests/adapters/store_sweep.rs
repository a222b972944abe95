//! The sweep: targets that are due, heads to mend, and its own journal.

use perch_app::ports::{Due, FindDue, KeepRuns, MendHead, PortError, SweepRun};
use perch_core::journal::Happened;
use perch_core::names::TargetName;
use serde_json::{Value, json};

use crate::samples::{
    ID, TABLE, at, condition_failed, done, notice, refused, refused_at, table, update_of_head,
    writes,
};
use crate::support::{Answer, item, key, limited, page, page_before, query};

fn news() -> TargetName {
    "news".parse().unwrap()
}

/// The keys of a head, as the index holds them.
fn indexed(name: &str, due_at: &str) -> Value {
    let mut keys = key(&format!("TARGET#{name}"), "HEAD");
    keys["due"] = json!({ "S": "DUE" });
    keys["dueAt"] = json!({ "S": due_at });
    keys
}

#[tokio::test]
async fn those_due_the_longest_come_first() {
    let next = indexed("b", "2026-11-21T12:01:00.000000000Z");
    // There is more: it is for the next query, once these are claimed.
    let (table, sent) = table([page_before(
        &next,
        &[indexed("a", "2026-11-21T12:00:00.250000000Z"), next.clone()],
    )]);
    let found = table.due(at("2026-11-21T12:05:00Z"), 2).await.unwrap();
    let due = |name: &str, since| Due { target: name.parse().unwrap(), at: at(since) };
    assert_eq!(found, [due("a", "2026-11-21T12:00:00.25Z"), due("b", "2026-11-21T12:01:00Z")]);
    let body = json!({
        "TableName": TABLE,
        "IndexName": "due",
        "KeyConditionExpression": "due = :due AND dueAt < :now",
        "ExpressionAttributeValues": {
            ":due": { "S": "DUE" },
            ":now": { "S": "2026-11-21T12:05:00.000000000Z" },
        },
        "Limit": 2,
    });
    assert_eq!(sent.only(), ("Query".into(), body));
}

#[tokio::test]
async fn an_index_item_that_is_no_head_is_named() {
    let (table, _) = table([page(&[indexed("news", "tomorrow")])]);
    let error = table.due(at("2026-11-21T12:05:00Z"), 2).await.unwrap_err();
    let expected = "item TARGET#news/HEAD was refused: `tomorrow` is not when a target is due";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn one_sweep_claims_a_target() {
    let due = Due { target: news(), at: at("2026-11-21T12:00:00.25Z") };
    for (answer, claimed) in [(done(), true), (refused(&Value::Null), false)] {
        let (table, sent) = table([answer]);
        let next = at("2026-11-21T12:10:00Z");
        assert_eq!(table.claim(&due, next).await.unwrap(), claimed);
        let expected = update_of_head(json!({
            "UpdateExpression": "SET dueAt = :next",
            "ConditionExpression": "dueAt = :found",
            "ExpressionAttributeValues": {
                ":next": { "S": "2026-11-21T12:10:00.000000000Z" },
                ":found": { "S": "2026-11-21T12:00:00.250000000Z" },
            },
        }));
        assert_eq!(sent.only(), expected);
    }
    let (table, _) = table([Answer::error(400, "AccessDeniedException", "no")]);
    let error = table.claim(&due, due.at).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

fn told(what: Happened) -> Value {
    let sk = "NOTICE#2026-11-21T12:00:01.250Z#stopped-ada";
    let item = item("TARGET#news", sk, &notice(Some("news"), what));
    json!({ "Put": { "TableName": TABLE, "Item": item } })
}

#[tokio::test]
async fn a_release_that_is_over_lets_go_of_its_target() {
    let release = ID.parse().unwrap();
    let freed = notice(Some("news"), Happened::TargetFreed);
    for (answer, done) in
        [(done(), true), (refused_at(0, 2, &condition_failed(&Value::Null)), false)]
    {
        let (table, sent) = table([answer]);
        assert_eq!(table.free_target(&news(), &release, 7, &freed).await.unwrap(), done);
        let (_, update) = update_of_head(json!({
            "UpdateExpression": "SET exposed = :exposed, fence = :fence REMOVE active, ledger",
            "ConditionExpression": "active = :id AND fence = :held",
            "ExpressionAttributeValues": {
                ":exposed": { "BOOL": false },
                ":fence": { "N": "8" },
                ":id": { "S": ID },
                ":held": { "N": "7" },
            },
        }));
        assert_eq!(writes(&sent), json!([{ "Update": update }, told(Happened::TargetFreed)]));
    }
}

#[tokio::test]
async fn drift_is_told_once_and_so_is_its_end() {
    let values = json!({ ":drift": { "S": "version 9 alone" } });
    for (drift, what, expression, values) in [
        (Some("version 9 alone"), Happened::DriftFound, "SET drift = :drift", values),
        (None, Happened::DriftEnded, "REMOVE drift", Value::Null),
    ] {
        let (table, sent) = table([done()]);
        table.tell_drift(&news(), drift, &notice(Some("news"), what)).await.unwrap();
        let (_, mut update) = update_of_head(json!({
            "UpdateExpression": expression,
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(active)",
        }));
        if !values.is_null() {
            update["ExpressionAttributeValues"] = values;
        }
        assert_eq!(writes(&sent), json!([{ "Update": update }, told(what)]));
    }
}

#[tokio::test]
async fn nothing_is_told_of_an_alias_that_a_release_moves_by_now() {
    let (table, _) = table([refused_at(0, 2, &condition_failed(&Value::Null))]);
    let found = notice(Some("news"), Happened::DriftFound);
    table.tell_drift(&news(), Some("version 9 alone"), &found).await.unwrap();
}

fn run() -> SweepRun {
    SweepRun {
        id: "sweep-20261121-120000".into(),
        at: at("2026-11-21T12:00:00Z"),
        looked_at: 3,
        did: vec!["news: an artifact waited: release x started".into()],
        failed: Vec::new(),
        more: false,
    }
}

#[tokio::test]
async fn a_run_expires_after_thirty_days() {
    let (table, sent) = table([done()]);
    table.run(&run()).await.unwrap();
    let sk = "RUN#2026-11-21T12:00:00.000Z#sweep-20261121-120000";
    let mut expected = item("SWEEPS", sk, &run());
    let expires = at("2026-12-21T12:00:00Z").as_second();
    expected["expiresAt"] = json!({ "N": expires.to_string() });
    let body = json!({ "TableName": TABLE, "Item": expected });
    assert_eq!(sent.only(), ("PutItem".into(), body));
}

#[tokio::test]
async fn the_newest_runs_are_read_up_to_the_limit() {
    let mut stored = item("SWEEPS", "RUN#1", &run());
    stored["expiresAt"] = json!({ "N": "1" });
    let (table, sent) = table([page(&[stored])]);
    assert_eq!(table.runs(5).await.unwrap(), [run()]);
    assert_eq!(sent.only().1, limited(query("SWEEPS", "RUN#", false), 5));
}
