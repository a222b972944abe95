//! The state machines keep the contract with core, with the functions and with the template.
//!
//! Each rule is a function from a machine to what it finds wrong, so that `rules_can_fail` shows
//! every one of them at work on a broken machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use perch_app::close_release::CloseInput;
use perch_app::deployment::follow::FollowInput;
use perch_app::restore_traffic::RollbackInput;
use perch_app::step::{RoundInput, StepInput, StepOutput};
use perch_aws::diagnostic::ERROR_TYPES;
use perch_core::decide::Next;
use perch_tests::asl::{
    CANARY_DEPLOY, MODEL_RELOAD, Problems, ROLLBACK, all_texts, broken, expressions, lambda_tasks,
    list, states,
};
use perch_tests::{json, pascal, yaml};
use serde_json::{Value, json};

/// Prefixes of the error names that Step Functions and its integrations raise.
const AWS_ERRORS: [&str; 5] =
    ["States.", "Lambda.", "StepFunctions.", "Runtime.ExitError", "Sandbox.Timedout"];

fn unknown_errors(machine: &Value) -> Problems {
    let mut problems = Vec::new();
    for (name, state) in states(machine) {
        for rule in ["Retry", "Catch"].into_iter().flat_map(|field| list(state, field)) {
            for error in all_texts(&rule["ErrorEquals"]) {
                let of_aws = AWS_ERRORS.iter().any(|prefix| error.starts_with(prefix));
                if !of_aws && !ERROR_TYPES.contains(&error) {
                    problems.push(format!("{name} matches {error}, which nobody raises"));
                }
            }
        }
    }
    problems
}

fn substitutions(machine: &Value) -> BTreeSet<String> {
    let after = |text: &str| {
        text.split("${").skip(1).filter_map(|t| Some(t.split_once('}')?.0.to_owned())).collect()
    };
    all_texts(machine).into_iter().flat_map(|text: &str| -> Vec<String> { after(text) }).collect()
}

/// The names that Dispatch routes on, with the states they lead to.
fn routes(machine: &Value) -> BTreeMap<&str, &str> {
    list(&machine["States"]["Dispatch"], "Choices")
        .iter()
        .map(|choice| {
            let condition = choice["Condition"].as_str().unwrap();
            let name = condition.strip_prefix("{% $states.input.next = '").unwrap();
            (name.strip_suffix("' %}").unwrap(), choice["Next"].as_str().unwrap())
        })
        .collect()
}

/// The fields of the objects that an expression builds.
fn built_fields(expression: &str) -> BTreeSet<&str> {
    expression.split('\'').skip(1).step_by(2).zip(expression.split('\'').skip(2).step_by(2)).fold(
        BTreeSet::new(),
        |mut fields, (text, after)| {
            if after.trim_start().starts_with(':') {
                fields.insert(text);
            }
            fields
        },
    )
}

/// The fields of `$states.input` that an expression reads.
fn read_fields(expression: &str) -> BTreeSet<&str> {
    let end = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    expression.split("$states.input.").skip(1).map(|rest| &rest[..end(rest)]).collect()
}

#[test]
fn dispatch_routes_on_the_names_of_core() {
    // Only a rollback restores and unwinds, and routes on that itself; a wait has no step. Model servers have
    // golden requests instead of smoke tests, and no deployments.
    let of_releases = |path: &str| -> BTreeSet<&str> {
        let aliases = path == CANARY_DEPLOY;
        let has = |name: &&str| {
            !["Restore", "Unwind", "Await"].contains(name)
                && (aliases || !["Smoke", "Follow"].contains(name))
        };
        Next::NAMES.into_iter().filter(has).collect()
    };
    for (path, steps) in [
        (
            CANARY_DEPLOY,
            ["PrepareCanary", "ShiftWeight", "JudgeCanary", "PromoteCanary", "CloseRelease"],
        ),
        (
            MODEL_RELOAD,
            ["ReadReplicas", "ReloadReplicas", "LookAtReplicas", "ReloadReplicas", "TidyReplicas"],
        ),
    ] {
        let machine = json(path);
        let routes = routes(&machine);
        let names: BTreeSet<&str> = routes.keys().copied().collect();
        assert_eq!(names, of_releases(path), "{path}");
        let [prepare, shift, judge, promote, close] = steps;
        let mut expected = BTreeMap::from([
            ("Prepare", prepare),
            ("Shift", shift),
            ("Judge", judge),
            ("Promote", promote),
            ("Rollback", "RollBack"),
            ("Close", close),
            ("End", "Ended"),
        ]);
        if path == CANARY_DEPLOY {
            expected.insert("Smoke", "RunSmokeTests");
            expected.insert("Follow", "FollowDeployment");
        }
        assert_eq!(routes, expected, "{path}");
    }
    let rollback = json(ROLLBACK);
    for (state, next, leads) in [
        ("Route", "Restore", "StopModelReload"),
        ("RouteRound", "Restore", "WaitForReplicas"),
        ("Route", "Unwind", "StopDeployment"),
        ("RouteDeployment", "Unwind", "WaitForDeployment"),
        ("RouteRound", "Rollback", "RestoreTraffic"),
        ("RouteDeployment", "Rollback", "RestoreTraffic"),
    ] {
        let condition = format!("{{% $states.input.next = '{next}' %}}");
        let choice = list(&rollback["States"][state], "Choices")
            .iter()
            .find(|choice| choice["Condition"] == condition.as_str());
        assert_eq!(choice.unwrap()["Next"], leads, "{state}");
    }
}

#[test]
fn a_step_runs_the_function_of_its_name() {
    let mut ran = BTreeSet::new();
    for path in [CANARY_DEPLOY, MODEL_RELOAD, ROLLBACK] {
        let machine = json(path);
        for (name, state) in lambda_tasks(&machine) {
            let function = match name {
                // Ending a release as Stuck is the work of the function that ends releases.
                "RecordStuck" => "CloseRelease",
                // The same look before the judge's; the same servers after the watch.
                "LookAtReplicas" => "ReadReplicas",
                "TidyReplicas" => "ReloadReplicas",
                name => name,
            };
            assert_eq!(state["Arguments"]["FunctionName"], format!("${{{function}Arn}}"), "{name}");
            ran.insert(function.to_owned());
        }
    }
    let events = ["answer-hook", "notify", "publish-events", "reconcile"];
    let by_event = |f: &String| f.starts_with("on-") || events.contains(&f.as_str());
    let steps = perch_tests::functions().into_iter().filter(|f| !by_event(f));
    assert_eq!(ran, steps.map(|function| pascal(&function)).collect());
}

#[test]
fn error_names_are_raised_by_someone() {
    for path in [CANARY_DEPLOY, MODEL_RELOAD, ROLLBACK] {
        assert_eq!(unknown_errors(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn substitutions_are_those_of_the_template() {
    let template = yaml("template.yaml");
    for (resource, path) in
        [("CanaryDeploy", CANARY_DEPLOY), ("ModelReload", MODEL_RELOAD), ("Rollback", ROLLBACK)]
    {
        let properties = &template["Resources"][resource]["Properties"];
        assert_eq!(properties["DefinitionUri"], path);
        let given = properties["DefinitionSubstitutions"].as_object().unwrap();
        assert_eq!(substitutions(&json(path)), given.keys().cloned().collect(), "{resource}");
    }
}

#[test]
fn the_machine_reads_what_a_step_answers() {
    let answer = StepInput { release_id: "r-1".parse().unwrap(), fence: 7 };
    let answer: StepOutput = answer.then(Next::Judge { after_seconds: 60 });
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(
        answer,
        json!({ "releaseId": "r-1", "fence": 7, "next": "Judge", "waitSeconds": 60 })
    );
    let machine = json(CANARY_DEPLOY);
    for state in ["Route", "Wait", "Dispatch", "UnknownNext"] {
        for expression in expressions(&machine["States"][state]) {
            for field in read_fields(expression) {
                assert!(answer.get(field).is_some(), "{state} reads {field}");
            }
        }
    }
}

/// A stop or a hold keeps a shift or a promotion waiting, as a bake does a look.
#[test]
fn whatever_is_next_may_have_to_wait() {
    let machine = json(CANARY_DEPLOY);
    let states = &machine["States"];
    let waits = list(&states["Route"], "Choices");
    assert_eq!(
        waits,
        [
            json!({ "Condition": "{% $states.input.next = 'Await' %}", "Next": "AwaitDeployment" }),
            json!({ "Condition": "{% $states.input.waitSeconds > 0 %}", "Next": "Wait" }),
        ]
    );
    assert_eq!(
        (&states["Route"]["Default"], &states["Wait"]["Next"]),
        (&json!("Dispatch"), &json!("Dispatch"))
    );
    let after_seconds = 30;
    let input = StepInput { release_id: "r-1".parse().unwrap(), fence: 7 };
    for next in [
        Next::Prepare { after_seconds },
        Next::Shift { after_seconds },
        Next::Judge { after_seconds },
        Next::Promote { after_seconds },
    ] {
        let answer = input.then(next);
        assert_eq!((answer.next.as_str(), answer.wait_seconds), (next.name(), 30));
        assert!(routes(&machine).contains_key(next.name()));
    }
}

#[test]
fn the_machines_hand_over_what_the_functions_take() {
    let deploy = json(CANARY_DEPLOY);
    let routed = |next: &str| {
        let choices = list(&deploy["States"]["Dispatch"], "Choices");
        let choice = choices.iter().find(|choice| choice["Next"] == next).unwrap();
        built_fields(choice["Output"].as_str().unwrap())
    };
    for next in [
        "PrepareCanary",
        "RunSmokeTests",
        "ShiftWeight",
        "JudgeCanary",
        "PromoteCanary",
        "CloseRelease",
    ] {
        assert_eq!(routed(next), BTreeSet::from(["releaseId", "fence"]), "{next}");
    }
    let input = json!({ "releaseId": "r-1", "fence": 7 });
    serde_json::from_value::<StepInput>(input.clone()).unwrap();
    serde_json::from_value::<CloseInput>(input).unwrap();

    assert_eq!(routed("RollBack"), BTreeSet::from(["releaseId"]));
    serde_json::from_value::<RollbackInput>(json!({ "releaseId": "r-1" })).unwrap();
    let on_error = deploy["States"]["RollBackOnError"]["Output"].as_str().unwrap();
    assert_eq!(built_fields(on_error), BTreeSet::from(["releaseId", "cause", "kind", "error"]));
    let cause = json!({ "kind": "error", "error": "Denied: no" });
    let input = json!({ "releaseId": "r-1", "cause": cause });
    assert!(serde_json::from_value::<RollbackInput>(input).unwrap().cause.is_some());

    let rollback = json(ROLLBACK);
    let restore = &rollback["States"]["RestoreTraffic"];
    let restored = built_fields(restore["Output"].as_str().unwrap());
    assert_eq!(restored, BTreeSet::from(["releaseId", "fence", "next"]));
    let too_late = &rollback["States"]["Route"]["Choices"][0];
    assert_eq!(
        too_late["Condition"],
        format!("{{% $states.input.next = '{}' %}}", Next::End.name())
    );
    assert_eq!(too_late["Next"], "Ended");
    let input = json!({ "releaseId": "r-1", "fence": 7, "next": "Close" });
    serde_json::from_value::<CloseInput>(input).unwrap();
    let failed = built_fields(restore["Catch"][0]["Output"].as_str().unwrap());
    assert_eq!(failed, BTreeSet::from(["releaseId", "failure"]));
    let input = json!({ "releaseId": "r-1", "failure": "Denied: no" });
    assert!(serde_json::from_value::<CloseInput>(input).unwrap().failure.is_some());
}

/// The clocks of functions don't count how long others may still act: Step Functions' clock does.
#[test]
fn a_round_that_waits_for_others_is_told_when_it_began() {
    for (path, state) in [
        (CANARY_DEPLOY, "FollowDeployment"),
        (ROLLBACK, "StopDeployment"),
        (ROLLBACK, "RestoreReplicas"),
    ] {
        let payload = &json(path)["States"][state]["Arguments"]["Payload"];
        let expected = json!({
            "releaseId": "{% $states.input.releaseId %}",
            "fence": "{% $states.input.fence %}",
            "enteredAt": "{% $states.context.State.EnteredTime %}",
        });
        assert_eq!(*payload, expected, "{state}");
    }
    // As Step Functions writes it (Developer Guide, "Context object fields").
    let input = json!({ "releaseId": "r-1", "fence": 7, "enteredAt": "2026-03-02T09:18:31.204Z" });
    let follow: FollowInput = serde_json::from_value(input.clone()).unwrap();
    let round: RoundInput = serde_json::from_value(input).unwrap();
    let entered_at = Some("2026-03-02T09:18:31.204Z".parse().unwrap());
    assert_eq!((round.entered_at, &follow.round), (entered_at, &round));
}

#[test]
fn rules_can_fail() {
    let typo = json!([{ "ErrorEquals": ["Conflicts"] }]);
    assert_eq!(
        unknown_errors(&broken(CANARY_DEPLOY, "/States/ShiftWeight/Retry", typo)),
        ["ShiftWeight matches Conflicts, which nobody raises"]
    );
    let renamed = json!("{% '${OtherArn}:' %}");
    assert!(
        substitutions(&broken(ROLLBACK, "/States/StopCanaryDeploy/Output", renamed))
            .contains("OtherArn")
    );
}
