//! The head: taking the fence, and the artifact that waits.

use perch_app::ports::{PortError, TakeFence, WaitForTurn};
use perch_aws::store::Table;
use perch_core::head::Waiting;
use serde_json::{Value, json};

use crate::samples::{ID, TABLE, at, head, image};
use crate::support::{Answer, Recorded, aws, item, key, read};

fn table(answers: impl IntoIterator<Item = Answer>) -> (Table, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Table::new(&sdk, TABLE.into()), recorded)
}

fn refused() -> Answer {
    let code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    Answer::error(400, code, "The conditional request failed")
}

fn update(fields: Value) -> (String, Value) {
    let mut body = json!({ "TableName": TABLE, "Key": key("TARGET#news", "HEAD") });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ("UpdateItem".into(), body)
}

fn waiting() -> Waiting {
    Waiting {
        artifact: read(image()),
        event: "e-2".into(),
        pushed_at: at("2026-11-21T12:05:00.5Z"),
    }
}

#[tokio::test]
async fn the_fence_of_an_exposed_target_is_one_conditional_write() {
    let (table, sent) =
        table([Answer::json(&json!({ "Attributes": item("TARGET#news", "HEAD", &head()) }))]);
    assert_eq!(table.take_fence(&"news".parse().unwrap(), None).await.unwrap(), Some(head()));
    let expected = update(json!({
        "UpdateExpression": "SET fence = fence + :one",
        "ConditionExpression": "attribute_exists(active) AND exposed = :yes",
        "ExpressionAttributeValues": { ":one": { "N": "1" }, ":yes": { "BOOL": true } },
        "ReturnValues": "ALL_NEW",
    }));
    assert_eq!(sent.only(), expected);
}

#[tokio::test]
async fn the_fence_of_a_release_is_taken_while_it_holds_the_target() {
    let (table, sent) =
        table([Answer::json(&json!({ "Attributes": item("TARGET#news", "HEAD", &head()) }))]);
    let holder = ID.parse().unwrap();
    let taken = table.take_fence(&"news".parse().unwrap(), Some(&holder)).await.unwrap();
    assert_eq!(taken, Some(head()));
    let expected = update(json!({
        "UpdateExpression": "SET fence = fence + :one",
        "ConditionExpression": "active = :holder",
        "ExpressionAttributeValues": { ":one": { "N": "1" }, ":holder": { "S": ID } },
        "ReturnValues": "ALL_NEW",
    }));
    assert_eq!(sent.only(), expected);
}

#[tokio::test]
async fn a_refused_fence_is_none_and_an_error_is_an_error() {
    let news = "news".parse().unwrap();
    for holder in [None, Some(ID.parse().unwrap())] {
        let (table, _) = table([refused()]);
        assert_eq!(table.take_fence(&news, holder.as_ref()).await.unwrap(), None);
    }
    let (table, _) = table([Answer::error(400, "AccessDeniedException", "no")]);
    let error = table.take_fence(&news, None).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn the_newest_artifact_waits() {
    let (kept, sent) = table([Answer::json(&json!({}))]);
    assert!(kept.wait_for_turn(&"news".parse().unwrap(), &waiting()).await.unwrap());
    let artifact = serde_json::to_value(item("p", "s", &waiting())).unwrap();
    let expected = update(json!({
        "UpdateExpression": "SET waiting = :waiting",
        "ConditionExpression":
            "attribute_exists(pk) AND (attribute_not_exists(waiting) OR waiting.pushedAt <= :at)",
        "ExpressionAttributeValues": {
            ":waiting": { "M": {
                "artifact": artifact["artifact"],
                "event": { "S": "e-2" },
                "pushedAt": { "S": "2026-11-21T12:05:00.5Z" },
            } },
            ":at": { "S": "2026-11-21T12:05:00.5Z" },
        },
    }));
    assert_eq!(sent.only(), expected);

    let (newer, _) = table([refused()]);
    assert!(!newer.wait_for_turn(&"news".parse().unwrap(), &waiting()).await.unwrap());
}

#[tokio::test]
async fn only_the_artifact_that_got_its_release_is_forgotten() {
    for answer in [Answer::json(&json!({})), refused()] {
        let (table, sent) = table([answer]);
        let news = "news".parse().unwrap();
        table.forget_waiting(&news, waiting().pushed_at).await.unwrap();
        let expected = update(json!({
            "UpdateExpression": "REMOVE waiting",
            "ConditionExpression": "waiting.pushedAt = :at",
            "ExpressionAttributeValues": { ":at": { "S": "2026-11-21T12:05:00.5Z" } },
        }));
        assert_eq!(sent.only(), expected);
    }
    let (table, _) = table([Answer::error(400, "ThrottlingException", "slow down")]);
    let news = "news".parse().unwrap();
    let error = table.forget_waiting(&news, waiting().pushed_at).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}
