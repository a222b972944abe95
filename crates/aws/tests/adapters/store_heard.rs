//! What a target has heard of: a set of names per source.

use std::collections::BTreeSet;

use perch_app::ports::{Heard, KeepHeard, PortError};
use perch_core::names::{TargetName, Version};
use perch_core::target::ModelSource;
use serde_json::{Value, json};

use crate::samples::{TABLE, done, table};
use crate::support::{Answer, key, read};

fn news() -> TargetName {
    "news".parse().unwrap()
}

fn source() -> ModelSource {
    read(json!({ "bucket": "models", "prefix": "/models/news/" }))
}

fn versions(names: &[&str]) -> BTreeSet<Version> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn request(fields: Value) -> Value {
    let mut body =
        json!({ "TableName": TABLE, "Key": key("TARGET#news", "HEARD#models/models/news") });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn what_was_heard_of_is_read_as_last_written() {
    let names = json!({ "versions": { "SS": ["v10", "v9"] }, "swept": { "BOOL": true } });
    for (answer, versions, swept) in [
        (json!({ "Item": names }), versions(&["v9", "v10"]), true),
        (json!({ "Item": { "versions": { "SS": ["v9"] } } }), versions(&["v9"]), false),
        (json!({ "Item": { "swept": { "BOOL": true } } }), versions(&[]), true),
        (json!({}), versions(&[]), false),
    ] {
        let (table, sent) = table([Answer::json(&answer)]);
        let found = table.heard(&news(), &source()).await.unwrap();
        assert_eq!(found, Heard { versions, swept });
        assert_eq!(sent.only(), ("GetItem".into(), request(json!({ "ConsistentRead": true }))));
    }
}

#[tokio::test]
async fn a_version_is_added_whatever_else_is_added_at_the_same_time() {
    let (table, sent) = table([done()]);
    table.hear(&news(), &source(), &"v9".parse().unwrap()).await.unwrap();
    let expected = request(json!({
        "UpdateExpression": "ADD versions :version",
        "ExpressionAttributeValues": { ":version": { "SS": ["v9"] } },
    }));
    assert_eq!(sent.only(), ("UpdateItem".into(), expected));
}

#[tokio::test]
async fn a_sweep_writes_all_and_no_empty_set() {
    for (names, expected) in [
        (
            &["v9", "v10"][..],
            json!({
                "UpdateExpression": "SET swept = :swept, versions = :versions",
                "ExpressionAttributeValues": {
                    ":swept": { "BOOL": true }, ":versions": { "SS": ["v10", "v9"] },
                },
            }),
        ),
        (
            &[],
            json!({
                "UpdateExpression": "SET swept = :swept REMOVE versions",
                "ExpressionAttributeValues": { ":swept": { "BOOL": true } },
            }),
        ),
    ] {
        let (table, sent) = table([done()]);
        table.swept(&news(), &source(), &versions(names)).await.unwrap();
        assert_eq!(sent.only(), ("UpdateItem".into(), request(expected)));
    }
}

#[tokio::test]
async fn a_missing_right_is_said() {
    let denied = || Answer::error(400, "AccessDeniedException", "no");
    let (table, _) = table([denied(), denied(), denied()]);
    let (news, source) = (news(), source());
    for error in [
        table.heard(&news, &source).await.unwrap_err(),
        table.hear(&news, &source, &"v9".parse().unwrap()).await.unwrap_err(),
        table.swept(&news, &source, &versions(&[])).await.unwrap_err(),
    ] {
        assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
    }
}
