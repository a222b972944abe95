//! A transition: the record, its journal entries and what the head has to know, in one transaction.

use perch_app::ports::{CommitRelease, PortError, Transition};
use perch_aws::store::Table;
use perch_core::journal::What;
use perch_core::phase::Phase;
use perch_core::release::Release;
use serde_json::{Value, json};

use crate::samples::{DIGEST, ID, TABLE, at, entry, ledger, release_in};
use crate::support::{Answer, Recorded, aws, item, key, read};

fn table(answers: impl IntoIterator<Item = Answer>) -> (Table, Recorded) {
    let (sdk, recorded) = aws(answers);
    (Table::new(&sdk, TABLE.into()), recorded)
}

fn transition(release: Release) -> Transition {
    Transition {
        expected_seq: 3,
        fence: release.fence,
        entries: vec![entry(4, What::BakeJudged), entry(5, What::RollbackDecided)],
        release,
    }
}

/// The writes of a commit that succeeds.
async fn writes(release: Release) -> Vec<Value> {
    let (table, sent) = table([Answer::json(&json!({}))]);
    table.commit(&transition(release)).await.unwrap();
    let (operation, body) = sent.only();
    assert_eq!(operation, "TransactWriteItems");
    body["TransactItems"].as_array().unwrap().clone()
}

/// The update of the head by a release whose canary may serve, or not.
fn head(expression: &str, exposed: bool, values: Value) -> Value {
    let mut all = json!({
        ":id": { "S": ID },
        ":fence": { "N": "7" },
        ":exposed": { "BOOL": exposed },
    });
    all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    json!({ "Update": {
        "TableName": TABLE,
        "Key": key("TARGET#news", "HEAD"),
        "UpdateExpression": expression,
        "ConditionExpression": "active = :id AND fence = :fence",
        "ExpressionAttributeValues": all,
    } })
}

fn way_back() -> Value {
    json!({ ":ledger": { "M": serde_json::to_value(attributes(&ledger())).unwrap() } })
}

fn attributes(value: &impl serde::Serialize) -> serde_dynamo::Item {
    serde_dynamo::to_item(value).unwrap()
}

const SERVING: &str = "SET exposed = :exposed, ledger = :ledger";
const OVER: &str = "SET exposed = :exposed REMOVE active, ledger";

#[tokio::test]
async fn a_transition_is_written_as_a_whole() {
    let baking =
        json!({ "name": "Baking", "step": 0, "weight": 10, "since": "2026-11-21T12:01:00Z" });
    let release = release_in(read(baking));
    let record = format!("RELEASE#{ID}");
    let put = |item: Value, condition: &str, values: Value| {
        let mut put = json!({ "TableName": TABLE, "Item": item, "ConditionExpression": condition });
        if !values.is_null() {
            put["ExpressionAttributeValues"] = values;
        }
        json!({ "Put": put })
    };
    let expected = [
        put(item(&record, "RECORD", &release), "seq = :seq", json!({ ":seq": { "N": "3" } })),
        head(SERVING, true, way_back()),
        put(
            item(&record, "JOURNAL#0000000004", &entry(4, What::BakeJudged)),
            "attribute_not_exists(pk)",
            Value::Null,
        ),
        put(
            item(&record, "JOURNAL#0000000005", &entry(5, What::RollbackDecided)),
            "attribute_not_exists(pk)",
            Value::Null,
        ),
    ];
    assert_eq!(writes(release).await, expected);
}

#[tokio::test]
async fn a_canary_is_exposed_from_the_intent_to_shift() {
    for (phase, exposed) in [
        (json!({ "name": "Preparing" }), false),
        (json!({ "name": "Shifting", "step": 0, "weight": 10 }), true),
        (json!({ "name": "Promoting" }), true),
    ] {
        let writes = writes(release_in(read(phase))).await;
        assert_eq!(writes[1], head(SERVING, exposed, way_back()));
        assert_eq!(writes.len(), 4);
    }
}

#[tokio::test]
async fn a_release_without_a_ledger_leaves_none() {
    let release = Release { ledger: None, ..release_in(Phase::Pending) };
    assert_eq!(writes(release).await[1], head("SET exposed = :exposed", false, json!({})));
}

#[tokio::test]
async fn a_release_that_ended_gives_the_target_back_and_says_how() {
    for phase in [
        json!({ "name": "Promoted" }),
        json!({ "name": "RolledBack", "cause": { "kind": "error", "error": "x" } }),
        json!({ "name": "Rejected", "why": "x" }),
        json!({ "name": "Superseded", "by": null }),
    ] {
        let ended = Release {
            ended_at: Some(at("2026-11-21T13:00:00Z")),
            ..release_in(read(phase.clone()))
        };
        let writes = writes(ended).await;
        assert_eq!(writes[1], head(OVER, false, json!({})));
        let outcome = json!({ "Update": {
            "TableName": TABLE,
            "Key": key("TARGET#news", &format!("ARTIFACT#{DIGEST}")),
            "UpdateExpression": "SET #release = :id, outcome = :outcome",
            "ExpressionAttributeNames": { "#release": "release" },
            "ExpressionAttributeValues": {
                ":id": { "S": ID },
                ":outcome": { "S": phase["name"] },
            },
        } });
        assert_eq!(writes[4..], [outcome]);
    }
}

#[tokio::test]
async fn a_stuck_release_keeps_the_target_and_the_way_back() {
    let stuck = json!({ "name": "Stuck", "why": "traffic could not be restored" });
    let writes = writes(release_in(read(stuck))).await;
    assert_eq!(writes[1], head(SERVING, true, way_back()));
    let outcome = &writes[4]["Update"]["ExpressionAttributeValues"][":outcome"];
    assert_eq!(outcome, &json!({ "S": "Stuck" }));
}

#[tokio::test]
async fn a_stale_writer_is_told_so() {
    let failed = json!({ "Code": "ConditionalCheckFailed" });
    let fine = json!({ "Code": "None" });
    for place in [0, 1, 2] {
        let mut reasons = vec![fine.clone(); 4];
        reasons[place] = failed.clone();
        let (table, _) = table([Answer::canceled(&reasons)]);
        let error = table.commit(&transition(release_in(Phase::Promoting))).await.unwrap_err();
        let PortError::Conflict { what, .. } = &error else { panic!("{error:?}") };
        assert_eq!(what, &format!("release {ID}"));
    }
}

#[tokio::test]
async fn what_may_pass_is_no_conflict() {
    let collided = json!({ "Code": "TransactionConflict" });
    let answers = [
        Answer::canceled(&[collided]),
        Answer::error(400, "ProvisionedThroughputExceededException", "slow down"),
        Answer::error(500, "InternalServerError", "oops"),
    ];
    for answer in answers {
        let (table, _) = table([answer]);
        let error = table.commit(&transition(release_in(Phase::Promoting))).await.unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    }
}
