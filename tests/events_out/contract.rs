use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use perch_core::journal::{JournalEntry, Notice};
use perch_core::outgoing::{Detail, Outgoing};
use perch_tests::{entries, json, name, root};
use serde_json::Value;

use crate::story::{delivered, events};

const SCHEMA: &str = "schemas/event.v1.json";
/// The schema and the events as they were published first. Never changed: whoever reads by them must be
/// able to go on doing so.
const FIRST: &str = "tests/fixtures/events-v1";

fn schema() -> Value {
    let mut schema = schemars::schema_for!(Detail).to_value();
    schema["$id"] = "perch.event/v1".into();
    schema
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

fn files(folder: impl AsRef<Path>) -> BTreeMap<String, Value> {
    let files = entries(folder).into_iter().filter(|file| name(file).ends_with(".json"));
    files.map(|file| (name(&file), json(&file))).collect()
}

fn faults(schema: &Value, detail: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::options().should_validate_formats(true);
    let validator = validator.build(schema).unwrap();
    validator.iter_errors(detail).map(|error| error.to_string()).collect()
}

#[test]
fn the_published_schema_is_made_of_the_types() {
    let path: PathBuf = root().join(SCHEMA);
    expect_file![path].assert_eq(&pretty(&schema()));
}

#[test]
fn the_published_events_are_what_the_code_makes() {
    let mut made = BTreeSet::new();
    for (number, event) in events().iter().enumerate() {
        let file = format!("{}.json", event.name);
        let path: PathBuf = root().join("events/out").join(&file);
        expect_file![path].assert_eq(&pretty(&delivered(number, event)));
        assert!(made.insert(file), "one example of {}", event.name);
    }
    let published: BTreeSet<String> = files("events/out").into_keys().collect();
    assert_eq!(published, made, "one example for each name, and no other");
}

#[test]
fn every_published_event_fits_the_schema_and_reads_back() {
    let schema = schema();
    for (file, event) in files("events/out") {
        assert_eq!(faults(&schema, &event["detail"]), [""; 0], "{file}");
        let detail: Detail = serde_json::from_value(event["detail"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&detail).unwrap(), event["detail"], "{file}");
    }
}

#[test]
fn the_events_of_the_stream_s_sample_fit_the_schema() {
    let records = json("events/publish-events.json")["Records"].as_array().unwrap().clone();
    let images = records.iter().map(|record| {
        let image = record["dynamodb"]["NewImage"].clone();
        serde_json::from_value::<serde_dynamo::Item>(image).unwrap()
    });
    let [entry, notice] = <[_; 2]>::try_from(images.collect::<Vec<_>>()).unwrap();
    let entry: JournalEntry = serde_dynamo::from_item(entry).unwrap();
    let notice: Notice = serde_dynamo::from_item(notice).unwrap();
    let told = [Outgoing::of_entry(&entry).unwrap(), Outgoing::of_notice(&notice)];
    assert_eq!(told.each_ref().map(|event| event.name), ["WeightShifted", "LineStopped"]);
    for event in told {
        let detail = serde_json::to_value(&event.detail).unwrap();
        assert_eq!(faults(&schema(), &detail), [""; 0], "{}", event.name);
    }
}

/// Every required field of every object in a schema, by the object's place.
fn required(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for field in fields.get("required").and_then(Value::as_array).into_iter().flatten() {
                found.insert(format!("{at} {}", field.as_str().unwrap()));
            }
            fields.iter().for_each(|(key, value)| required(value, &format!("{at}/{key}"), found));
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                required(item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// Why readers of `old` could not go on with events of `new`.
fn broken_promises(old: &Value, new: &Value) -> BTreeSet<String> {
    let all = |schema| {
        let mut found = BTreeSet::new();
        required(schema, "", &mut found);
        found
    };
    all(old).difference(&all(new)).cloned().collect()
}

#[test]
fn what_readers_could_rely_on_they_still_can() {
    let first = json(format!("{FIRST}/schema.json"));
    assert_eq!(broken_promises(&first, &schema()), BTreeSet::new());
    // Events of today for readers of the first day.
    for (file, event) in files("events/out") {
        assert_eq!(faults(&first, &event["detail"]), [""; 0], "{file}");
    }
    // Events of the first day, from an archive, for readers of today.
    let archived = files(format!("{FIRST}/events"));
    assert!(archived.len() >= 25);
    for (file, event) in archived {
        assert_eq!(faults(&schema(), &event["detail"]), [""; 0], "{file}");
        assert!(serde_json::from_value::<Detail>(event["detail"].clone()).is_ok(), "{file}");
        assert!(root().join("events/out").join(&file).is_file(), "{file} is not sent any more");
    }
}

/// The event with a field more in every object.
fn extended(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), extended(value))).collect();
            fields.insert("addedLater".into(), "by a later version".into());
            fields.into()
        }
        other => other.clone(),
    }
}

#[test]
fn fields_that_are_added_later_are_no_fault() {
    for (file, event) in files("events/out") {
        let more = extended(&event["detail"]);
        assert_eq!(faults(&schema(), &more), [""; 0], "{file}");
        let read: Detail = serde_json::from_value(more).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), event["detail"], "{file}");
    }
}

#[test]
fn the_contract_can_be_broken() {
    let schema = schema();
    let (_, event) = files("events/out").pop_first().unwrap();
    for field in [
        "schema", "id", "target", "release", "seq", "at", "severity", "cause", "artifact",
        "service", "phase", "weight", "fence",
    ] {
        let mut without = event["detail"].clone();
        without.as_object_mut().unwrap().remove(field).unwrap();
        assert!(!faults(&schema, &without).is_empty(), "{field} may be missing");
    }
    for (field, value) in [
        ("weight", Value::from(101)),
        ("at", "today".into()),
        ("severity", "loud".into()),
        ("release", "a b".into()),
    ] {
        let mut wrong = event["detail"].clone();
        wrong[field] = value;
        assert!(!faults(&schema, &wrong).is_empty(), "{field} may be anything");
    }
    let mut looser = schema.clone();
    let fields = looser["$defs"]["ReleaseEvent"]["required"].as_array_mut().unwrap();
    fields.retain(|field| field != "fence");
    assert_eq!(broken_promises(&schema, &looser).len(), 1);
}
