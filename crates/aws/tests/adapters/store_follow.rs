//! What a commit does to the stored head is what `Head::follow` does, in every phase.

use perch_app::ports::{CommitRelease, Transition};
use perch_core::head::Head;
use perch_core::phase::Phase;
use perch_core::release::Release;
use serde_json::{Value, json};

use crate::records::phases;
use crate::samples::{ID, at, done, head, image, release_in, table, writes};
use crate::support::{item, read};

/// A head that knows everything a head can know.
pub(crate) fn full() -> Head {
    let serving = json!({ "artifact": image(), "version": "4", "release": "news-1" });
    Head {
        serving: Some(read(serving)),
        horizon: Some(at("2026-11-20T12:00:00Z")),
        seen: Some(at("2026-11-20T12:00:00Z")),
        stopped: Some(read(json!({ "by": "ada", "reason": "x", "at": "2026-11-21T12:00:00Z" }))),
        drift: Some("version 9 alone".into()),
        ..head()
    }
}

/// The item after an update that only sets placeholders and removes, which is all that a commit does.
fn updated(mut item: Value, update: &Value) -> Value {
    let expression = update["UpdateExpression"].as_str().unwrap();
    let (set, remove) = expression.split_once(" REMOVE ").unwrap_or((expression, ""));
    for part in set.strip_prefix("SET ").unwrap().split(", ") {
        let (name, placeholder) = part.split_once(" = ").unwrap();
        let value = &update["ExpressionAttributeValues"][placeholder];
        assert!(!value.is_null(), "{part} in {update}");
        item[name] = value.clone();
    }
    for name in remove.split(", ") {
        item.as_object_mut().unwrap().remove(name);
    }
    item
}

fn stored(head: &Head) -> Value {
    item("TARGET#news", "HEAD", head)
}

fn read_back(item: Value) -> Head {
    let item: serde_dynamo::Item = serde_json::from_value(item).unwrap();
    serde_dynamo::from_item(item).unwrap()
}

async fn committed(release: Release, before: &Head) -> Head {
    let transition = Transition { expected_seq: 5, fence: before.fence, entries: vec![], release };
    let (table, sent) = table([done()]);
    table.commit(&transition).await.unwrap();
    read_back(updated(stored(before), &writes(&sent)[1]["Update"]))
}

#[tokio::test]
async fn the_stored_head_follows_a_release_as_core_says() {
    let mut checked = 0;
    for phase in phases() {
        for (ledger, guarded) in [(true, true), (true, false), (false, true)] {
            let mut release = release_in(phase.clone());
            if !ledger {
                release.ledger = None;
            }
            if !guarded {
                release.plan.guards.clear();
            }
            for before in [full(), Head { serving: None, horizon: None, drift: None, ..full() }] {
                let mut expected = before.clone();
                expected.follow(&release);
                let found = committed(release.clone(), &before).await;
                assert_eq!(found, expected, "{} {ledger} {guarded}", phase.name());
                checked += 1;
            }
        }
    }
    assert!(checked > 6 * 12, "every phase: {checked}");
}

/// The test's own update is one: a field that is set is set, one that is removed is gone.
#[test]
fn updates_are_carried_out() {
    let update = json!({
        "UpdateExpression": "SET fence = :fence REMOVE active, ledger",
        "ExpressionAttributeValues": { ":fence": { "N": "8" } },
    });
    let after = read_back(updated(stored(&full()), &update));
    assert_eq!((after.fence, after.active, after.ledger), (8, None, None));
    let canary = release_in(Phase::Promoted).serving().unwrap();
    assert_eq!(canary.release.as_str(), ID);
}
