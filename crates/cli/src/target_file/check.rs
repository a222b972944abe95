//! One document of a file: its target, or everything that is wrong with it.
//!
//! serde stops at the first error. To find the next one, the faulty field is replaced by that of
//! the example and the document is read again.

use std::sync::LazyLock;

use perch_core::target::{MetricResolution, Problem, Rollout, Step, Target};
use serde_json::Value;

use super::message::{Fault, nearest};
use super::node::Node;
use super::path::Path;

/// A fault and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) line: u64,
    pub(super) text: String,
}

/// More faults than this in one document are not looked for.
const LIMIT: usize = 20;

static EXAMPLES: LazyLock<[Value; 2]> =
    LazyLock::new(|| super::EXAMPLES.map(|text| serde_saphyr::from_str(text).unwrap_or_default()));

/// The target of a document.
///
/// # Errors
/// Every fault that was found, in the order of lines.
pub(super) fn target(document: &Node, resolution: MetricResolution) -> Result<Target, Vec<Found>> {
    let mut json = document.to_json();
    if !json.is_object() {
        let text = "a target file has fields: begin with `apiVersion: perch/v1`".to_owned();
        return Err(vec![Found { line: document.line_of(&Path::default()), text }]);
    }
    let mut reading = Reading { document, found: Vec::new(), faulty: Vec::new(), unquoted: None };
    reading.lists_for_fields(&Path::default(), &mut json);
    let target = loop {
        match serde_path_to_error::deserialize::<_, Target>(json.clone()) {
            Ok(target) => break target,
            Err(error) => {
                let path = Path::from(error.path());
                let fault = Fault::read(&error.inner().to_string(), path.get(&json));
                if !reading.note(&path, fault, &mut json) || reading.found.len() >= LIMIT {
                    return Err(reading.finish());
                }
            }
        }
    };
    reading.settle_unquoted(None);
    if reading.found.is_empty() {
        for problem in target.problems(resolution) {
            let path = place_of(&problem, &target);
            reading.add(&path, said_of(&path, problem.message));
        }
    }
    if reading.found.is_empty() { Ok(target) } else { Err(reading.finish()) }
}

/// The field that a problem is about: core names the rollout where a step's bake is meant.
fn place_of(problem: &Problem, target: &Target) -> Path {
    let field = problem.field.as_ref();
    let rollout = match field {
        "rollout" => Some(&target.rollout),
        "modelRelease.rollout" => target.model_release.rollout.as_ref(),
        _ => None,
    };
    if let Some(Rollout::Steps(steps)) = rollout {
        let begins = |step: &Step| format!("the bake of {} at {} ", step.bake, step.weight);
        let place = steps.iter().position(|step| problem.message.starts_with(&begins(step)));
        if let Some(path) = place.and_then(|i| Path::parse(&format!("{field}.steps[{i}].bake"))) {
            return path;
        }
    }
    // A check is named in the message, before the colon.
    if field == "smoke.checks"
        && let Some(path) = problem.message.split_once(": ").and_then(|(path, _)| Path::parse(path))
    {
        return path;
    }
    Path::parse(field).unwrap_or_default()
}

/// The message with the field before it, unless it begins with it.
fn said_of(path: &Path, message: String) -> String {
    let field = path.to_string();
    if message.starts_with(&field) { message } else { format!("{field}: {message}") }
}

/// What was found in a document so far.
struct Reading<'a> {
    document: &'a Node,
    found: Vec<Found>,
    faulty: Vec<Path>,
    /// A value that was read again as if it were in quotes, and what is to be said if that helped.
    unquoted: Option<(Path, String)>,
}

impl Reading<'_> {
    /// Notes a fault and mends `json` there; whether it could be mended.
    fn note(&mut self, path: &Path, fault: Fault, json: &mut Value) -> bool {
        self.settle_unquoted(Some(path));
        match fault {
            Fault::UnknownField { name, known } => {
                let (path, parent) = with_name(path, &name);
                self.add(&path, format!("{path}: {}", unknown(&parent, &name, &known)));
                rename(&path, &parent, &name, &known, json)
            }
            Fault::NotText(message) => {
                let text = path.get(json).map(Value::to_string).unwrap_or_default();
                self.unquoted = Some((path.clone(), format!("{path}: {message}")));
                path.set(json, Some(text.into()))
            }
            Fault::Missing { name } => {
                let path = path.field(&name);
                self.add(&path, format!("{path}: missing{}", such_as(&path, &name)));
                mend(&path, json)
            }
            Fault::Value(message) => {
                self.add(path, format!("{path}: {message}"));
                !self.seen(path) && mend(path, json)
            }
            Fault::Rule { about, message } => {
                // After a field below was mended, the rule may be about the mended value.
                if !self.faulty.iter().any(|faulty| faulty.starts_with(path)) {
                    self.add(&about, message);
                }
                !self.seen(path) && mend(path, json)
            }
        }
    }

    /// Says that quotes were missing, unless the next fault is about the same value.
    fn settle_unquoted(&mut self, next: Option<&Path>) {
        if let Some((path, text)) = self.unquoted.take().filter(|(path, _)| Some(path) != next) {
            self.add(&path, text);
        }
    }

    /// Notes lists where fields are needed: serde would take them for fields in their order.
    fn lists_for_fields(&mut self, path: &Path, json: &mut Value) {
        let (fields, wanted) = (path.get(json).cloned(), example(path));
        match (fields, wanted) {
            (Some(Value::Array(_)), Some(Value::Object(_))) => {
                self.add(path, format!("{path}: is a list; write fields"));
                self.faulty.push(path.clone());
                mend(path, json);
            }
            (Some(Value::Array(items)), _) => {
                (0..items.len()).for_each(|i| self.lists_for_fields(&path.index(i), json));
            }
            (Some(Value::Object(fields)), _) => {
                fields.keys().for_each(|name| self.lists_for_fields(&path.field(name), json));
            }
            _ => {}
        }
    }

    /// Whether the field was mended before, to no avail.
    fn seen(&mut self, path: &Path) -> bool {
        let seen = self.faulty.contains(path);
        self.faulty.push(path.clone());
        seen
    }

    fn add(&mut self, path: &Path, text: String) {
        self.found.push(Found { line: self.document.line_of(path), text });
    }

    fn finish(mut self) -> Vec<Found> {
        self.found.sort_by_key(|found| found.line);
        self.found.dedup();
        self.found
    }
}

/// The path of a field and of what it is in, whether or not `path` ends in its name.
fn with_name(path: &Path, name: &str) -> (Path, Path) {
    let inside = path.parent();
    if inside.field(name) == *path {
        (path.clone(), inside)
    } else {
        (path.field(name), path.clone())
    }
}

fn unknown(parent: &Path, name: &str, known: &[String]) -> String {
    let place = parent.to_string();
    let place = if place.is_empty() { "a target".to_owned() } else { place };
    match nearest(name, known) {
        Some(near) => {
            format!("unknown field, did you mean {near}? {place} has {}", known.join(", "))
        }
        None => format!("unknown field; {place} has {}", known.join(", ")),
    }
}

/// Takes an unknown field away, or gives it the name that was meant.
fn rename(path: &Path, parent: &Path, name: &str, known: &[String], json: &mut Value) -> bool {
    let value = path.get(json).cloned();
    let meant = nearest(name, known).map(|near| parent.field(near));
    if let Some(meant) = meant.filter(|meant| meant.get(json).is_none()) {
        meant.set(json, value);
    }
    path.set(json, None)
}

/// The value of the like field in an example.
fn example(path: &Path) -> Option<&'static Value> {
    EXAMPLES.iter().find_map(|example| path.first_items().get(example))
}

fn such_as(path: &Path, name: &str) -> String {
    match example(path) {
        Some(Value::Object(fields)) => {
            let names: Vec<_> = fields.keys().cloned().collect();
            format!("; it has {}", names.join(", "))
        }
        Some(Value::String(text)) => format!("; write for example {name}: {text}"),
        Some(Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            format!("; write for example {name}: [{}]", items.join(", "))
        }
        Some(value) => format!("; write for example {name}: {value}"),
        None => String::new(),
    }
}

fn mend(path: &Path, json: &mut Value) -> bool {
    example(path).is_some_and(|value| path.set(json, Some(value.clone())))
}
