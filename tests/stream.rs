//! Records of the table's stream are read as the table holds them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use perch_aws::events::{self, Told};
use perch_tests::json;
use serde_json::{Value, json};

/// The records of a sample: a journal entry and a notice.
fn records(path: &str) -> [Value; 2] {
    json(path)["Records"].as_array().unwrap().clone().try_into().unwrap()
}

fn samples() -> [Value; 2] {
    records("events/notify.json")
}

#[test]
fn both_readers_of_the_stream_get_the_same_records() {
    let changes = |path| records(path).map(|record| record["dynamodb"].clone());
    assert_eq!(changes("events/notify.json"), changes("events/publish-events.json"));
}

fn record(value: &Value) -> EventRecord {
    let event: Event = serde_json::from_value(json!({ "Records": [value] })).unwrap();
    event.records.into_iter().next().unwrap()
}

#[test]
fn entries_and_notices_are_read_from_the_stream_as_the_table_holds_them() {
    for (written, is_notice) in samples().iter().zip([false, true]) {
        let told = events::told_of(record(written)).unwrap().unwrap();
        let stored: serde_dynamo::Item = match &told {
            Told::Entry(entry) => serde_dynamo::to_item(entry).unwrap(),
            Told::Notice(notice) => serde_dynamo::to_item(notice).unwrap(),
        };
        assert_eq!(matches!(told, Told::Notice(_)), is_notice);
        let mut image = written["dynamodb"]["NewImage"].clone();
        for key in ["pk", "sk"] {
            assert!(image.as_object_mut().unwrap().remove(key).is_some());
        }
        assert_eq!(serde_json::to_value(stored).unwrap(), image);
    }
}

#[test]
fn other_records_of_the_stream_are_passed_over() {
    for written in samples() {
        let with = |pointer: &str, value: &str| {
            let mut record = written.clone();
            *record.pointer_mut(pointer).unwrap() = json!(value);
            record
        };
        for passed in [
            with("/eventName", "MODIFY"),
            with("/eventName", "REMOVE"),
            with("/dynamodb/NewImage/sk/S", "RECORD"),
        ] {
            assert_eq!(events::told_of(record(&passed)).unwrap(), None);
        }
    }
}

#[test]
fn what_can_not_be_read_names_the_field() {
    for (mut incomplete, field) in samples().into_iter().zip(["cause", "text"]) {
        incomplete["dynamodb"]["NewImage"].as_object_mut().unwrap().remove(field);
        let error = events::told_of(record(&incomplete)).unwrap_err();
        assert!(error.to_string().contains(&format!("missing field `{field}`")), "{error}");
    }
}
