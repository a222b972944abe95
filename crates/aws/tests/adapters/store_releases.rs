//! A transition: the record, its journal entries and what the head has to know, in one transaction.

use perch_app::ports::{CommitRelease, PortError, Transition};
use perch_core::journal::What;
use perch_core::phase::Phase;
use perch_core::release::Release;
use serde_json::{Value, json};

use crate::samples::{DIGEST, ID, TABLE, at, done, entry, ledger, refused_at, release_in, table};
use crate::support::{Answer, item, key, read};

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
    let (table, sent) = table([done()]);
    table.commit(&transition(release)).await.unwrap();
    crate::samples::writes(&sent).as_array().unwrap().clone()
}

/// The update of the head by a release whose canary may serve, or not.
fn head(expression: &str, exposed: bool, values: Value) -> Value {
    let mut all = json!({
        ":id": { "S": ID },
        ":held": { "N": "7" },
        ":exposed": { "BOOL": exposed },
    });
    all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    json!({ "Update": {
        "TableName": TABLE,
        "Key": key("TARGET#news", "HEAD"),
        "UpdateExpression": expression,
        "ConditionExpression": "active = :id AND fence = :held",
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
const OVER: &str = "SET exposed = :exposed, fence = :fence REMOVE active, ledger";

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
        put(
            item(&record, "RECORD", &release),
            "seq = :seq AND (attribute_not_exists(kept) OR kept <= :kept)",
            json!({ ":seq": { "N": "3" }, ":kept": { "N": "0" } }),
        ),
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

/// A person's way back has no guards: no alarm takes it away.
#[tokio::test]
async fn a_canary_without_guards_is_not_exposed_to_alarms() {
    let baking =
        json!({ "name": "Baking", "step": 0, "weight": 10, "since": "2026-11-21T12:01:00Z" });
    let mut release = release_in(read(baking));
    release.plan.guards.clear();
    assert_eq!(writes(release).await[1], head(SERVING, false, way_back()));
}

#[tokio::test]
async fn a_release_without_a_ledger_leaves_none() {
    let release = Release { ledger: None, ..release_in(Phase::Pending) };
    assert_eq!(
        writes(release).await[1],
        head("SET exposed = :exposed REMOVE ledger", false, json!({}))
    );
}

/// The end of a release raises the fence: who read the head before decides again.
fn over(expression: &str, values: Value) -> Value {
    let mut all = json!({ ":fence": { "N": "8" } });
    all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    head(expression, false, all)
}

#[tokio::test]
async fn a_release_that_ended_gives_the_target_back_and_says_how() {
    let serving = attributes(&release_in(Phase::Promoted).serving().unwrap());
    let promoted = json!({
        ":serving": { "M": serde_json::to_value(serving).unwrap() },
        ":horizon": { "S": "2026-11-21T12:00:00.000000000Z" },
    });
    for (phase, head) in [
        (
            json!({ "name": "Promoted" }),
            over(
                "SET exposed = :exposed, fence = :fence, serving = :serving, horizon = :horizon \
                 REMOVE active, ledger, drift",
                promoted,
            ),
        ),
        (
            json!({ "name": "RolledBack", "cause": { "kind": "error", "error": "x" } }),
            over(OVER, json!({})),
        ),
        (json!({ "name": "Rejected", "why": "x" }), over(OVER, json!({}))),
        (json!({ "name": "Superseded", "by": "news-2" }), over(OVER, json!({}))),
        (
            json!({ "name": "Superseded", "by": null }),
            over(
                "SET exposed = :exposed, fence = :fence REMOVE active, ledger, serving",
                json!({}),
            ),
        ),
    ] {
        let ended = Release {
            ended_at: Some(at("2026-11-21T13:00:00Z")),
            ..release_in(read(phase.clone()))
        };
        let writes = writes(ended).await;
        assert_eq!(writes[1], head);
        let outcome = json!({ "release": ID, "outcome": phase["name"] });
        let outcome = item("TARGET#news", &format!("ARTIFACT#{DIGEST}"), &outcome);
        assert_eq!(writes[4..], [json!({ "Put": { "TableName": TABLE, "Item": outcome } })]);
    }
}

#[tokio::test]
async fn a_stuck_release_keeps_the_target_and_the_way_back() {
    let stuck = json!({ "name": "Stuck", "why": "traffic could not be restored" });
    let writes = writes(release_in(read(stuck))).await;
    assert_eq!(writes[1], head(SERVING, true, way_back()));
    assert_eq!(writes[4]["Put"]["Item"]["outcome"], json!({ "S": "Stuck" }));
}

#[tokio::test]
async fn a_stale_writer_is_told_so() {
    let failed = json!({ "Code": "ConditionalCheckFailed" });
    for place in [0, 1, 2] {
        let (table, _) = table([refused_at(place, 4, &failed)]);
        let release = release_in(read(json!({ "name": "Promoting" })));
        let error = table.commit(&transition(release)).await.unwrap_err();
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
        let release = release_in(read(json!({ "name": "Promoting" })));
        let error = table.commit(&transition(release)).await.unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    }
}
