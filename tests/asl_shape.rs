//! The state machines are whole: every state is reached, limited, tried again and caught, and none
//! computes.
//!
//! Each rule is a function from a machine to what it finds wrong, so that `rules_can_fail` shows
//! every one of them at work on a broken machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use perch_core::sweep::GRACE;
use perch_tests::asl::{
    CANARY_DEPLOY, MODEL_RELOAD, Problems, ROLLBACK, broken, expressions, lambda_tasks, list,
    states, tasks,
};
use perch_tests::{json, text};
use serde_json::{Value, json};

/// The `JSONata` functions that only join and cut texts.
const TEXT_FUNCTIONS: [&str; 2] = ["$string", "$substring"];

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

/// Steps of a release whose errors do not lead to `goal`. `CloseRelease` and `TidyReplicas` are no such
/// steps: the release is over then, with its traffic read back.
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
        .filter(|(name, _)| !["CloseRelease", "RecordStuck", "TidyReplicas"].contains(name))
        .filter(|(_, state)| {
            !list(state, "Catch").last().is_some_and(|catch| {
                texts(&catch["ErrorEquals"]).contains("States.ALL") && leads(&catch["Next"])
            })
        })
        .map(|(name, _)| format!("an error of {name} does not lead to {goal}"))
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

#[test]
fn every_state_exists_and_is_reachable() {
    for path in [CANARY_DEPLOY, MODEL_RELOAD, ROLLBACK] {
        assert_eq!(dangling_and_unreachable(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn every_task_has_a_time_limit() {
    for path in [CANARY_DEPLOY, MODEL_RELOAD, ROLLBACK] {
        assert_eq!(tasks_without_limits(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn every_step_is_tried_again_with_jitter() {
    for path in [CANARY_DEPLOY, MODEL_RELOAD, ROLLBACK] {
        assert_eq!(retries_without_jitter(&json(path)), [""; 0], "{path}");
    }
}

#[test]
fn every_error_of_a_step_leads_to_the_rollback() {
    for path in [CANARY_DEPLOY, MODEL_RELOAD] {
        assert_eq!(steps_that_do_not_lead_to(&json(path), "RollBack"), [""; 0], "{path}");
    }
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
fn expressions_compare_join_and_build_only() {
    for path in [CANARY_DEPLOY, MODEL_RELOAD, ROLLBACK] {
        let machine = json(path);
        assert!(!expressions(&machine).is_empty());
        assert_eq!(computing(&machine), [""; 0], "{path}");
    }
}

/// The numbers of a state's `Retry` for errors that may pass.
fn retry_numbers(state: &Value) -> [f64; 4] {
    let mut retries = list(state, "Retry").iter();
    let retry = retries.rfind(|retry| retry["MaxAttempts"].as_u64() != Some(0));
    let retry = retry.unwrap_or(&Value::Null);
    ["MaxAttempts", "IntervalSeconds", "BackoffRate", "MaxDelaySeconds"]
        .map(|field| retry[field].as_f64().unwrap_or_else(|| panic!("{field} in {state}")))
}

/// The numbers of the first `retry(..)` behind `arm`, of the machines that the simulations run.
fn simulated_numbers(route: &str, arm: &str) -> Vec<f64> {
    let (_, function) = route.split_once("fn retry(").unwrap();
    let (_, after) = function.split_once(arm).unwrap_or_else(|| panic!("no {arm}"));
    let (_, call) = after.split_once(" retry(").unwrap();
    let (numbers, _) = call.split_once(')').unwrap();
    numbers.split(", ").map(|number| number.parse().unwrap()).collect()
}

#[test]
fn simulated_machines_try_again_as_the_real_ones_do() {
    let route = text("crates/testkit/src/machines/route.rs");
    let (deploy, reload, rollback) = (json(CANARY_DEPLOY), json(MODEL_RELOAD), json(ROLLBACK));
    for (arm, machine, states) in [
        (
            "| State::Follow(_) =>",
            &deploy,
            vec![
                "PrepareCanary",
                "ShiftWeight",
                "JudgeCanary",
                "PromoteCanary",
                "FollowDeployment",
            ],
        ),
        ("State::Smoke(_) =>", &deploy, vec!["RunSmokeTests"]),
        (
            "| State::Follow(_) =>",
            &reload,
            vec!["ReadReplicas", "PrepareModel", "ReloadReplicas", "LookAtReplicas", "JudgeCanary"],
        ),
        (
            "State::Restore(_) | State::RestoreReplicas(_) | State::StopDeployment(_) =>",
            &rollback,
            vec!["RestoreTraffic", "RestoreReplicas", "StopDeployment"],
        ),
        ("State::StartRollback(_) | State::Close(_) =>", &deploy, vec!["RollBack", "CloseRelease"]),
        ("State::StartRollback(_) | State::Close(_) =>", &rollback, vec!["CloseRelease"]),
        ("State::RecordStuck(_) =>", &deploy, vec!["RecordStuck"]),
        ("State::RecordStuck(_) =>", &rollback, vec!["RecordStuck"]),
    ] {
        for state in states {
            let numbers = retry_numbers(&machine["States"][state]);
            assert_eq!(simulated_numbers(&route, arm), numbers, "{state}");
        }
    }
    assert_eq!(list(&rollback["States"]["StopCanaryDeploy"], "Retry"), [Value::Null; 0]);
}

/// The longest that a state takes with all its tries.
fn longest(state: &Value) -> Duration {
    let [attempts, interval, rate, longest] = retry_numbers(state);
    let (mut waits, mut wait, mut left) = (0.0, interval, attempts);
    while left > 0.0 {
        waits += f64::min(wait, longest);
        wait *= rate;
        left -= 1.0;
    }
    let limit = state["TimeoutSeconds"].as_f64().unwrap();
    Duration::from_secs_f64(waits + limit * (attempts + 1.0))
}

#[test]
fn a_step_that_is_still_tried_is_not_taken_for_lost() {
    let machine = json(CANARY_DEPLOY);
    for step in [
        "PrepareCanary",
        "RunSmokeTests",
        "ShiftWeight",
        "JudgeCanary",
        "PromoteCanary",
        "FollowDeployment",
    ] {
        let longest = longest(&machine["States"][step]);
        assert!(longest < GRACE, "{step} takes up to {longest:?}");
    }
    let patient =
        json!({ "MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 2, "MaxDelaySeconds": 1 });
    let state = json!({ "TimeoutSeconds": 40, "Retry": [patient] });
    assert_eq!(longest(&state), Duration::from_secs(122));
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
        ["AwaitDeployment is unreachable", "Wait is unreachable"]
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
    for (expression, found) in [
        ("{% $states.input.waitSeconds + 1 %}", "+"),
        ("{% $states.input.list[0] %}", "["),
        ("{% $sum($states.input.list) %}", "$sum()"),
    ] {
        let problems = computing(&broken(CANARY_DEPLOY, "/States/Wait/Seconds", json!(expression)));
        assert_eq!(problems, [format!("`{found}` in {}", &expression[2..expression.len() - 2])]);
    }
}
