//! `perch smoke`: which version is asked, and what is printed.

use perch_core::smoke::Answer;
use perch_testkit::{World, release, target};
use serde_json::json;

use super::{printed_as, try_printed};
use crate::args::Format;
use crate::args::looks::Smoke;
use crate::commands::smoke;

fn asked(world: &World, version: Option<&str>) -> (String, u8) {
    let args = Smoke {
        target: "news".parse().unwrap(),
        version: version.map(|version| version.parse().unwrap()),
        file: None,
    };
    let mut code = 0;
    let text = try_printed(Format::Table, async |console| {
        let ports = (&world.lambda, &world.web);
        code = smoke::run(&world.store, ports, &args, &mut std::io::empty(), console).await?;
        Ok(())
    });
    (text.unwrap_or_else(|error| error.to_string()), code)
}

fn tested() -> World {
    let health = json!({ "name": "health", "http": { "path": "/health" } });
    let fit = json!({
        "name": "fit", "invoke": { "payload": {} }, "expect": { "json": { "$.fit": true } },
    });
    let tests = json!({ "url": "https://test:8443", "checks": [fit, health] });
    World::with(&target().with_smoke_tests(tests).build())
}

#[test]
fn the_version_that_serves_is_asked_unless_another_is_named() {
    let world = tested();
    let (text, code) = asked(&world, None);
    assert!(text.starts_with("version 1 of news\n"), "{text}");
    assert_eq!(code, 0, "{text}");
    let (missing, code) = asked(&world, Some("9"));
    assert!(missing.contains("version 9 of news does not exist"), "{missing}");
    assert_eq!(code, 1);
    let canary =
        release().to(&world.store.read(|items| items.targets.values().next().unwrap().clone()));
    world.place(&canary.baking(0).build());
    assert!(asked(&world, None).0.starts_with("version 2 of news\n"));
}

#[test]
fn each_check_has_its_line() {
    let world = tested();
    let body = b"{\"status\": \"starting\"}".to_vec();
    world.web.answer("https://test:8443/health", Answer::Http { status: 503, body });
    let (text, code) = asked(&world, None);
    assert_eq!(code, 1);
    insta::assert_snapshot!(text);
    let json = printed_as(Format::Json, async |console| {
        let args = Smoke { target: "news".parse().unwrap(), version: None, file: None };
        let ports = (&world.lambda, &world.web);
        smoke::run(&world.store, ports, &args, &mut std::io::empty(), console).await.map(drop)
    });
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0], json!({ "name": "fit", "passed": true, "latencyMs": 40 }));
}

#[test]
fn a_target_without_checks_says_where_they_go() {
    let (text, _) = asked(&World::usual(), None);
    assert!(text.contains("has no smoke tests: give `smoke` in its file"), "{text}");
}
