//! A new release: one transaction, and what each refused condition of it means.

use perch_app::ports::{PlanRelease, Planned, PortError};
use perch_aws::store::Table;
use perch_core::journal::What;
use perch_core::release::Release;
use serde_json::{Value, json};

use crate::samples::{DIGEST, ID, TABLE, entry, planned};
use crate::support::{Answer, Recorded, aws, item, key};

fn table(answers: impl IntoIterator<Item = Answer>) -> (Table, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Table::new(&sdk, TABLE.into()), recorded)
}

async fn plan(answer: Answer) -> Result<Planned, PortError> {
    let (table, _) = table([answer]);
    table.plan(&planned(), &entry(1, What::ReleasePlanned)).await
}

/// The reasons of a transaction of six writes, of which one was refused.
fn refused(place: usize, reason: &Value) -> Answer {
    let fine = json!({ "Code": "None" });
    let mut reasons = vec![fine; 6];
    reasons[place] = reason.clone();
    Answer::canceled(&reasons)
}

fn condition_failed(found: Value) -> Value {
    json!({
        "Code": "ConditionalCheckFailed",
        "Message": "The conditional request failed",
        "Item": found,
    })
}

#[tokio::test]
async fn a_release_is_recorded_with_its_target_in_one_transaction() {
    let (table, sent) = table([Answer::json(&json!({}))]);
    let (release, first) = (planned(), entry(1, What::ReleasePlanned));
    assert_eq!(table.plan(&release, &first).await.unwrap(), Planned::Created);

    let put = |item: Value, more: Value| {
        let mut put = json!({ "TableName": TABLE, "Item": item });
        put.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "Put": put })
    };
    let new = json!({ "ConditionExpression": "attribute_not_exists(pk)" });
    let record = format!("RELEASE#{ID}");
    let listed = json!({ "release": ID });
    let stamp = "2026-11-21T12:00:01.250Z";
    let artifact = json!({ "release": ID, "outcome": null });
    let head = json!({ "Update": {
        "TableName": TABLE,
        "Key": key("TARGET#news", "HEAD"),
        "UpdateExpression":
            "SET target = :target, fence = :fence, active = :id, exposed = :no REMOVE ledger",
        "ConditionExpression":
            "attribute_not_exists(active) AND (attribute_not_exists(pk) OR fence = :before)",
        "ExpressionAttributeValues": {
            ":target": { "S": "news" },
            ":fence": { "N": "7" },
            ":before": { "N": "6" },
            ":id": { "S": ID },
            ":no": { "BOOL": false },
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    } });
    let expected = json!([
        put(item(&record, "RECORD", &release), new.clone()),
        put(
            item("TARGET#news", &format!("ARTIFACT#{DIGEST}"), &artifact),
            json!({
                "ConditionExpression":
                    "attribute_not_exists(pk) OR outcome IN (:rejected, :superseded)",
                "ExpressionAttributeValues": {
                    ":rejected": { "S": "Rejected" },
                    ":superseded": { "S": "Superseded" },
                },
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }),
        ),
        head,
        put(item(&record, "JOURNAL#0000000001", &first), new),
        put(item("TARGET#news", &format!("RELEASE#{stamp}#{ID}"), &listed), json!({})),
        put(item("RELEASES#2026-11", &format!("{stamp}#{ID}"), &listed), json!({})),
    ]);
    let (operation, mut body) = sent.only();
    assert_eq!(operation, "TransactWriteItems");
    // The SDK makes a token, so that a try that was cut off is not done twice.
    assert!(body.as_object_mut().unwrap().remove("ClientRequestToken").is_some());
    assert_eq!(body, json!({ "TransactItems": expected }));
}

#[tokio::test]
async fn the_first_release_of_a_target_follows_fence_zero() {
    let (table, sent) = table([Answer::json(&json!({}))]);
    let release = Release { fence: 1, ..planned() };
    table.plan(&release, &entry(1, What::ReleasePlanned)).await.unwrap();
    let body = sent.only().1;
    let values = &body["TransactItems"][2]["Update"]["ExpressionAttributeValues"];
    assert_eq!((&values[":before"]["N"], &values[":fence"]["N"]), (&json!("0"), &json!("1")));
}

#[tokio::test]
async fn a_record_that_exists_is_the_same_event_again() {
    let found = condition_failed(item(&format!("RELEASE#{ID}"), "RECORD", &planned()));
    assert_eq!(plan(refused(0, &found)).await.unwrap(), Planned::Repeated);
}

#[tokio::test]
async fn a_repeated_event_is_one_although_its_release_holds_target_and_artifact() {
    let failed = condition_failed(json!({ "active": { "S": ID }, "release": { "S": ID } }));
    let fine = json!({ "Code": "None" });
    let reasons = [failed.clone(), failed.clone(), failed.clone(), failed, fine.clone(), fine];
    assert_eq!(plan(Answer::canceled(&reasons)).await.unwrap(), Planned::Repeated);
}

#[tokio::test]
async fn an_artifact_has_one_release() {
    for (outcome, text) in [
        (json!("RolledBack"), "ended RolledBack"),
        (json!("Promoted"), "ended Promoted"),
        (Value::Null, "not ended yet"),
    ] {
        let artifact = json!({ "release": "news-earlier", "outcome": outcome });
        let found = condition_failed(item("TARGET#news", "ARTIFACT#sha256:..", &artifact));
        let expected = Planned::AlreadyReleased {
            by: "news-earlier".parse().unwrap(),
            outcome: text.to_owned(),
        };
        assert_eq!(plan(refused(1, &found)).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_held_target_is_busy() {
    let head = json!({ "target": "news", "fence": 6, "active": "news-earlier" });
    let found = condition_failed(item("TARGET#news", "HEAD", &head));
    let expected = Planned::Busy { active: "news-earlier".parse().unwrap() };
    assert_eq!(plan(refused(2, &found)).await.unwrap(), expected);
}

#[tokio::test]
async fn a_free_target_with_another_fence_is_a_conflict() {
    let head = json!({ "target": "news", "fence": 9 });
    let found = condition_failed(item("TARGET#news", "HEAD", &head));
    let error = plan(refused(2, &found)).await.unwrap_err();
    assert!(matches!(&error, PortError::Conflict { .. }), "{error:?}");
    assert!(error.to_string().starts_with("item TARGET#news/HEAD was changed"), "{error}");
}

#[tokio::test]
async fn a_collision_of_transactions_may_pass() {
    let collided = json!({ "Code": "TransactionConflict", "Message": "ongoing" });
    let error = plan(refused(2, &collided)).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_right_is_denied() {
    let error = plan(Answer::error(400, "AccessDeniedException", "no")).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}
