//! Good files, and every way in which a file can be wrong.

use serde_json::json;

use super::*;
use crate::peers::Peer;

/// The published cases of the method.
fn published() -> Vec<Case> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/judge/cases_public2.json");
    read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn small() -> Value {
    let arm = json!({ "n": 10, "e": 1, "h": { "20": 9, "64": 1 } });
    json!({
        "id": "small",
        "canary_weight": 0.1,
        "history": { "n": [90, 90], "e": [1, 0], "lat": { "0": 180 } },
        "minutes": [{ "c": arm, "b": arm, "note": "more is allowed" }],
    })
}

#[test]
fn the_published_cases_are_read_in_full() {
    let cases = published();
    assert_eq!(cases.len(), 81);
    for case in &cases {
        assert_eq!(case.trace.minutes.len(), 15, "{}", case.id);
        let reference = case.reference.as_ref().unwrap();
        assert_eq!(reference.log_evidence.len(), 15);
        assert!(case.accepts(reference.verdict, reference.rollback), "{}", case.id);
        for minute in &case.trace.minutes {
            for arm in [&minute.canary, &minute.baseline] {
                assert_eq!(arm.latency.iter().sum::<f64>(), arm.requests, "{}", case.id);
            }
        }
    }
    let all_at_once = cases.iter().find(|case| case.id.starts_with("all_at_once")).unwrap();
    assert_eq!(all_at_once.trace.weight, 0.5, "the share for planning, not the weight of 1");
}

#[test]
fn peers_answer_the_published_cases_as_published() {
    let cases = published();
    let answers = Peer::ALL.map(|peer| {
        let answer = |case: &Case| match peer.rolls_back_at(&case.trace) {
            Some(minute) => (Answer::Rollback, Some(minute)),
            None => (Answer::Promote, None),
        };
        let accepted = cases.iter().map(|case| (case, answer(case)));
        let in_time = accepted.clone().filter(|(case, (end, at))| case.accepts(*end, *at)).count();
        (in_time, accepted.filter(|(case, (end, _))| case.allowed.contains(end)).count())
    });
    assert_eq!(answers, [(38, 53), (51, 61), (64, 68), (34, 38)]);
}

#[test]
fn one_case_a_list_and_an_object_are_read_alike() {
    let one = read(&small().to_string()).unwrap();
    assert_eq!(one[0].trace.minutes[0].canary.latency[64], 1.0);
    assert_eq!(one, read(&json!([small()]).to_string()).unwrap());
    assert_eq!(one, read(&json!({ "format": 1, "cases": [small()] }).to_string()).unwrap());
}

#[test]
fn fractional_counts_are_read() {
    let mut case = small();
    case["minutes"][0]["c"]["h"]["20"] = json!(8.75);
    assert_eq!(read(&case.to_string()).unwrap()[0].trace.minutes[0].canary.latency[20], 8.75);
}

/// The whole message about a text.
fn message(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_wrong_file_is_refused() {
    assert_eq!(message("{"), "not JSON");
    for (file, expected) in [
        (json!({ "format": 2, "cases": [] }), "format is 2; this version reads format 1"),
        (json!({ "format": 1, "cases": [] }), "there is no case in it"),
        (json!([small(), small()]), "case small: id: there are two cases with this id"),
        (json!([small(), {}]), "case #2 of the file: id: is missing"),
    ] {
        assert_eq!(message(&file.to_string()), expected);
    }
    let expected = "expected a case, a list of cases, or an object with a list of cases in `cases`";
    assert_eq!(message("3"), expected);
    assert_eq!(message("{\"cases\": 3}"), expected);
}

/// Sets a field by its JSON pointer, or takes it out.
fn with(pointer: &str, value: Option<Value>) -> String {
    let mut case = small();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match (case.pointer_mut(parent).unwrap(), value) {
        (Value::Object(fields), Some(value)) => {
            fields.insert(field.to_owned(), value);
        }
        (Value::Object(fields), None) => {
            fields.remove(field).unwrap();
        }
        (Value::Array(items), value) => items[field.parse::<usize>().unwrap()] = value.unwrap(),
        _ => panic!("{pointer}"),
    }
    case.to_string()
}

#[test]
fn what_is_missing_is_named_with_its_case_and_field() {
    for (pointer, field) in [
        ("/canary_weight", "canary_weight"),
        ("/history", "history"),
        ("/minutes", "minutes"),
        ("/history/lat", "history.lat"),
        ("/minutes/0/b", "minutes[0].b"),
        ("/minutes/0/c/n", "minutes[0].c.n"),
        ("/minutes/0/c/h", "minutes[0].c.h"),
    ] {
        assert_eq!(message(&with(pointer, None)), format!("case small: {field}: is missing"));
    }
}

#[test]
fn what_can_not_be_is_named_with_its_case_and_field() {
    for (pointer, value, expected) in [
        ("/canary_weight", json!(1), "canary_weight: 1 is not between 0 and 1"),
        ("/split_for_phi", json!(0), "split_for_phi: 0 is not between 0 and 1"),
        ("/minutes", json!([]), "minutes: there is none"),
        ("/minutes/0/c/n", json!(-1), "minutes[0].c.n: -1 is not a count"),
        ("/minutes/0/b/e", json!(11), "minutes[0].b.e: 11 errors in 10 requests"),
        ("/minutes/0/b/h", json!({ "65": 1 }), "minutes[0].b.h.65: bins are numbered from 0 to 64"),
        ("/history/lat", json!({ "x": 1 }), "history.lat.x: bins are numbered from 0 to 64"),
        ("/history/e", json!([1]), "history.e: has 1 minutes, but history.n has 2"),
        ("/history/e/1", json!(91), "history.e[1]: 91 errors in 90 requests"),
    ] {
        assert_eq!(message(&with(pointer, Some(value))), format!("case small: {expected}"));
    }
    let wrong_kind = message(&with("/minutes/0/c/n", Some(json!("ten"))));
    assert!(wrong_kind.starts_with("case small: minutes[0].c.n: invalid type"), "{wrong_kind}");
}
