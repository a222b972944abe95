//! The head: reading it with the stop that holds, and taking the fence.

use perch_app::ports::{Claim, LoadStanding, PortError, Standing, TakeFence};
use perch_core::head::Head;
use perch_core::names::ReleaseId;
use perch_core::stop::Stop;
use serde_json::{Value, json};

use crate::samples::{ID, TABLE, at, head, refused, table, update_of_head};
use crate::support::{Answer, item, key, read};

fn taken() -> Answer {
    Answer::json(&json!({ "Attributes": item("TARGET#news", "HEAD", &head()) }))
}

#[tokio::test]
async fn a_guard_takes_the_fence_of_a_release_whose_ledger_is_not_younger() {
    let name = "news".parse().unwrap();
    // An event tells its time in whole seconds: all of that second counts.
    for alarm in ["2026-11-21T12:00:05Z", "2026-11-21T12:00:05.25Z", "2026-11-21T12:00:05.999Z"] {
        let (table, sent) = table([taken()]);
        let claim = Claim::Guard { at: at(alarm) };
        assert_eq!(table.take_fence(&name, claim).await.unwrap(), Some(head()));
        let expected = update_of_head(json!({
            "UpdateExpression": "SET fence = fence + :one",
            "ConditionExpression":
                "attribute_exists(active) AND exposed = :yes AND ledger.takenAt <= :at",
            "ExpressionAttributeValues": {
                ":one": { "N": "1" },
                ":yes": { "BOOL": true },
                ":at": { "S": "2026-11-21T12:00:06.000000000Z" },
            },
            "ReturnValues": "ALL_NEW",
        }));
        assert_eq!(sent.only(), expected, "{alarm}");
    }
}

/// `DynamoDB` compares the texts.
#[test]
fn the_time_of_a_ledger_compares_as_text_with_that_of_an_alarm() {
    let item = item("p", "s", &head());
    let taken = item["ledger"]["M"]["takenAt"]["S"].as_str().unwrap();
    assert_eq!(taken, "2026-11-21T12:00:02.000000000Z");
    assert!(taken < "2026-11-21T12:00:03.000000000Z");
}

#[tokio::test]
async fn the_fence_of_a_release_is_taken_while_it_holds_the_target() {
    let (table, sent) = table([taken()]);
    let holder: ReleaseId = ID.parse().unwrap();
    let claim = Claim::Holder(&holder);
    assert_eq!(table.take_fence(&"news".parse().unwrap(), claim).await.unwrap(), Some(head()));
    let expected = update_of_head(json!({
        "UpdateExpression": "SET fence = fence + :one",
        "ConditionExpression": "active = :holder",
        "ExpressionAttributeValues": { ":one": { "N": "1" }, ":holder": { "S": ID } },
        "ReturnValues": "ALL_NEW",
    }));
    assert_eq!(sent.only(), expected);
}

#[tokio::test]
async fn a_refused_fence_is_none_and_an_error_is_an_error() {
    let (news, holder) = ("news".parse().unwrap(), ID.parse().unwrap());
    let guard = Claim::Guard { at: at("2026-11-21T12:00:05Z") };
    for claim in [guard, Claim::Holder(&holder)] {
        let (table, _) = table([refused(&Value::Null)]);
        assert_eq!(table.take_fence(&news, claim).await.unwrap(), None);
    }
    let (table, _) = table([Answer::error(400, "AccessDeniedException", "no")]);
    let error = table.take_fence(&news, guard).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

fn stop(by: &str) -> Stop {
    read(json!({ "by": by, "reason": "incident 12", "at": "2026-11-21T12:10:00Z" }))
}

fn stopped_head() -> Head {
    Head { stopped: Some(stop("ada")), ..head() }
}

async fn standing(items: &[Value]) -> Standing {
    let answer = json!({ "Responses": { TABLE: items }, "UnprocessedKeys": {} });
    let (table, sent) = table([Answer::json(&answer)]);
    let found = table.standing(&"news".parse().unwrap()).await.unwrap();
    let request = json!({ "RequestItems": { TABLE: {
        "Keys": [key("TARGET#news", "HEAD"), key("INSTALLATION", "STOP")],
        "ConsistentRead": true,
    } } });
    assert_eq!(sent.only(), ("BatchGetItem".into(), request));
    found
}

#[tokio::test]
async fn head_and_stop_are_one_read_in_any_order() {
    let head_item = |head: &Head| item("TARGET#news", "HEAD", head);
    let stop_item = item("INSTALLATION", "STOP", &stop("bob"));
    for (items, expected) in [
        (vec![], Standing { head: None, stop: None }),
        (vec![head_item(&head())], Standing { head: Some(head()), stop: None }),
        (vec![stop_item.clone()], Standing { head: None, stop: Some(stop("bob")) }),
        (
            vec![stop_item.clone(), head_item(&head())],
            Standing { head: Some(head()), stop: Some(stop("bob")) },
        ),
        // The target's own stop is the one that its people know.
        (
            vec![head_item(&stopped_head()), stop_item],
            Standing { head: Some(stopped_head()), stop: Some(stop("ada")) },
        ),
    ] {
        assert_eq!(standing(&items).await, expected);
    }
}

#[tokio::test]
async fn what_a_read_of_both_left_is_asked_for_again() {
    let left = json!({ TABLE: { "Keys": [key("INSTALLATION", "STOP")] } });
    let (table, sent) = table([
        Answer::json(&json!({
            "Responses": { TABLE: [item("TARGET#news", "HEAD", &head())] },
            "UnprocessedKeys": left,
        })),
        Answer::json(&json!({
            "Responses": { TABLE: [item("INSTALLATION", "STOP", &stop("bob"))] },
        })),
    ]);
    let found = table.standing(&"news".parse().unwrap()).await.unwrap();
    assert_eq!(found, Standing { head: Some(head()), stop: Some(stop("bob")) });
    let again = &sent.requests()[1].body["RequestItems"][TABLE];
    assert_eq!(again["Keys"], json!([key("INSTALLATION", "STOP")]));
    assert_eq!(again["ConsistentRead"], true);
}

/// The sweep's attributes stand in the same item and are not the head's own.
#[tokio::test]
async fn when_a_target_is_due_is_no_part_of_its_head() {
    let mut stored = item("TARGET#news", "HEAD", &head());
    stored["due"] = json!({ "S": "DUE" });
    stored["dueAt"] = json!({ "S": "2026-11-21T12:05:00.000000000Z" });
    assert_eq!(standing(&[stored]).await.head, Some(head()));
}
