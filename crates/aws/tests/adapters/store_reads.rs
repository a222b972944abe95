//! Reads: consistent gets, and queries on a key, page by page.

use perch_app::ports::{
    FindTargets, KnownArtifact, ListReleases, LoadArtifact, LoadHead, LoadRelease, LoadTarget,
    PortError, ReadJournal,
};
use perch_core::artifact::Artifact;
use perch_core::journal::What;
use serde_json::{Value, json};

use crate::samples::{DIGEST, ID, TABLE, entry, head, image, planned, table, target};
use crate::support::{Answer, item, key, limited, page, page_before, query, read, whole};

fn get(pk: &str, sk: &str) -> (String, Value) {
    let body = json!({ "TableName": TABLE, "Key": key(pk, sk), "ConsistentRead": true });
    ("GetItem".into(), body)
}

#[tokio::test]
async fn a_record_is_read_as_last_written() {
    let (table, sent) = table([Answer::json(&json!({
        "Item": item(&format!("RELEASE#{ID}"), "RECORD", &planned()),
    }))]);
    assert_eq!(table.release(&ID.parse().unwrap()).await.unwrap(), Some(planned()));
    assert_eq!(sent.only(), get(&format!("RELEASE#{ID}"), "RECORD"));
}

#[tokio::test]
async fn a_head_and_a_target_have_their_keys() {
    let news = "news".parse().unwrap();
    let (heads, sent) =
        table([Answer::json(&json!({ "Item": item("TARGET#news", "HEAD", &head()) }))]);
    assert_eq!(heads.head(&news).await.unwrap(), Some(head()));
    assert_eq!(sent.only(), get("TARGET#news", "HEAD"));

    let (targets, sent) =
        table([Answer::json(&json!({ "Item": item("TARGET#news", "SPEC", &target()) }))]);
    assert_eq!(targets.target(&news).await.unwrap(), Some(target()));
    assert_eq!(sent.only(), get("TARGET#news", "SPEC"));
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let (table, _) = table([Answer::json(&json!({}))]);
    assert_eq!(table.head(&"news".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn an_item_that_is_no_record_is_named() {
    let mut damaged = item("TARGET#news", "HEAD", &head());
    damaged["fence"] = json!({ "S": "seven" });
    let (table, _) = table([Answer::json(&json!({ "Item": damaged }))]);
    let error = table.head(&"news".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
    assert!(error.to_string().starts_with("item TARGET#news/HEAD was refused: "), "{error}");
}

#[tokio::test]
async fn a_missing_right_and_a_throttled_read_are_told_apart() {
    for (status, code, denied) in
        [(400, "AccessDeniedException", true), (400, "ThrottlingException", false)]
    {
        let (table, _) = table([Answer::error(status, code, "not now")]);
        let error = table.head(&"news".parse().unwrap()).await.unwrap_err();
        assert_eq!(matches!(error, PortError::Denied { .. }), denied, "{error:?}");
        assert_eq!(matches!(error, PortError::Unavailable { .. }), !denied, "{error:?}");
    }
}

#[tokio::test]
async fn targets_of_a_source_come_page_by_page() {
    let match_of = |name: &str, globs: Value| {
        let value = json!({ "target": name, "globs": globs });
        item("SOURCE#ecr#news", &format!("TARGET#{name}"), &value)
    };
    let next = key("SOURCE#ecr#news", "TARGET#a");
    let (table, sent) = table([
        page_before(&next, &[match_of("a", json!(["v*"]))]),
        page(&[match_of("b", json!(["*"]))]),
    ]);
    let found = table.by_source(&read(image())).await.unwrap();
    let found: Vec<_> = found.iter().map(|m| (m.target.as_str(), m.globs.join(","))).collect();
    assert_eq!(found, [("a", "v*".to_owned()), ("b", "*".to_owned())]);
    let first = query("SOURCE#ecr#news", "TARGET#", true);
    let mut second = first.clone();
    second["ExclusiveStartKey"] = next;
    let requests = sent.requests();
    assert_eq!(sent.operations(), ["Query", "Query"]);
    assert_eq!((&requests[0].body, &requests[1].body), (&first, &second));
}

#[tokio::test]
async fn packages_are_found_by_their_bucket() {
    let (table, sent) = table([page(&[])]);
    let package: Artifact =
        read(json!({ "kind": "package", "bucket": "models", "key": "a.zip", "version": "v1" }));
    assert_eq!(table.by_source(&package).await.unwrap(), []);
    assert_eq!(sent.only().1, query("SOURCE#s3#models", "TARGET#", true));
}

#[tokio::test]
async fn no_source_announces_a_version() {
    let (table, sent) = table([]);
    let version: Artifact = read(json!({ "kind": "version", "version": "4" }));
    assert_eq!(table.by_source(&version).await.unwrap(), []);
    assert_eq!(sent.requests(), []);
}

#[tokio::test]
async fn what_became_of_an_artifact_is_one_read() {
    let (news, artifact) = ("news".parse().unwrap(), read(image()));
    let sk = format!("ARTIFACT#{DIGEST}");
    for (stored, outcome) in [
        (json!({ "release": ID }), None),
        (json!({ "release": ID, "outcome": "RolledBack" }), Some("RolledBack")),
    ] {
        let answer = json!({ "Item": item("TARGET#news", &sk, &stored) });
        let (table, sent) = table([Answer::json(&answer)]);
        let expected =
            KnownArtifact { release: ID.parse().unwrap(), outcome: outcome.map(Into::into) };
        assert_eq!(table.artifact(&news, &artifact).await.unwrap(), Some(expected));
        assert_eq!(sent.only(), get("TARGET#news", &sk));
    }
}

#[tokio::test]
async fn targets_of_a_guard_are_one_query() {
    let value = json!({ "target": "news", "globs": [] });
    let (table, sent) = table([page(&[item("GUARD#news-errors", "TARGET#news", &value)])]);
    let found = table.by_guard(&"news-errors".parse().unwrap()).await.unwrap();
    assert_eq!(found, ["news".parse().unwrap()]);
    assert_eq!(sent.only(), ("Query".into(), query("GUARD#news-errors", "TARGET#", true)));
}

/// `DynamoDB` takes no empty text for a key, not even as a prefix.
#[tokio::test]
async fn all_targets_are_a_whole_partition() {
    let (table, sent) = table([page(&[item("TARGETS", "news", &target())])]);
    assert_eq!(table.targets().await.unwrap(), [target()]);
    assert_eq!(sent.only(), ("Query".into(), whole("TARGETS", true)));
}

#[tokio::test]
async fn a_journal_is_read_after_an_entry() {
    let entries = [entry(3, What::WeightShifted), entry(4, What::BakeJudged)];
    let items: Vec<Value> = entries
        .iter()
        .map(|entry| item(&format!("RELEASE#{ID}"), &format!("JOURNAL#{:010}", entry.seq), entry))
        .collect();
    let (table, sent) = table([page(&items)]);
    assert_eq!(table.journal(&ID.parse().unwrap(), 2).await.unwrap(), entries);
    let body = json!({
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :sk AND :end",
        "ExpressionAttributeValues": {
            ":pk": { "S": format!("RELEASE#{ID}") },
            ":sk": { "S": "JOURNAL#0000000002\0" },
            ":end": { "S": "JOURNAL#\u{10ffff}" },
        },
        "ScanIndexForward": true,
        "ConsistentRead": true,
    });
    assert_eq!(sent.only(), ("Query".into(), body));
    // As DynamoDB compares: entry 2 is before the start, every later one up to the end is not.
    assert!("JOURNAL#0000000002" < "JOURNAL#0000000002\0");
    assert!("JOURNAL#0000000002\0" < "JOURNAL#0000000003");
    assert!("JOURNAL#9999999999" < "JOURNAL#\u{10ffff}");
}

fn listed(pk: &str, id: &str) -> Value {
    item(pk, &format!("RELEASE#{id}"), &json!({ "release": id }))
}

fn record(id: &str) -> Value {
    let mut release = planned();
    release.id = id.parse().unwrap();
    item(&format!("RELEASE#{id}"), "RECORD", &release)
}

fn records(items: &[Value]) -> Answer {
    Answer::json(&json!({ "Responses": { TABLE: items }, "UnprocessedKeys": {} }))
}

fn batch(ids: &[&str]) -> Value {
    let keys: Vec<Value> = ids.iter().map(|id| key(&format!("RELEASE#{id}"), "RECORD")).collect();
    json!({ "RequestItems": { TABLE: { "Keys": keys } } })
}

#[tokio::test]
async fn releases_of_a_target_are_two_calls_newest_first() {
    let (table, sent) = table([
        page(&[listed("TARGET#news", "r-2"), listed("TARGET#news", "r-1")]),
        // A batch comes back in any order.
        records(&[record("r-1"), record("r-2")]),
    ]);
    let found = table.releases(Some(&"news".parse().unwrap()), 10).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|release| release.id.as_str()).collect();
    assert_eq!(ids, ["r-2", "r-1"]);
    let requests = sent.requests();
    assert_eq!(sent.operations(), ["Query", "BatchGetItem"]);
    assert_eq!(requests[0].body, limited(query("TARGET#news", "RELEASE#", false), 10));
    assert_eq!(requests[1].body, batch(&["r-2", "r-1"]));
}

#[tokio::test]
async fn what_a_batch_left_is_asked_for_again() {
    let left = json!({ TABLE: { "Keys": [key("RELEASE#r-1", "RECORD")] } });
    let (table, sent) = table([
        page(&[listed("TARGET#news", "r-2"), listed("TARGET#news", "r-1")]),
        Answer::json(&json!({ "Responses": { TABLE: [record("r-2")] }, "UnprocessedKeys": left })),
        records(&[record("r-1")]),
    ]);
    let found = table.releases(Some(&"news".parse().unwrap()), 10).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(sent.requests()[2].body, batch(&["r-1"]));
}

#[tokio::test]
async fn a_batch_holds_at_most_a_hundred_keys() {
    let ids: Vec<String> = (0..101).map(|number| format!("r-{number:03}")).collect();
    let index: Vec<Value> = ids.iter().map(|id| listed("TARGET#news", id)).collect();
    let items: Vec<Value> = ids.iter().map(|id| record(id)).collect();
    let (table, sent) = table([page(&index), records(&items[..100]), records(&items[100..])]);
    let found = table.releases(Some(&"news".parse().unwrap()), 200).await.unwrap();
    assert_eq!(found.len(), 101);
    assert_eq!(sent.requests()[2].body, batch(&["r-100"]));
}

/// The partitions of the year, the running month first.
fn months() -> Vec<String> {
    use jiff::{Timestamp, ToSpan};
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    let months = (0..12).map(|back| today.saturating_sub(back.months()));
    months.map(|month| month.strftime("RELEASES#%Y-%m").to_string()).collect()
}

#[tokio::test]
async fn all_releases_are_listed_month_by_month_until_there_are_enough() {
    let before = months();
    let (table, sent) = table([
        page(&[listed("RELEASES", "r-3")]),
        page(&[]),
        page(&[listed("RELEASES", "r-2"), listed("RELEASES", "r-1")]),
        records(&[record("r-2"), record("r-3")]),
    ]);
    let found = table.releases(None, 2).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|release| release.id.as_str()).collect();
    assert_eq!(ids, ["r-3", "r-2"]);
    let requests = sent.requests();
    // The month may turn while the test runs.
    let months = if requests[0].body["ExpressionAttributeValues"][":pk"]["S"] == before[0] {
        before
    } else {
        months()
    };
    assert_eq!(requests[0].body, limited(whole(&months[0], false), 2));
    assert_eq!(requests[1].body, limited(whole(&months[1], false), 1));
    assert_eq!(requests[2].body, limited(whole(&months[2], false), 1));
    assert_eq!(requests[3].body, batch(&["r-3", "r-2"]));
}

#[tokio::test]
async fn without_releases_a_year_is_looked_through_and_no_batch_is_read() {
    let (table, sent) = table((0..12).map(|_| page(&[])));
    assert_eq!(table.releases(None, 2).await.unwrap(), []);
    assert_eq!(sent.operations(), ["Query"; 12]);
}

#[tokio::test]
async fn the_table_tells_its_arn() {
    let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/perch";
    let (table, sent) =
        table([Answer::json(&json!({ "Table": { "TableName": TABLE, "TableArn": arn } }))]);
    assert_eq!(table.arn().await.unwrap(), arn);
    assert_eq!(sent.only(), ("DescribeTable".into(), json!({ "TableName": TABLE })));
}
