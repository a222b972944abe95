use super::*;
use crate::artifact::Lane;
use crate::target::Target;

fn hook(kind: HookKind, stages: &[&str]) -> StageHook {
    StageHook { kind, stages: stages.iter().map(|stage| (*stage).to_owned()).collect() }
}

fn pause(minutes: u32, goes_on: bool) -> HookKind {
    HookKind::Pauses { minutes, goes_on }
}

fn plan(steps: &serde_json::Value) -> Plan {
    let target: Target = serde_json::from_value(serde_json::json!({
        "apiVersion": "perch/v1", "kind": "Target", "name": "news",
        "service": { "ecs": { "cluster": "news", "service": "news" } },
        "sources": { "image": { "repository": "news", "tags": ["v*"] } },
        "rollout": { "steps": steps },
    }))
    .unwrap();
    Plan::of(&target, Lane::Code).unwrap()
}

#[test]
fn a_service_is_gated_by_what_waits_before_every_shift() {
    for (kind, stages, expected) in [
        (HookKind::Asks, &GATES[..], true),
        (HookKind::Asks, &GATES[..1], false),
        (HookKind::Foreign, &GATES, false),
        (pause(1440, false), &GATES[1..], true),
        (pause(1440, true), &GATES[1..], false),
    ] {
        assert_eq!(are_gated(&[hook(kind, stages)]), expected, "{kind:?} at {stages:?}");
    }
    assert!(!are_gated(&[]));
}

#[test]
fn what_goes_past_the_judge_is_said() {
    let plan = plan(&serde_json::json!([{ "weight": "10%", "bake": "15m" }]));
    let asks = || hook(HookKind::Asks, &GATES);
    for (hooks, words) in [
        (vec![asks()], None),
        (vec![hook(pause(1440, false), &GATES)], None),
        (vec![hook(pause(15, false), &GATES[1..])], None),
        (vec![hook(pause(14, false), &GATES[1..])], Some("gives up after 14m")),
        (vec![hook(pause(1440, true), &GATES[1..])], Some("goes on by itself after 1d")),
        (vec![asks(), hook(pause(60, false), &["PRE_SCALE_UP"])], Some("continued by nobody")),
        (vec![hook(pause(60, false), &GATES[..1])], Some("no hook waits")),
        (vec![], Some("no hook waits")),
    ] {
        let found = hook_problems(&hooks, &plan);
        match words {
            Some(words) => {
                assert_eq!(found.len(), 1, "{found:?}");
                assert!(found[0].contains(words), "{found:?}");
            }
            None => assert!(found.is_empty(), "{found:?}"),
        }
    }
}

#[test]
fn one_shift_needs_no_hook() {
    let plan = plan(&serde_json::json!([]));
    assert!(hook_problems(&[], &plan).is_empty());
}
