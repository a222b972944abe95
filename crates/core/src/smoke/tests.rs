//! Answers against what is expected of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

fn check(expect: Value) -> SmokeCheck {
    let check = json!({ "name": "a headline", "invoke": { "payload": {} }, "expect": expect });
    serde_json::from_value(check).unwrap()
}

fn http(status: u16, body: &str) -> Answer {
    Answer::Http { status, body: body.into() }
}

fn function(body: Value) -> Answer {
    Answer::Function { error: None, body: body.to_string().into_bytes() }
}

fn judged(expect: Value, answer: Answer) -> SmokeResult {
    judge(&check(expect), &Heard { answer, took: Duration::from_millis(40) })
}

fn differences(expect: Value, answer: Answer) -> Vec<String> {
    let result = judged(expect, answer);
    assert_eq!(result.passed, result.differences.is_empty());
    result.differences
}

#[test]
fn an_answer_as_expected_passes_with_its_status_and_time() {
    let result = judged(json!({}), http(200, ""));
    assert_eq!((result.passed, result.status, result.latency_ms), (true, Some(200), 40));
    assert_eq!(result.to_string(), "`a headline` passed in 40 ms");
    assert!(judged(json!({ "status": 404 }), http(404, "gone")).passed);
    assert_eq!(judged(json!({}), function(json!({}))).status, None);
}

#[test]
fn values_are_found_by_their_path() {
    let answer = || {
        function(json!({
            "label": "sport", "score": 0.75, "version": "v12", "list": [{ "id": 1 }, { "id": 2 }],
            "none": null,
        }))
    };
    for (at, wanted) in [
        ("$.label", json!("sport")),
        ("$.score", json!(0.75)),
        ("$.score", json!({ "min": 0.75 })),
        ("$.score", json!({ "max": 0.75 })),
        ("$.score", json!({ "min": 0.5, "max": 1 })),
        ("$.version", json!({ "matches": "^v[0-9]+$" })),
        ("$.list[0].id", json!(1.0)),
        ("$.list[*].id", json!({ "min": 1, "max": 2 })),
        ("$.none", Value::Null),
    ] {
        assert_eq!(
            differences(json!({ "json": { at: wanted } }), answer()),
            [""; 0],
            "{at} {wanted}"
        );
    }
    for (at, wanted, expected) in [
        ("$.label", json!("politics"), "$.label: expected \"politics\", got \"sport\""),
        ("$.score", json!({ "min": 0.8 }), "$.score: expected at least 0.8, got 0.75"),
        ("$.score", json!({ "max": 0.5 }), "$.score: expected at most 0.5, got 0.75"),
        ("$.label", json!({ "min": 1, "max": 2 }), "$.label: expected 1 to 2, got \"sport\""),
        (
            "$.version",
            json!({ "matches": "^[0-9]+$" }),
            "$.version: expected a text that matches ^[0-9]+$, got \"v12\"",
        ),
        ("$.score", json!({ "matches": "." }), "$.score: expected a text that matches ., got 0.75"),
        ("$.list[*].id", json!(1), "$.list[*].id: expected 1, got 2"),
        ("$.other", json!(1), "$.other: expected 1, but it is missing"),
        ("$.list[5]", Value::Null, "$.list[5]: expected null, but it is missing"),
        ("$.list", json!([]), "$.list: expected [], got [{\"id\":1},{\"id\":2}]"),
    ] {
        assert_eq!(differences(json!({ "json": { at: wanted } }), answer()), [expected]);
    }
}

#[test]
fn each_difference_is_told() {
    let expect = json!({ "status": 200, "within": "30ms", "json": { "$.label": "sport" } });
    assert_eq!(
        differences(expect.clone(), http(503, "{\"label\": \"none\"}")),
        [
            "status: expected 200, got 503: {\"label\": \"none\"}",
            "$.label: expected \"sport\", got \"none\"",
            "the answer took 40 ms, expected within 30 ms",
        ]
    );
    assert_eq!(
        differences(json!({ "json": { "$.label": 1 } }), http(200, "<html>\n  no </html>")),
        ["the answer is not JSON: <html> no </html>"]
    );
    let why = "no answer within 30 ms".to_owned();
    assert_eq!(differences(expect, Answer::Nothing { why: why.clone() }), [why]);
    let error = Some("Unhandled: no model".to_owned());
    assert_eq!(
        differences(json!({}), Answer::Function { error, body: Vec::new() }),
        ["the function failed: Unhandled: no model"]
    );
}

#[test]
fn a_function_behind_an_http_api_is_compared_by_what_its_callers_get() {
    let expect = json!({ "status": 200, "json": { "$.label": "sport" } });
    let body = json!({ "label": "sport" }).to_string();
    let plain = json!({ "statusCode": 200, "body": body });
    let encoded =
        json!({ "statusCode": 200, "body": "eyJsYWJlbCI6InNwb3J0In0=", "isBase64Encoded": true });
    for answer in [plain, encoded] {
        let result = judged(expect.clone(), function(answer));
        assert_eq!((result.passed, result.status), (true, Some(200)), "{result}");
    }
    let failed = function(json!({ "statusCode": 500, "body": "{\"label\":\"sport\"}" }));
    assert_eq!(
        differences(expect.clone(), failed),
        ["status: expected 200, got 500: {\"label\":\"sport\"}"]
    );
    let bare = differences(expect, function(json!({ "label": "sport" })));
    assert!(bare[0].starts_with("the function returned no `statusCode` and `body`"), "{bare:?}");
}

#[test]
fn long_answers_and_many_differences_are_cut() {
    let long = differences(json!({}), http(500, &"x".repeat(100_000)));
    assert_eq!(long[0].len(), "status: expected 200, got 500: ".len() + 203);
    let wide = differences(json!({}), http(500, &"ü".repeat(100_000)));
    assert!(wide[0].ends_with("..."));
    let paths: serde_json::Map<String, Value> =
        (0..9).map(|n| (format!("$.f{n}"), json!(1))).collect();
    let many = differences(json!({ "json": paths }), function(json!({})));
    assert_eq!((many.len(), many[5].as_str()), (6, "and 4 more"));
}

#[test]
fn no_result_is_no_pass() {
    let (good, bad) = (judged(json!({}), http(200, "")), judged(json!({}), http(500, "down")));
    assert!(all_passed(std::slice::from_ref(&good)) && !all_passed(&[]));
    assert!(!all_passed(&[good.clone(), bad.clone()]));
    assert_eq!(summary(&[]), "no smoke test was done");
    assert_eq!(summary(&[good.clone(), good.clone()]), "2 smoke tests passed, 80 ms in all");
    assert_eq!(
        summary(&[good, bad]),
        "1 of 2 smoke tests failed: `a headline`: status: expected 200, got 500: down"
    );
}
