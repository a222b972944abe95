//! The artifact that waits for its turn.

use perch_app::ports::{Behind, PortError, Turn, WaitForTurn};
use perch_core::artifact::Lane;
use perch_core::head::Waiting;
use perch_core::names::ReleaseId;
use serde_json::{Value, json};

use crate::samples::{ID, at, done, head, image, refused, table, update_of_head};
use crate::support::{Answer, item, read};

const PUSHED: &str = "2026-11-21T12:05:00.500000000Z";

fn waiting_since(pushed_at: &str) -> Waiting {
    Waiting { artifact: read(image()), event: "e-2".into(), pushed_at: at(pushed_at) }
}

fn waiting() -> Waiting {
    waiting_since("2026-11-21T12:05:00.5Z")
}

fn stored(waiting: &Waiting) -> Value {
    let item = item("p", "s", waiting);
    let fields = ["artifact", "event", "pushedAt"];
    let value = fields.map(|field| (field.to_owned(), item[field].clone()));
    json!({ "M": serde_json::Map::from_iter(value) })
}

async fn wait(answer: Answer, behind: Behind<'_>) -> (Result<Turn, PortError>, (String, Value)) {
    let (table, sent) = table([answer]);
    let turn = table.wait_for_turn(&"news".parse().unwrap(), &waiting(), behind).await;
    (turn, sent.only())
}

fn active() -> ReleaseId {
    ID.parse().unwrap()
}

/// The head as it was before, with this artifact waiting.
fn before(waiting: Option<&Waiting>) -> Value {
    let mut head = item("TARGET#news", "HEAD", &head());
    head.as_object_mut().unwrap().remove("waiting");
    if let Some(waiting) = waiting {
        head["waiting"] = stored(waiting);
    }
    head
}

#[tokio::test]
async fn the_newest_artifact_waits_for_the_end_of_a_release() {
    let active = active();
    let (turn, sent) = wait(done(), Behind::Release(&active)).await;
    assert_eq!(turn.unwrap(), Turn::Waits { instead_of: None });
    let expected = update_of_head(json!({
        "UpdateExpression": "SET waiting = :waiting",
        "ConditionExpression": "active = :active \
            AND (attribute_not_exists(waiting) OR waiting.pushedAt <= :at)",
        "ExpressionAttributeValues": {
            ":waiting": stored(&waiting()),
            ":at": { "S": PUSHED },
            ":active": { "S": ID },
        },
        "ReturnValues": "ALL_OLD",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }));
    assert_eq!(sent, expected);
    assert_eq!(stored(&waiting())["M"]["pushedAt"]["S"], PUSHED);
}

/// A stop of all has an item of its own, and the target may never have had a head.
#[tokio::test]
async fn the_end_of_a_stop_is_waited_for_without_a_release() {
    let (turn, sent) = wait(done(), Behind::Stop).await;
    assert_eq!(turn.unwrap(), Turn::Waits { instead_of: None });
    let expected = update_of_head(json!({
        "UpdateExpression":
            "SET waiting = :waiting, target = :target, fence = if_not_exists(fence, :fence)",
        "ConditionExpression": "(attribute_not_exists(waiting) OR waiting.pushedAt <= :at)",
        "ExpressionAttributeValues": {
            ":waiting": stored(&waiting()),
            ":at": { "S": PUSHED },
            ":target": { "S": "news" },
            ":fence": { "N": "0" },
        },
        "ReturnValues": "ALL_OLD",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }));
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn who_waited_until_then_is_told() {
    let active = active();
    for older in [waiting_since("2026-11-21T12:04:00Z"), waiting()] {
        let answer = Answer::json(&json!({ "Attributes": before(Some(&older)) }));
        let turn = wait(answer, Behind::Release(&active)).await.0.unwrap();
        assert_eq!(turn, Turn::Waits { instead_of: Some(older) });
    }
    let answer = Answer::json(&json!({ "Attributes": before(None) }));
    let turn = wait(answer, Behind::Release(&active)).await.0.unwrap();
    assert_eq!(turn, Turn::Waits { instead_of: None });
}

#[tokio::test]
async fn a_newer_artifact_stays() {
    let active = active();
    for behind in [Behind::Release(&active), Behind::Stop] {
        let newer = waiting_since("2026-11-21T12:06:00Z");
        let turn = wait(refused(&before(Some(&newer))), behind).await.0.unwrap();
        assert_eq!(turn, Turn::Overtaken { by: newer });
    }
}

#[tokio::test]
async fn a_release_that_ended_meanwhile_is_not_waited_for() {
    let newer = waiting_since("2026-11-21T12:06:00Z");
    let ended: ReleaseId = "news-earlier".parse().unwrap();
    for found in [before(Some(&newer)), before(None)] {
        let turn = wait(refused(&found), Behind::Release(&ended)).await.0.unwrap();
        assert_eq!(turn, Turn::Free);
    }
    let mut free = before(None);
    free.as_object_mut().unwrap().remove("active");
    for found in [free, Value::Null] {
        let turn = wait(refused(&found), Behind::Release(&active())).await.0.unwrap();
        assert_eq!(turn, Turn::Free);
    }
}

#[tokio::test]
async fn only_the_artifact_that_got_its_release_is_forgotten() {
    for answer in [done(), refused(&Value::Null)] {
        let (table, sent) = table([answer]);
        let news = "news".parse().unwrap();
        table.forget_waiting(&news, Lane::Code, waiting().pushed_at).await.unwrap();
        let expected = update_of_head(json!({
            "UpdateExpression": "REMOVE waiting",
            "ConditionExpression": "waiting.pushedAt = :at",
            "ExpressionAttributeValues": { ":at": { "S": PUSHED } },
        }));
        assert_eq!(sent.only(), expected);
    }
}

#[tokio::test]
async fn what_was_seen_only_grows() {
    for answer in [done(), refused(&Value::Null)] {
        let (table, sent) = table([answer]);
        table.mark_seen(&"news".parse().unwrap(), waiting().pushed_at).await.unwrap();
        let expected = update_of_head(json!({
            "UpdateExpression": "SET seen = :seen",
            "ConditionExpression":
                "attribute_exists(pk) AND (attribute_not_exists(seen) OR seen < :at)",
            "ExpressionAttributeValues": { ":seen": { "S": PUSHED }, ":at": { "S": PUSHED } },
        }));
        assert_eq!(sent.only(), expected);
    }
}

#[tokio::test]
async fn what_may_pass_is_no_answer() {
    let slow = || Answer::error(400, "ThrottlingException", "slow down");
    let (news, active) = ("news".parse().unwrap(), active());
    let mut errors = vec![wait(slow(), Behind::Release(&active)).await.0.unwrap_err()];
    let (forgets, _) = table([slow()]);
    errors.push(forgets.forget_waiting(&news, Lane::Code, waiting().pushed_at).await.unwrap_err());
    let (marks, _) = table([slow()]);
    errors.push(marks.mark_seen(&news, waiting().pushed_at).await.unwrap_err());
    for error in errors {
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
    }
}
