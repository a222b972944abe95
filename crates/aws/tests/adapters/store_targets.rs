//! A target and the index items that lead to it, in one transaction.

use perch_app::ports::{PortError, SaveTarget};
use perch_aws::store::Table;
use perch_core::target::Target;
use serde_json::{Value, json};

use crate::samples::{TABLE, target};
use crate::support::{Answer, aws, item, key, read};

async fn save(answer: Answer, before: Option<&Target>, after: &Target) -> Result<Value, PortError> {
    let (sdk, sent) = aws([answer]);
    Table::new(&sdk, TABLE.into()).save_target(after, before).await?;
    let (operation, body) = sent.only();
    assert_eq!(operation, "TransactWriteItems");
    Ok(body["TransactItems"].clone())
}

fn put(item: Value) -> Value {
    json!({ "Put": { "TableName": TABLE, "Item": item } })
}

fn delete(pk: &str, sk: &str) -> Value {
    json!({ "Delete": { "TableName": TABLE, "Key": key(pk, sk) } })
}

fn claim(alias: &str) -> Value {
    let key = format!("SERVICE#lambda#news#{alias}");
    json!({ "Put": {
        "TableName": TABLE,
        "Item": item(&key, "TARGET", &json!({ "target": "news" })),
        "ConditionExpression": "attribute_not_exists(pk) OR target = :name",
        "ExpressionAttributeValues": { ":name": { "S": "news" } },
    } })
}

fn index(pk: &str, globs: &[&str]) -> Value {
    put(item(pk, "TARGET#news", &json!({ "target": "news", "globs": globs })))
}

/// The writes of a target without what only one of them has.
fn always(target: &Target) -> Vec<Value> {
    vec![
        put(item("TARGET#news", "SPEC", target)),
        put(item("TARGETS", "news", target)),
        claim("live"),
        index("SOURCE#ecr#news", &["v*", "release-*"]),
        index("GUARD#news-errors", &[]),
    ]
}

/// The usual target with one field replaced.
fn with(pointer: &str, value: Value) -> Target {
    let mut json = serde_json::to_value(target()).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    read(json)
}

fn done() -> Answer {
    Answer::json(&json!({}))
}

#[tokio::test]
async fn a_target_claims_its_alias_and_is_found_by_source_and_guard() {
    let writes = save(done(), None, &target()).await.unwrap();
    assert_eq!(writes, json!(always(&target())));
}

#[tokio::test]
async fn an_unchanged_target_takes_nothing_away() {
    let writes = save(done(), Some(&target()), &target()).await.unwrap();
    assert_eq!(writes, json!(always(&target())));
}

#[tokio::test]
async fn index_items_that_only_the_old_target_had_are_removed() {
    let sources = json!({ "package": { "bucket": "models", "keys": ["*.zip"] } });
    let mut before = with("/guards", json!(["news-errors", "news-latency"]));
    before.sources = read(sources);
    let mut expected = always(&target());
    expected.push(delete("SOURCE#s3#models", "TARGET#news"));
    expected.push(delete("GUARD#news-latency", "TARGET#news"));
    let writes = save(done(), Some(&before), &target()).await.unwrap();
    assert_eq!(writes, json!(expected));
}

#[tokio::test]
async fn globs_are_replaced_in_place() {
    let before = with("/sources/image/tags", json!(["*"]));
    let writes = save(done(), Some(&before), &target()).await.unwrap();
    assert_eq!(writes, json!(always(&target())));
}

#[tokio::test]
async fn a_target_that_moved_gives_its_alias_up() {
    let before = with("/service/lambda/alias", json!("old"));
    let mut expected = always(&target());
    expected.push(delete("SERVICE#lambda#news#old", "TARGET"));
    let writes = save(done(), Some(&before), &target()).await.unwrap();
    assert_eq!(writes, json!(expected));
}

#[tokio::test]
async fn an_alias_of_another_target_is_a_conflict() {
    let fine = json!({ "Code": "None" });
    let taken = json!({ "Code": "ConditionalCheckFailed" });
    let reasons = [fine.clone(), fine.clone(), taken, fine.clone(), fine];
    let error = save(Answer::canceled(&reasons), None, &target()).await.unwrap_err();
    assert!(matches!(error, PortError::Conflict { .. }), "{error:?}");
}
