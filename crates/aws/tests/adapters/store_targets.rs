//! A target and the index items that lead to it, in one transaction.

use perch_app::ports::{PortError, SaveTarget};
use perch_core::target::Target;
use serde_json::{Value, json};

use crate::samples::{TABLE, at, done, refused_at, table, target, update_of_head, writes};
use crate::support::{Answer, item, key, read};

/// What was pushed before a source was one is no missed event.
const MOVED: &str = "seen = :seen";
const NOW: &str = "2026-11-21T12:00:00Z";

async fn save(answer: Answer, before: Option<&Target>, after: &Target) -> Result<Value, PortError> {
    let (table, sent) = table([answer]);
    table.save_target(after, before, at(NOW)).await?;
    Ok(writes(&sent))
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

/// The target is due for the sweep now. Where its sources are as before, so is what it has seen.
fn head(seen: &str) -> Value {
    let expression = format!(
        "SET target = :target, fence = if_not_exists(fence, :fence), due = :due, dueAt = :dueAt, {seen}"
    );
    let now = json!({ "S": "2026-11-21T12:00:00.000000000Z" });
    let (_, update) = update_of_head(json!({
        "UpdateExpression": expression,
        "ExpressionAttributeValues": {
            ":target": { "S": "news" },
            ":fence": { "N": "0" },
            ":due": { "S": "DUE" },
            ":dueAt": now,
            ":seen": now,
        },
    }));
    json!({ "Update": update })
}

/// The writes of a target without what only one of them has.
fn always(target: &Target) -> Vec<Value> {
    writes_with("seen = if_not_exists(seen, :seen)", target)
}

fn writes_with(seen: &str, target: &Target) -> Vec<Value> {
    vec![
        put(item("TARGET#news", "SPEC", target)),
        put(item("TARGETS", "news", target)),
        claim("live"),
        head(seen),
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
    let mut expected = writes_with(MOVED, &target());
    expected.push(delete("SOURCE#s3#models", "TARGET#news"));
    expected.push(delete("GUARD#news-latency", "TARGET#news"));
    let writes = save(done(), Some(&before), &target()).await.unwrap();
    assert_eq!(writes, json!(expected));
}

#[tokio::test]
async fn globs_are_replaced_in_place() {
    let before = with("/sources/image/tags", json!(["*"]));
    let writes = save(done(), Some(&before), &target()).await.unwrap();
    assert_eq!(writes, json!(writes_with(MOVED, &target())));
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
    let taken = json!({ "Code": "ConditionalCheckFailed" });
    let error = save(refused_at(2, 6, &taken), None, &target()).await.unwrap_err();
    assert!(matches!(error, PortError::Conflict { .. }), "{error:?}");
}
