//! Smoke tests that can't be done, and what is said of them.

use serde_json::{Value, json};

use crate::target::{MetricResolution, Target};

fn target(smoke: Value) -> Target {
    serde_json::from_value(json!({
        "apiVersion": "perch/v1", "kind": "Target", "name": "news",
        "service": { "lambda": { "function": "news", "alias": "live" } },
        "sources": { "image": { "repository": "news", "tags": ["v*"] } },
        "rollout": { "steps": [{ "weight": "10%", "bake": "5m" }] },
        "smoke": smoke,
    }))
    .unwrap()
}

fn problems(smoke: Value) -> Vec<String> {
    let found = target(smoke).problems(MetricResolution::Minute).into_iter();
    found.map(|problem| problem.message).collect()
}

/// One check, with these fields besides its name.
fn check(more: Value) -> Value {
    let mut check = json!({ "name": "a headline", "invoke": { "payload": {} } });
    for (name, value) in more.as_object().unwrap() {
        check[name] = value.clone();
    }
    check
}

fn expect(more: Value, expected: &[&str]) {
    let found = problems(json!({ "url": "https://test:8443", "checks": [check(more.clone())] }));
    assert_eq!(found.len(), expected.len(), "{more}: {found:?}");
    for (message, words) in found.iter().zip(expected) {
        assert!(message.starts_with(words), "{message}\ninstead of\n{words}");
    }
}

#[test]
fn checks_that_can_be_done_have_no_problem() {
    expect(json!({}), &[]);
    let json = json!({
        "$.label": "sport", "$['a b'][0]": 1, "$..score": { "min": 0.5, "max": 1 },
        "$.version": { "matches": "^v[0-9]+$" }, "$.list": [1, 2],
    });
    expect(json!({ "expect": { "status": 200, "within": "2s", "json": json } }), &[]);
    let http = json!({ "path": "/classify?full=1", "method": "POST", "body": { "text": "x" } });
    expect(json!({ "invoke": null, "http": http }), &[]);
    expect(json!({ "invoke": null, "http": { "url": "http://127.0.0.1:8080/health" } }), &[]);
}

#[test]
fn a_request_that_can_not_be_sent_is_named() {
    let none = Value::Null;
    for (more, expected) in [
        (json!({ "invoke": none }), "smoke.checks[0]: give `invoke` or `http`"),
        (json!({ "http": {} }), "smoke.checks[0]: give `invoke` or `http`, not both"),
        (json!({ "name": " " }), "smoke.checks[0].name: 0 characters: give 1 to 60"),
        (
            json!({ "invoke": none, "http": { "path": "health" } }),
            "smoke.checks[0].http.path: `health` does not begin with /: write /health",
        ),
        (
            json!({ "invoke": none, "http": { "url": "ftp://test" } }),
            "smoke.checks[0].http.url: `ftp://test` is neither http nor https",
        ),
        (
            json!({ "invoke": none, "http": { "url": "test:8443" } }),
            "smoke.checks[0].http.url: `test:8443` is neither http nor https: write one such",
        ),
        (
            json!({ "invoke": none, "http": { "url": "https://ada:secret@test" } }),
            "smoke.checks[0].http.url: a name or a password in a URL is shown to everyone",
        ),
        (
            json!({ "invoke": none, "http": { "headers": { "a b": "c" } } }),
            "smoke.checks[0].http.headers: `a b` is not a header",
        ),
    ] {
        expect(more, &[expected]);
    }
    let no_url = json!({ "checks": [check(json!({ "invoke": null, "http": {} }))] });
    assert_eq!(problems(no_url), ["smoke.checks[0].http: no URL: give `smoke.url` or `http.url`"]);
    let bad_base =
        json!({ "url": "test", "checks": [check(json!({ "invoke": null, "http": {} }))] });
    let found = problems(bad_base);
    assert!(
        found.len() == 1 && found[0].starts_with("smoke.url: `test` is not a URL"),
        "{found:?}"
    );
}

#[test]
fn an_expectation_that_says_nothing_is_named() {
    let json = |at: &str, value: Value| json!({ "expect": { "json": { at: value } } });
    for (more, expected) in [
        (json("label", 1.into()), "smoke.checks[0].expect.json: `label`: not a JSON path"),
        (json("$.a[", 1.into()), "smoke.checks[0].expect.json: `$.a[`: not a JSON path"),
        (
            json("$.a", json!({ "mim": 1 })),
            "smoke.checks[0].expect.json: `$.a`: `mim` is not understood: write a value",
        ),
        (json("$.a", json!({})), "smoke.checks[0].expect.json: `$.a`: {} is not understood"),
        (
            json("$.a", json!({ "min": 2, "max": 1 })),
            "smoke.checks[0].expect.json: `$.a`: min 2 is above max 1",
        ),
        (
            json("$.a", json!({ "min": "1" })),
            "smoke.checks[0].expect.json: `$.a`: `min` is not a number",
        ),
        (
            json("$.a", json!({ "matches": "(" })),
            "smoke.checks[0].expect.json: `$.a`: `(` is not a regular expression",
        ),
        (
            json!({ "expect": { "status": 42 } }),
            "smoke.checks[0].expect.status: 42 is no status: use 100 to 599",
        ),
        (json!({ "expect": { "within": "0s" } }), "smoke.checks[0].expect.within: nothing"),
    ] {
        expect(more, &[expected]);
    }
}

#[test]
fn the_tests_as_a_whole_are_bounded() {
    let many = |count: usize, within: &str| {
        let check = |n: usize| json!({ "name": n.to_string(), "invoke": { "payload": {} }, "expect": { "within": within } });
        problems(json!({ "checks": (0..count).map(check).collect::<Vec<_>>() }))
    };
    assert_eq!(many(20, "3s"), [""; 0]);
    assert_eq!(many(0, "3s"), ["smoke.checks: 0 checks: give 1 to 20"]);
    assert_eq!(many(21, "1s"), ["smoke.checks: 21 checks: give 1 to 20"]);
    let long = "smoke.checks: they may take 70.0 s in all: use 1m at most, with a shorter \
                `expect.within` for each";
    assert_eq!(many(7, "10s"), [long]);
    let twice = json!({ "checks": [check(json!({})), check(json!({}))] });
    assert_eq!(problems(twice), ["smoke.checks[1].name: `a headline` is taken: choose another"]);
    let big = check(json!({ "invoke": { "payload": "x".repeat(33_000) } }));
    let found = problems(json!({ "checks": [big] }));
    assert!(found[0].starts_with("smoke: 33") && found.len() == 1, "{found:?}");
}

#[test]
fn model_servers_alone_have_golden_requests_instead() {
    let mut json = serde_json::to_value(target(json!({ "checks": [check(json!({}))] }))).unwrap();
    json["service"] = json!({ "modelServers": {
        "protocol": "perch", "model": "news", "replicas": { "static": ["http://a:1"] },
    } });
    json["sources"] = json!({ "model": { "bucket": "models", "prefix": "news" } });
    let target: Target = serde_json::from_value(json).unwrap();
    let found = target.problems(MetricResolution::Minute);
    let smoke: Vec<_> = found.iter().filter(|problem| problem.field.starts_with("smoke")).collect();
    assert_eq!(smoke.len(), 2, "{found:?}");
    assert!(smoke[0].message.contains("golden requests"), "{}", smoke[0].message);
    assert!(smoke[1].message.contains("no function to invoke"), "{}", smoke[1].message);
}
