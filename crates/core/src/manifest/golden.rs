//! Golden requests: inputs with the answers that a model has to give before it sees traffic.
//!
//! An expected object is a subset: fields that it does not name may have any value. Lists are compared
//! item by item, everything else exactly. `{"$near": 0.9, "tolerance": 0.02}` takes numbers that are
//! close, `{"$atLeast": n}` and `{"$atMost": n}` take a side, and `{"$exact": value}` takes an object
//! with no other fields.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most golden requests: each is sent to every canary replica.
const MOST: usize = 100;

/// An input and what the model has to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GoldenRequest {
    /// What people call it.
    pub name: String,
    /// What is sent.
    pub input: Value,
    /// What has to come back.
    pub expect: Value,
}

/// Why a text has no golden requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("golden requests: {0}")]
pub struct InvalidGolden(pub String);

/// Reads the golden requests of a model.
///
/// # Errors
/// [`InvalidGolden`], which names the request.
pub fn read_golden(bytes: &[u8]) -> Result<Vec<GoldenRequest>, InvalidGolden> {
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let requests: Vec<GoldenRequest> = serde_path_to_error::deserialize(&mut text)
        .map_err(|error| InvalidGolden(format!("`{}`: {}", error.path(), error.inner())))?;
    text.end().map_err(|error| InvalidGolden(error.to_string()))?;
    if requests.len() > MOST {
        return Err(InvalidGolden(format!("{} are too many: at most {MOST}", requests.len())));
    }
    for request in &requests {
        if let Some(problem) = unusable(&request.expect) {
            return Err(InvalidGolden(format!("`{}`: {problem}", request.name)));
        }
    }
    Ok(requests)
}

/// Where an answer is not as expected, with both values; `None` when it is.
pub fn difference(expected: &Value, answer: &Value) -> Option<String> {
    differs(expected, answer, "$")
}

fn differs(expected: &Value, answer: &Value, path: &str) -> Option<String> {
    let at = |wanted: &str| Some(format!("{path}: expected {wanted}, got {}", short(answer)));
    match (expected, answer) {
        (Value::Object(fields), _) if operator(fields).is_some() => {
            let (holds, wanted) = Operation::of(fields)?.holds(answer);
            if holds { None } else { at(&wanted) }
        }
        (Value::Object(fields), Value::Object(given)) => fields.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match given.get(name) {
                Some(found) => differs(value, found, &path),
                None => Some(format!("{path}: expected {}, but it is missing", short(value))),
            }
        }),
        (Value::Array(items), Value::Array(given)) if items.len() == given.len() => {
            let mut pairs = items.iter().zip(given).enumerate();
            pairs.find_map(|(place, (item, found))| {
                differs(item, found, &format!("{path}[{place}]"))
            })
        }
        (Value::Array(items), Value::Array(given)) => {
            Some(format!("{path}: expected {} items, got {}", items.len(), given.len()))
        }
        (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => None,
        (wanted, found) if wanted == found => None,
        (wanted, _) => at(&short(wanted)),
    }
}

/// A comparison other than the usual one.
enum Operation<'a> {
    Exact(&'a Value),
    Near(f64, f64),
    AtLeast(f64),
    AtMost(f64),
}

fn operator(fields: &Map<String, Value>) -> Option<&str> {
    fields.keys().map(String::as_str).find(|name| name.starts_with('$'))
}

impl<'a> Operation<'a> {
    /// What the object says; `None` when it is not one of the known forms.
    fn of(fields: &'a Map<String, Value>) -> Option<Self> {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        match (operator(fields)?, fields.len()) {
            ("$exact", 1) => fields.get("$exact").map(Self::Exact),
            ("$near", 2) => Some(Self::Near(number("$near")?, number("tolerance")?)),
            ("$atLeast", 1) => number("$atLeast").map(Self::AtLeast),
            ("$atMost", 1) => number("$atMost").map(Self::AtMost),
            _ => None,
        }
    }

    fn holds(&self, answer: &Value) -> (bool, String) {
        let is = |test: &dyn Fn(f64) -> bool| answer.as_f64().is_some_and(test);
        match *self {
            Self::Exact(value) => (answer == value, format!("exactly {}", short(value))),
            Self::Near(value, by) => {
                (is(&|found| (found - value).abs() <= by), format!("{value} within {by}"))
            }
            Self::AtLeast(least) => (is(&|found| found >= least), format!("at least {least}")),
            Self::AtMost(most) => (is(&|found| found <= most), format!("at most {most}")),
        }
    }
}

/// What is wrong with an expectation.
fn unusable(expect: &Value) -> Option<String> {
    match expect {
        Value::Object(fields) => match operator(fields) {
            Some(name) if Operation::of(fields).is_none() => Some(format!(
                "`{name}` is not understood: write {{\"$near\": 0.9, \"tolerance\": 0.02}}, \
                 {{\"$atLeast\": 0.5}}, {{\"$atMost\": 0.5}} or {{\"$exact\": ...}}"
            )),
            Some(_) => None,
            None => fields.values().find_map(unusable),
        },
        Value::Array(items) => items.iter().find_map(unusable),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A value as people can read it in one line.
pub(crate) fn short(value: &Value) -> String {
    const MOST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
