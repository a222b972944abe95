//! The state machines, as several contract tests read them.

use serde_json::Value;

use crate::json;

/// The machine of a release.
pub const CANARY_DEPLOY: &str = "statemachines/canary-deploy.asl.json";
/// The machine of a release of a model to its servers.
pub const MODEL_RELOAD: &str = "statemachines/model-reload.asl.json";
/// The machine that puts the baseline back.
pub const ROLLBACK: &str = "statemachines/rollback.asl.json";

/// What a rule finds wrong.
pub type Problems = Vec<String>;

/// Every state of a machine.
///
/// # Panics
/// When the machine has none.
pub fn states(machine: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let states = machine["States"].as_object().unwrap_or_else(|| panic!("no States in {machine}"));
    states.iter().map(|(name, state)| (name.as_str(), state))
}

/// The states that do something.
pub fn tasks(machine: &Value) -> impl Iterator<Item = (&str, &Value)> {
    states(machine).filter(|(_, state)| state["Type"] == "Task")
}

/// The states that run a function.
pub fn lambda_tasks(machine: &Value) -> impl Iterator<Item = (&str, &Value)> {
    tasks(machine).filter(|(_, state)| state["Resource"] == "arn:aws:states:::lambda:invoke")
}

/// The items of a list; none where there is no such list.
pub fn list<'a>(state: &'a Value, field: &str) -> &'a [Value] {
    state[field].as_array().map_or(&[], Vec::as_slice)
}

/// Every text below a value.
pub fn all_texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(all_texts).collect(),
        Value::Object(fields) => fields.values().flat_map(all_texts).collect(),
        _ => Vec::new(),
    }
}

/// Every expression below a value.
pub fn expressions(value: &Value) -> Vec<&str> {
    let inside = |text: &str| Some((text.find("{%")? + 2, text.rfind("%}")?));
    all_texts(value)
        .into_iter()
        .filter_map(|text| inside(text).and_then(|(from, to)| text.get(from..to)))
        .collect()
}

/// The machine with one value replaced.
///
/// # Panics
/// When there is nothing at the pointer.
pub fn broken(path: &str, pointer: &str, value: Value) -> Value {
    let mut machine = json(path);
    *machine.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    machine
}
