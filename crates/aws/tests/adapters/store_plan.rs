//! A new release: one transaction, and what each refused condition of it means.

use perch_app::ports::{PlanRelease, Planned, PortError};
use perch_core::journal::What;
use perch_core::release::Release;
use perch_core::stop::Stop;
use serde_json::{Value, json};

use crate::samples::{
    DIGEST, ID, TABLE, condition_failed, done, entry, planned, refused_at, table, writes,
};
use crate::support::{Answer, item, key, read};

/// How many writes a new release is.
const WRITES: usize = 8;

async fn plan(answer: Answer) -> Result<Planned, PortError> {
    let (table, _) = table([answer]);
    table.plan(&planned(), &entry(1, What::ReleasePlanned)).await
}

/// The first condition that was refused, and what was there.
fn refused(place: usize, found: &Value) -> Answer {
    refused_at(place, WRITES, &condition_failed(found))
}

#[tokio::test]
async fn a_release_is_recorded_with_its_target_in_one_transaction() {
    let (table, sent) = table([done()]);
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
    let artifact = json!({ "release": ID });
    let mut trace = item(
        "EVENT#e-1",
        "news",
        &json!({
            "event": "e-1",
            "target": "news",
            "at": "2026-11-21T12:00:00Z",
            "subject": "news:v2 (7f5b2640fe6f)",
            "release": ID,
            "why": null,
        }),
    );
    trace["expiresAt"] = json!({ "N": "1797854401" });
    let head = json!({ "Update": {
        "TableName": TABLE,
        "Key": key("TARGET#news", "HEAD"),
        "UpdateExpression":
            "SET target = :target, fence = :fence, active = :active, exposed = :exposed, \
             due = :due, dueAt = :dueAt REMOVE ledger",
        "ConditionExpression": "attribute_not_exists(active) AND attribute_not_exists(stopped) \
            AND (attribute_not_exists(pk) OR fence = :before)",
        "ExpressionAttributeValues": {
            ":target": { "S": "news" },
            ":fence": { "N": "7" },
            ":before": { "N": "6" },
            ":active": { "S": ID },
            ":exposed": { "BOOL": false },
            ":due": { "S": "DUE" },
            // The sweep looks again five minutes after the start.
            ":dueAt": { "S": "2026-11-21T12:05:01.250000000Z" },
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
        json!({ "ConditionCheck": {
            "TableName": TABLE,
            "Key": key("INSTALLATION", "STOP"),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        } }),
        put(item(&record, "JOURNAL#0000000001", &first), new),
        put(item("TARGET#news", &format!("RELEASE#{stamp}#{ID}"), &listed), json!({})),
        put(item("RELEASES#2026-11", &format!("{stamp}#{ID}"), &listed), json!({})),
        put(trace, json!({})),
    ]);
    assert_eq!(expected.as_array().unwrap().len(), WRITES);
    let (operation, mut body) = sent.only();
    assert_eq!(operation, "TransactWriteItems");
    // The SDK makes a token, so that a try that was cut off is not done twice.
    assert!(body.as_object_mut().unwrap().remove("ClientRequestToken").is_some());
    assert_eq!(body, json!({ "TransactItems": expected }));
}

#[tokio::test]
async fn the_first_release_of_a_target_follows_fence_zero() {
    let (table, sent) = table([done()]);
    let release = Release { fence: 1, ..planned() };
    table.plan(&release, &entry(1, What::ReleasePlanned)).await.unwrap();
    let writes = writes(&sent);
    let values = &writes[2]["Update"]["ExpressionAttributeValues"];
    assert_eq!((&values[":before"]["N"], &values[":fence"]["N"]), (&json!("0"), &json!("1")));
}

/// A person may release an artifact again after any end, but not twice at once.
#[tokio::test]
async fn a_person_may_release_an_artifact_again() {
    let person = json!({
        "kind": "person",
        "by": "ada",
        "reason": "the fix",
        "at": "2026-11-21T12:00:00Z",
    });
    let release = Release { cause: read(person), ..planned() };
    let (table, sent) = table([done()]);
    table.plan(&release, &entry(1, What::ReleasePlanned)).await.unwrap();
    let writes = writes(&sent);
    let artifact = &writes[1]["Put"];
    assert_eq!(
        artifact["ConditionExpression"],
        "attribute_not_exists(pk) OR attribute_exists(outcome)"
    );
    // Null would exist: a release that goes on has no outcome at all.
    assert!(artifact["Item"].get("outcome").is_none(), "{artifact}");
    let trace = &writes[7]["Put"]["Item"];
    assert_eq!(trace["pk"], json!({ "S": "EVENT#ada at 2026-11-21T12:00:00Z" }));
}

#[tokio::test]
async fn a_record_that_exists_is_the_same_event_again() {
    let found = item(&format!("RELEASE#{ID}"), "RECORD", &planned());
    assert_eq!(plan(refused(0, &found)).await.unwrap(), Planned::Repeated);
}

#[tokio::test]
async fn a_repeated_event_is_one_although_its_release_holds_target_and_artifact() {
    let failed = condition_failed(&json!({ "active": { "S": ID }, "release": { "S": ID } }));
    let mut reasons = vec![failed; 5];
    reasons.resize(WRITES, json!({ "Code": "None" }));
    assert_eq!(plan(Answer::canceled(&reasons)).await.unwrap(), Planned::Repeated);
}

#[tokio::test]
async fn an_artifact_has_one_release() {
    for (outcome, text) in [
        (Some("RolledBack"), "ended RolledBack"),
        (Some("Promoted"), "ended Promoted"),
        (None, "not ended yet"),
    ] {
        let mut artifact = json!({ "release": "news-earlier" });
        if let Some(outcome) = outcome {
            artifact["outcome"] = json!(outcome);
        }
        let found = item("TARGET#news", "ARTIFACT#sha256:..", &artifact);
        let expected = Planned::AlreadyReleased {
            by: "news-earlier".parse().unwrap(),
            outcome: text.to_owned(),
        };
        assert_eq!(plan(refused(1, &found)).await.unwrap(), expected);
    }
}

fn stop(by: &str) -> Stop {
    read(json!({ "by": by, "reason": "incident 12", "at": "2026-11-21T11:00:00Z" }))
}

#[tokio::test]
async fn a_held_target_is_busy() {
    let head = json!({ "target": "news", "fence": 6, "active": "news-earlier" });
    let expected = Planned::Busy { active: "news-earlier".parse().unwrap() };
    let found = item("TARGET#news", "HEAD", &head);
    assert_eq!(plan(refused(2, &found)).await.unwrap(), expected);
}

/// Nothing makes room for an artifact that can't start: a stop counts before the release that holds
/// the target.
#[tokio::test]
async fn a_stop_counts_before_the_release_that_holds_the_target() {
    let mut head = json!({ "target": "news", "fence": 6, "active": "news-earlier" });
    let held = condition_failed(&item("TARGET#news", "HEAD", &head));
    head["stopped"] = json!(stop("ada"));
    let stopped = item("TARGET#news", "HEAD", &head);
    assert_eq!(plan(refused(2, &stopped)).await.unwrap(), Planned::Stopped(stop("ada")));

    let mut reasons = vec![json!({ "Code": "None" }); WRITES];
    reasons[2] = held;
    reasons[3] = condition_failed(&item("INSTALLATION", "STOP", &stop("bob")));
    let planned = plan(Answer::canceled(&reasons)).await.unwrap();
    assert_eq!(planned, Planned::Stopped(stop("bob")));
}

#[tokio::test]
async fn a_stopped_target_and_a_stop_of_all_take_no_release() {
    let head = json!({ "target": "news", "fence": 6, "stopped": stop("ada") });
    let found = item("TARGET#news", "HEAD", &head);
    assert_eq!(plan(refused(2, &found)).await.unwrap(), Planned::Stopped(stop("ada")));
    let found = item("INSTALLATION", "STOP", &stop("bob"));
    assert_eq!(plan(refused(3, &found)).await.unwrap(), Planned::Stopped(stop("bob")));
}

#[tokio::test]
async fn a_free_target_with_another_fence_is_a_conflict() {
    let head = json!({ "target": "news", "fence": 9 });
    let found = item("TARGET#news", "HEAD", &head);
    let error = plan(refused(2, &found)).await.unwrap_err();
    assert!(matches!(&error, PortError::Conflict { .. }), "{error:?}");
    assert!(error.to_string().starts_with("item TARGET#news/HEAD was changed"), "{error}");
}

#[tokio::test]
async fn a_collision_of_transactions_may_pass() {
    let collided = json!({ "Code": "TransactionConflict", "Message": "ongoing" });
    let error = plan(refused_at(2, WRITES, &collided)).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_right_is_denied() {
    let error = plan(Answer::error(400, "AccessDeniedException", "no")).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}
