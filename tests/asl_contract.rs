//! The state machines keep the contract with core, with the functions and with the template.
//!
//! Each rule is a function from a machine to what it finds wrong, so that `rules_can_fail` shows
//! every one of them at work on a broken machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use perch_app::close_release::CloseInput;
use perch_app::restore_traffic::RollbackInput;
use perch_app::step::{StepInput, StepOutput};
use perch_aws::diagnostic::ERROR_TYPES;
use perch_core::decide::Next;
use perch_tests::{json, pascal, yaml};
use serde_json::{Value, json};

const CANARY_DEPLOY: &str = "statemachines/canary-deploy.asl.json";
const ROLLBACK: &str = "statemachines/rollback.asl.json";

/// Prefixes of the error names that Step Functions and its integrations raise.
const AWS_ERRORS: [&str; 3] = ["States.", "Lambda.", "StepFunctions."];
/// The `JSONata` functions that only join and cut texts.
const TEXT_FUNCTIONS: [&str; 2] = ["$string", "$substring"];

type Problems = Vec<String>;

fn states(machine: &Value) -> impl Iterator<Item = (&str, &Value)> {
    machine["States"].as_object().unwrap().iter().map(|(name, state)| (name.as_str(), state))
}

fn tasks(machine: &Value) -> impl Iterator<Item = (&str, &Value)> {
    states(machine).filter(|(_, state)| state["Type"] == "Task")
}

fn lambda_tasks(machine: &Value) -> impl Iterator<Item = (&str, &Value)> {
    tasks(machine).filter(|(_, state)| state["Resource"] == "arn:aws:states:::lambda:invoke")
}

fn list<'a>(state: &'a Value, field: &str) -> &'a [Value] {
    state[field].as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Every state that a state can lead to.
fn ways(state: &Value) -> Vec<&str> {
    let of = |value: &'static str| state[value].as_str();
    let nested = ["Choices", "Catch"].into_iter().flat_map(|field| list(state, field));
    let nested = nested.filter_map(|branch| branch["Next"].as_str());
    of("Next").into_iter().chain(of("Default")).chain(nested).collect()
}

fn dangling_and_unreachable(machine: &Value) -> Problems {
    let known: BTreeSet<&str> = states(machine).map(|(name, _)| name).collect();
    let mut problems = Vec::new();
    let mut reached = BTreeSet::new();
    let mut open = vec![machine["StartAt"].as_str().unwrap_or("StartAt")];
    while let Some(name) = open.pop() {
        if !known.contains(name) {
            problems.push(format!("{name} does not exist"));
        } else if reached.insert(name) {
            open.extend(ways(&machine["States"][name]));
        }
    }
    problems.extend(known.difference(&reached).map(|name| format!("{name} is unreachable")));
    for (name, state) in states(machine) {
        let ends = ["Succeed", "Fail"].iter().any(|end| state["Type"] == *end);
        if ends != ways(state).is_empty() {
            problems.push(format!("{name} neither ends nor leads on"));
        }
    }
    problems
}

fn tasks_without_limits(machine: &Value) -> Problems {
    let mut problems = Vec::new();
    if !machine["TimeoutSeconds"].is_u64() {
        problems.push("the machine has no TimeoutSeconds".to_owned());
    }
    let unlimited = tasks(machine).filter(|(_, state)| !state["TimeoutSeconds"].is_u64());
    problems.extend(unlimited.map(|(name, _)| format!("{name} has no TimeoutSeconds")));
    problems
}

/// Retries without jitter: executions that failed together would try again together.
fn retries_without_jitter(machine: &Value) -> Problems {
    let mut problems = Vec::new();
    for (name, state) in lambda_tasks(machine) {
        let tried_again =
            list(state, "Retry").iter().filter(|retry| retry["MaxAttempts"].as_u64() != Some(0));
        let plain = tried_again.clone().any(|retry| retry["JitterStrategy"] != "FULL");
        if plain || tried_again.count() == 0 {
            problems.push(format!("{name} has no Retry with jitter"));
        }
    }
    problems
}

/// Steps of a release whose errors do not lead to `goal`. `CloseRelease` is no such step: the
/// release is over then, with its traffic read back.
fn steps_that_do_not_lead_to(machine: &Value, goal: &str) -> Problems {
    // On the way there may only be states that can't fail.
    let leads = |first: &Value| {
        let mut at = first;
        let mut seen = BTreeSet::new();
        while let Some(name) = at.as_str().filter(|name| *name != goal && seen.insert(*name)) {
            let state = &machine["States"][name];
            at = if state["Type"] == "Pass" { &state["Next"] } else { &Value::Null };
        }
        at == goal
    };
    lambda_tasks(machine)
        .filter(|(name, _)| *name != "CloseRelease" && *name != "RecordStuck")
        .filter(|(_, state)| {
            !list(state, "Catch").last().is_some_and(|catch| {
                texts(&catch["ErrorEquals"]).contains("States.ALL") && leads(&catch["Next"])
            })
        })
        .map(|(name, _)| format!("an error of {name} does not lead to {goal}"))
        .collect()
}

fn unknown_errors(machine: &Value) -> Problems {
    let mut problems = Vec::new();
    for (name, state) in states(machine) {
        for rule in ["Retry", "Catch"].into_iter().flat_map(|field| list(state, field)) {
            for error in texts(&rule["ErrorEquals"]) {
                let of_aws = AWS_ERRORS.iter().any(|prefix| error.starts_with(prefix));
                if !of_aws && !ERROR_TYPES.contains(&error) {
                    problems.push(format!("{name} matches {error}, which nobody raises"));
                }
            }
        }
    }
    problems
}

/// Every text below a value.
fn all_texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(all_texts).collect(),
        Value::Object(fields) => fields.values().flat_map(all_texts).collect(),
        _ => Vec::new(),
    }
}

fn substitutions(machine: &Value) -> BTreeSet<String> {
    let after = |text: &str| {
        text.split("${").skip(1).filter_map(|t| Some(t.split_once('}')?.0.to_owned())).collect()
    };
    all_texts(machine).into_iter().flat_map(|text: &str| -> Vec<String> { after(text) }).collect()
}

fn expressions(value: &Value) -> Vec<&str> {
    let inside = |text: &str| Some((text.find("{%")? + 2, text.rfind("%}")?));
    all_texts(value)
        .into_iter()
        .filter_map(|text| inside(text).and_then(|(from, to)| text.get(from..to)))
        .collect()
}

/// An expression without its quoted texts.
fn unquoted(expression: &str) -> String {
    expression.split('\'').step_by(2).collect::<Vec<_>>().join("''")
}

/// Names with a `$` that are called.
fn called(expression: &str) -> Vec<&str> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    expression
        .match_indices('(')
        .map(|(at, _)| expression[..at].trim_end())
        .map(|before| &before[before.rfind(|c| !name(c)).map_or(0, |at| at + 1)..])
        .collect()
}

/// Expressions that do more than compare, join texts and build objects: the machine has clock,
/// waits, retries and routing, and core has the arithmetic.
fn computing(machine: &Value) -> Problems {
    let mut problems = Vec::new();
    for expression in expressions(machine) {
        let bare = unquoted(expression);
        if let Some(operator) = bare.chars().find(|c| "+-*/%^~|[]?;".contains(*c)) {
            problems.push(format!("`{operator}` in {expression}"));
        }
        for function in called(&bare) {
            if !TEXT_FUNCTIONS.contains(&function) {
                problems.push(format!("`{function}()` in {expression}"));
            }
        }
    }
    problems
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
fn every_state_exists_and_is_reachable() {
    for path in [CANARY_DEPLOY, ROLLBACK] {
        assert_eq!(dangling_and_unreachable(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn every_task_has_a_time_limit() {
    for path in [CANARY_DEPLOY, ROLLBACK] {
        assert_eq!(tasks_without_limits(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn every_step_is_tried_again_with_jitter() {
    for path in [CANARY_DEPLOY, ROLLBACK] {
        assert_eq!(retries_without_jitter(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn every_error_of_a_step_leads_to_the_rollback() {
    assert_eq!(steps_that_do_not_lead_to(&json(CANARY_DEPLOY), "RollBack"), [""; 0]);
    assert_eq!(steps_that_do_not_lead_to(&json(ROLLBACK), "RecordStuck"), [""; 0]);
}

#[test]
fn an_unknown_next_leads_to_the_rollback() {
    let machine = json(CANARY_DEPLOY);
    let states = &machine["States"];
    let default = states["Dispatch"]["Default"].as_str().unwrap();
    let then = states[default]["Next"].as_str().unwrap();
    assert_eq!(states[then]["Next"], "RollBack");
}

#[test]
fn dispatch_routes_on_the_names_of_core() {
    let machine = json(CANARY_DEPLOY);
    let routes = routes(&machine);
    let names: BTreeSet<&str> = routes.keys().copied().collect();
    assert_eq!(names, BTreeSet::from(Next::NAMES));
    let expected = [
        ("Prepare", "PrepareCanary"),
        ("Shift", "ShiftWeight"),
        ("Judge", "JudgeCanary"),
        ("Promote", "PromoteCanary"),
        ("Rollback", "RollBack"),
        ("Close", "CloseRelease"),
        ("End", "Ended"),
    ];
    assert_eq!(routes, BTreeMap::from(expected));
}

#[test]
fn a_step_runs_the_function_of_its_name() {
    let mut ran = BTreeSet::new();
    for path in [CANARY_DEPLOY, ROLLBACK] {
        let machine = json(path);
        for (name, state) in lambda_tasks(&machine) {
            // Ending a release as Stuck is the work of the function that ends releases.
            let function = if name == "RecordStuck" { "CloseRelease" } else { name };
            assert_eq!(state["Arguments"]["FunctionName"], format!("${{{function}Arn}}"), "{name}");
            ran.insert(function.to_owned());
        }
    }
    let events = ["on-alarm", "on-image-push", "on-package-upload", "notify"];
    let steps = perch_tests::functions().into_iter().filter(|f| !events.contains(&f.as_str()));
    assert_eq!(ran, steps.map(|function| pascal(&function)).collect());
}

#[test]
fn error_names_are_raised_by_someone() {
    for path in [CANARY_DEPLOY, ROLLBACK] {
        assert_eq!(unknown_errors(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn substitutions_are_those_of_the_template() {
    let template = yaml("template.yaml");
    for (resource, path) in [("CanaryDeploy", CANARY_DEPLOY), ("Rollback", ROLLBACK)] {
        let properties = &template["Resources"][resource]["Properties"];
        assert_eq!(properties["DefinitionUri"], path);
        let given = properties["DefinitionSubstitutions"].as_object().unwrap();
        assert_eq!(substitutions(&json(path)), given.keys().cloned().collect(), "{resource}");
    }
}

#[test]
fn expressions_compare_join_and_build_only() {
    for path in [CANARY_DEPLOY, ROLLBACK] {
        let machine = json(path);
        assert!(!expressions(&machine).is_empty());
        assert_eq!(computing(&machine), [""; 0], "{path}");
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

#[test]
fn the_machines_hand_over_what_the_functions_take() {
    let deploy = json(CANARY_DEPLOY);
    let routed = |next: &str| {
        let choices = list(&deploy["States"]["Dispatch"], "Choices");
        let choice = choices.iter().find(|choice| choice["Next"] == next).unwrap();
        built_fields(choice["Output"].as_str().unwrap())
    };
    for next in ["PrepareCanary", "ShiftWeight", "JudgeCanary", "PromoteCanary", "CloseRelease"] {
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
    assert_eq!(restored, BTreeSet::from(["releaseId", "fence"]));
    let failed = built_fields(restore["Catch"][0]["Output"].as_str().unwrap());
    assert_eq!(failed, BTreeSet::from(["releaseId", "failure"]));
    let input = json!({ "releaseId": "r-1", "failure": "Denied: no" });
    assert!(serde_json::from_value::<CloseInput>(input).unwrap().failure.is_some());
}

/// The machine with one value replaced.
fn broken(path: &str, pointer: &str, value: Value) -> Value {
    let mut machine = json(path);
    *machine.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    machine
}

#[test]
fn rules_can_fail() {
    let step = |field: &str| format!("/States/ShiftWeight/{field}");
    let with = |field: &str, value: Value| broken(CANARY_DEPLOY, &step(field), value);
    assert_eq!(
        dangling_and_unreachable(&with("Next", json!("Nowhere"))),
        ["Nowhere does not exist"]
    );
    assert_eq!(
        dangling_and_unreachable(&broken(CANARY_DEPLOY, "/States/Route/Choices", json!([]))),
        ["Wait is unreachable"]
    );
    assert_eq!(
        dangling_and_unreachable(&broken(CANARY_DEPLOY, "/States/Ended/Type", json!("Pass"))),
        ["Ended neither ends nor leads on"]
    );
    assert_eq!(
        tasks_without_limits(&with("TimeoutSeconds", Value::Null)),
        ["ShiftWeight has no TimeoutSeconds"]
    );
    for retry in [json!([]), json!([{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 3 }])] {
        assert_eq!(
            retries_without_jitter(&with("Retry", retry)),
            ["ShiftWeight has no Retry with jitter"]
        );
    }
    for catch in [
        json!([]),
        json!([{ "ErrorEquals": ["States.ALL"], "Next": "Ended" }]),
        json!([{ "ErrorEquals": ["States.Timeout"], "Next": "RollBackOnError" }]),
    ] {
        assert_eq!(
            steps_that_do_not_lead_to(&with("Catch", catch), "RollBack"),
            ["an error of ShiftWeight does not lead to RollBack"]
        );
    }
    let typo = json!([{ "ErrorEquals": ["Conflicts"] }]);
    assert_eq!(
        unknown_errors(&with("Retry", typo)),
        ["ShiftWeight matches Conflicts, which nobody raises"]
    );
    for (expression, found) in [
        ("{% $states.input.waitSeconds + 1 %}", "+"),
        ("{% $states.input.list[0] %}", "["),
        ("{% $sum($states.input.list) %}", "$sum()"),
    ] {
        let problems = computing(&broken(CANARY_DEPLOY, "/States/Wait/Seconds", json!(expression)));
        assert_eq!(problems, [format!("`{found}` in {}", &expression[2..expression.len() - 2])]);
    }
    let renamed = json!("{% '${OtherArn}:' %}");
    assert!(
        substitutions(&broken(ROLLBACK, "/States/StopCanaryDeploy/Output", renamed))
            .contains("OtherArn")
    );
}
