//! serde's messages in the words of a target file: what is wrong, and what to write instead.

use serde_json::Value;

use super::path::Path;

/// What is wrong with a field, from serde's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A field that the format does not have.
    UnknownField { name: String, known: Vec<String> },
    /// A field that has to be there.
    Missing { name: String },
    /// A number or a truth value where text is needed: it may only lack its quotes.
    NotText(String),
    /// Anything else, said in full.
    Value(String),
    /// A rule over the fields below; the message begins with the path it is about.
    Rule { about: Path, message: String },
}

impl Fault {
    /// Reads serde's message about `found`, the value at the error's path.
    pub(crate) fn read(message: &str, found: Option<&Value>) -> Self {
        let quoted = quoted(message);
        if message.starts_with("unknown field ") {
            let (name, known) = split_first(quoted);
            return Self::UnknownField { name, known };
        }
        if message.starts_with("missing field ") {
            return Self::Missing { name: split_first(quoted).0 };
        }
        if message.starts_with("unknown variant ") {
            let (name, mut known) = split_first(quoted);
            // Presets also go by CodeDeploy's full names, which would only make the list longer.
            known.retain(|known| !known.starts_with("CodeDeployDefault."));
            return Self::Value(unknown_value(&name, &known));
        }
        if let Some(expected) = mismatch(message) {
            return match found {
                Some(value @ (Value::Number(_) | Value::Bool(_))) if expected == "a string" => {
                    Self::NotText(format!("{value} is not text; put it in quotes: \"{value}\""))
                }
                _ => Self::Value(wrong_kind(found, expected)),
            };
        }
        let first = message.split([' ', ':']).next().unwrap_or_default();
        match Path::parse(first) {
            Some(about) if message.len() > first.len() && first.contains("rollout") => {
                Self::Rule { about, message: message.to_owned() }
            }
            _ => Self::Value(message.to_owned()),
        }
    }
}

/// The parts of a message in backquotes.
fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn split_first(mut words: Vec<String>) -> (String, Vec<String>) {
    if words.is_empty() {
        return (String::new(), words);
    }
    let first = words.remove(0);
    (first, words)
}

/// What serde expected, from `invalid type: integer `1`, expected a string` and the like.
fn mismatch(message: &str) -> Option<&str> {
    let kinds = ["invalid type: ", "invalid value: ", "invalid length "];
    kinds.iter().any(|kind| message.starts_with(kind)).then_some(())?;
    Some(message.rsplit_once("expected ")?.1)
}

/// A hint helps where there are more values than one sees at a glance.
fn unknown_value(name: &str, known: &[String]) -> String {
    match nearest(name, known) {
        Some(near) if known.len() > 4 => {
            format!("unknown value \"{name}\", did you mean {near}? Use {}", either(known))
        }
        _ => format!("unknown value \"{name}\"; use {}", either(known)),
    }
}

/// Whether serde wants text, a list, fields or a number, and what is there instead.
fn wrong_kind(found: Option<&Value>, expected: &str) -> String {
    let wanted = match expected {
        "a string" => "text",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "u64" | "usize" | "u8" => "a whole number, 0 or more",
        other if other.starts_with("struct ") || other.contains("map") => "fields",
        other => other,
    };
    let scalar = |value: &Value| match value {
        Value::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    };
    match found {
        None | Some(Value::Null) => format!("is empty; write {wanted}"),
        Some(Value::Array(_)) => format!("is a list; write {wanted}"),
        Some(Value::Object(_)) => format!("has fields; write {wanted}"),
        Some(value) => format!("{} is not right here; write {wanted}", scalar(value)),
    }
}

/// The known name that is most like `name`, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let like = |a: &str| strsim::jaro_winkler(&a.to_lowercase(), &name.to_lowercase());
    let best = known.iter().map(|k| (like(k), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.75).map(|(_, known)| known.as_str())
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn either(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
