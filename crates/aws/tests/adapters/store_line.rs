//! Stops, and the notices of what happens outside of releases.

use perch_app::ports::{ListNotices, PortError, StopLine};
use perch_core::journal::Happened;
use perch_core::stop::Stop;
use serde_json::{Value, json};

use crate::samples::{
    TABLE, condition_failed, done, notice, refused_at, table, update_of_head, writes,
};
use crate::support::{Answer, item, key, limited, page, query, read};

const SK: &str = "NOTICE#2026-11-21T12:00:01.250Z#stopped-ada";

fn stop() -> Stop {
    read(json!({ "by": "ada", "reason": "incident 12", "at": "2026-11-21T12:00:01.25Z" }))
}

fn told(target: Option<&str>, what: Happened) -> Value {
    let pk = if target.is_some() { "TARGET#news" } else { "INSTALLATION" };
    json!({ "Put": { "TableName": TABLE, "Item": item(pk, SK, &notice(target, what)) } })
}

#[tokio::test]
async fn a_target_is_stopped_on_its_head_with_the_notice() {
    let (table, sent) = table([done()]);
    let news = "news".parse().unwrap();
    let stopped = notice(Some("news"), Happened::LineStopped);
    table.stop(Some(&news), &stop(), &stopped).await.unwrap();
    let (_, update) = update_of_head(json!({
        "UpdateExpression":
            "SET stopped = :stopped, target = :target, fence = if_not_exists(fence, :fence)",
        "ConditionExpression": "attribute_not_exists(stopped)",
        "ExpressionAttributeValues": {
            ":stopped": { "M": {
                "by": { "S": "ada" },
                "reason": { "S": "incident 12" },
                "at": { "S": "2026-11-21T12:00:01.25Z" },
            } },
            ":target": { "S": "news" },
            ":fence": { "N": "0" },
        },
    }));
    let expected = json!([{ "Update": update }, told(Some("news"), Happened::LineStopped)]);
    assert_eq!(writes(&sent), expected);
}

#[tokio::test]
async fn all_are_stopped_by_an_item_of_their_own() {
    let (table, sent) = table([done()]);
    table.stop(None, &stop(), &notice(None, Happened::LineStopped)).await.unwrap();
    let put = json!({ "Put": {
        "TableName": TABLE,
        "Item": item("INSTALLATION", "STOP", &stop()),
        "ConditionExpression": "attribute_not_exists(pk)",
    } });
    assert_eq!(writes(&sent), json!([put, told(None, Happened::LineStopped)]));
}

#[tokio::test]
async fn resuming_removes_the_stop_with_the_notice() {
    let news = "news".parse().unwrap();
    let (targets, sent) = table([done()]);
    let resumed = notice(Some("news"), Happened::LineResumed);
    assert!(targets.resume(Some(&news), &resumed).await.unwrap());
    let (_, update) = update_of_head(json!({
        "UpdateExpression": "REMOVE stopped",
        "ConditionExpression": "attribute_exists(stopped)",
    }));
    let expected = json!([{ "Update": update }, told(Some("news"), Happened::LineResumed)]);
    assert_eq!(writes(&sent), expected);

    let (all, sent) = table([done()]);
    assert!(all.resume(None, &notice(None, Happened::LineResumed)).await.unwrap());
    let delete = json!({ "Delete": {
        "TableName": TABLE,
        "Key": key("INSTALLATION", "STOP"),
        "ConditionExpression": "attribute_exists(pk)",
    } });
    assert_eq!(writes(&sent), json!([delete, told(None, Happened::LineResumed)]));
}

#[tokio::test]
async fn a_stop_that_stands_stays_and_one_that_does_not_was_none() {
    let news = "news".parse().unwrap();
    for target in [Some(&news), None] {
        let name = target.map(|_| "news");
        let failed = || refused_at(0, 2, &condition_failed(&Value::Null));
        let (stops, _) = table([failed()]);
        stops.stop(target, &stop(), &notice(name, Happened::LineStopped)).await.unwrap();
        let (resumes, _) = table([failed()]);
        let resumed = notice(name, Happened::LineResumed);
        assert!(!resumes.resume(target, &resumed).await.unwrap());
    }
}

#[tokio::test]
async fn a_stop_that_could_not_be_written_is_an_error() {
    let collided = json!({ "Code": "TransactionConflict" });
    let (table, _) = table([refused_at(0, 2, &collided)]);
    let error = table.stop(None, &stop(), &notice(None, Happened::LineStopped)).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn the_stop_of_all_is_one_read() {
    let answer = json!({ "Item": item("INSTALLATION", "STOP", &stop()) });
    let (table, sent) = table([Answer::json(&answer)]);
    assert_eq!(table.stop_of_all().await.unwrap(), Some(stop()));
    let key = key("INSTALLATION", "STOP");
    let body = json!({ "TableName": TABLE, "Key": key, "ConsistentRead": true });
    assert_eq!(sent.only(), ("GetItem".into(), body));
}

#[tokio::test]
async fn the_newest_notices_are_read_up_to_the_limit() {
    let news = "news".parse().unwrap();
    for (target, pk) in [(Some(&news), "TARGET#news"), (None, "INSTALLATION")] {
        let found = notice(target.map(|_| "news"), Happened::DriftFound);
        let (table, sent) = table([page(&[item(pk, SK, &found)])]);
        assert_eq!(table.notices(target, 5).await.unwrap(), [found]);
        assert_eq!(sent.only().1, limited(query(pk, "NOTICE#", false), 5));
    }
}
