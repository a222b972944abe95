//! Events on the installation's bus.

use perch_app::ports::{NotTaken, PortError, PutEvents};
use perch_aws::bus::Bus;
use perch_core::journal::{Happened, JournalEntry, Moment, What};
use perch_core::outgoing::Outgoing;
use serde_json::{Value, json};

use crate::samples::{at, entry, image, notice, planned};
use crate::support::{Answer, aws};

const BUS: &str = "perch";

fn events() -> [Outgoing; 2] {
    let moment = Some(Box::new(Moment::of(&planned())));
    let entry = JournalEntry { moment, ..entry(3, What::ReleasePlanned) };
    [Outgoing::of_entry(&entry).unwrap(), Outgoing::of_notice(&notice(None, Happened::LineStopped))]
}

async fn put(answer: Answer) -> (Result<Vec<NotTaken>, PortError>, (String, Value)) {
    let (sdk, sent) = aws([answer]);
    let events = events();
    let answer = Bus::new(&sdk, BUS.into()).put(&[&events[0], &events[1]]).await;
    (answer, sent.only())
}

#[tokio::test]
async fn events_carry_their_name_their_time_and_their_detail() {
    let taken =
        json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "1" }, { "EventId": "2" }] });
    let (answer, (operation, mut body)) = put(Answer::json(&taken)).await;
    assert_eq!(answer.unwrap(), []);
    assert_eq!(operation, "PutEvents");
    let mut details = Vec::new();
    for entry in body["Entries"].as_array_mut().unwrap() {
        let detail = entry["Detail"].take();
        details.push(serde_json::from_str::<Value>(detail.as_str().unwrap()).unwrap());
    }
    let stopped = notice(None, Happened::LineStopped);
    let entry = |name: &str, time: i64| {
        json!({
            "EventBusName": BUS, "Source": "perch.releases", "DetailType": name, "Time": time,
            "Detail": null,
        })
    };
    assert_eq!(
        body["Entries"],
        json!([
            entry("ReleasePlanned", at("2026-11-21T12:00:01Z").as_second()),
            entry("LineStopped", stopped.at.as_second()),
        ])
    );
    let [release, stop] = details.as_slice() else { panic!("{details:?}") };
    assert_eq!(release["schema"], "perch.release-event/v1");
    assert_eq!(release["at"], "2026-11-21T12:00:01.25Z", "the detail has the whole time");
    assert_eq!(release["artifact"], image());
    assert_eq!((&release["seq"], &release["phase"]), (&json!(3), &json!("Pending")));
    assert_eq!(stop["schema"], "perch.notice/v1");
    assert_eq!(stop.get("target"), None, "it is about all targets");
}

#[tokio::test]
async fn each_event_that_was_not_taken_is_named_with_the_reason() {
    let partly = json!({ "FailedEntryCount": 1, "Entries": [
        { "EventId": "1" },
        { "ErrorCode": "ThrottlingException", "ErrorMessage": "slow down" },
    ] });
    let (answer, _) = put(Answer::json(&partly)).await;
    let why = "ThrottlingException: slow down".to_owned();
    assert_eq!(answer.unwrap(), [NotTaken { at: 1, why }]);
    let neither = json!({ "FailedEntryCount": 2, "Entries": [
        { "ErrorCode": "InternalFailure" }, { "ErrorCode": "InternalFailure" },
    ] });
    let (answer, _) = put(Answer::json(&neither)).await;
    let whys: Vec<_> = answer.unwrap().into_iter().map(|event| (event.at, event.why)).collect();
    assert_eq!(whys, [(0, "InternalFailure".to_owned()), (1, "InternalFailure".to_owned())]);
}

#[tokio::test]
async fn a_bus_that_may_not_be_written_is_denied() {
    let message = "User is not authorized to perform: events:PutEvents";
    let (answer, _) = put(Answer::error(400, "AccessDeniedException", message)).await;
    let error = answer.unwrap_err();
    assert!(
        matches!(&error, PortError::Denied { message: found, .. } if found == message),
        "{error:?}"
    );
    let (answer, _) = put(Answer::error(500, "InternalException", "later")).await;
    assert!(matches!(answer.unwrap_err(), PortError::Unavailable { .. }));
}
