//! What a JSON path of an answer has to find.

use regex::Regex;
use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use crate::manifest::short;

/// A value that is expected at a path.
#[derive(Debug, Clone)]
pub enum Expected<'a> {
    /// This value. Numbers are compared as numbers: 1 is 1.0.
    Value(&'a Value),
    /// A number between these, both included.
    Range {
        /// The least.
        min: Option<f64>,
        /// The most.
        max: Option<f64>,
    },
    /// A text that the expression finds.
    Matches(Box<Regex>),
}

/// Why something can't be expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{at}`: {why}")]
pub struct InvalidExpectation {
    /// The path.
    pub at: String,
    /// What is wrong and what to write instead.
    pub why: String,
}

/// Reads a JSON path.
///
/// # Errors
/// [`InvalidExpectation`] where it is none by RFC 9535.
pub fn path(at: &str) -> Result<JsonPath, InvalidExpectation> {
    JsonPath::parse(at).map_err(|error| {
        let why = format!(
            "not a JSON path: {} at character {}; write $.field, $.list[0] or $['a name']",
            error.message(),
            error.position() + 1
        );
        InvalidExpectation { at: at.to_owned(), why }
    })
}

impl<'a> Expected<'a> {
    /// What is expected at a path.
    ///
    /// # Errors
    /// [`InvalidExpectation`] for fields that say nothing, and for a bad expression.
    pub fn of(at: &str, wanted: &'a Value) -> Result<Self, InvalidExpectation> {
        let Value::Object(fields) = wanted else { return Ok(Expected::Value(wanted)) };
        Self::fields(fields).map_err(|why| InvalidExpectation { at: at.to_owned(), why })
    }

    fn fields(fields: &Map<String, Value>) -> Result<Self, String> {
        let known = ["min", "max", "matches"];
        let unknown = fields.keys().find(|name| !known.contains(&name.as_str()));
        if fields.is_empty() || unknown.is_some() {
            let given = unknown.map_or_else(|| "{}".to_owned(), |name| format!("`{name}`"));
            return Err(format!(
                "{given} is not understood: write a value, {{min: 0.5, max: 1}} or \
                 {{matches: \"^v[0-9]+$\"}}; for an object, a path to each of its fields"
            ));
        }
        if let Some(pattern) = fields.get("matches") {
            let Some(pattern) = pattern.as_str().filter(|_| fields.len() == 1) else {
                return Err("`matches` is a text and stands alone".to_owned());
            };
            let regex = Regex::new(pattern).map_err(|_| {
                format!("`{pattern}` is not a regular expression: check brackets and escapes")
            })?;
            return Ok(Expected::Matches(Box::new(regex)));
        }
        let number = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(value) => {
                value.as_f64().map(Some).ok_or_else(|| format!("`{name}` is not a number"))
            }
        };
        let (min, max) = (number("min")?, number("max")?);
        match (min, max) {
            (Some(min), Some(max)) if min > max => {
                Err(format!("min {min} is above max {max}: nothing would fit"))
            }
            _ => Ok(Expected::Range { min, max }),
        }
    }

    /// Whether a value is as expected.
    pub fn fits(&self, found: &Value) -> bool {
        match self {
            Expected::Value(wanted) => same(wanted, found),
            Expected::Range { min, max } => found.as_f64().is_some_and(|found| {
                min.is_none_or(|min| found >= min) && max.is_none_or(|max| found <= max)
            }),
            Expected::Matches(regex) => found.as_str().is_some_and(|found| regex.is_match(found)),
        }
    }
}

impl std::fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::Value(wanted) => f.write_str(&short(wanted)),
            Expected::Range { min: Some(min), max: Some(max) } => write!(f, "{min} to {max}"),
            Expected::Range { min: Some(min), max: None } => write!(f, "at least {min}"),
            Expected::Range { min: None, max: Some(max) } => write!(f, "at most {max}"),
            Expected::Range { min: None, max: None } => f.write_str("a number"),
            Expected::Matches(regex) => write!(f, "a text that matches {regex}"),
        }
    }
}

/// Equal values; numbers by what they are, not by how they are written.
fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => {
            wanted == found || wanted.as_f64() == found.as_f64()
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(a, b)| same(a, b))
        }
        (wanted, found) => wanted == found,
    }
}

/// What was expected at a path of an answer and what is there, where that is something else.
pub(super) fn difference(
    at: &str,
    wanted: &Value,
    answer: &Value,
) -> Result<Option<String>, InvalidExpectation> {
    let (path, expected) = (path(at)?, Expected::of(at, wanted)?);
    let found = path.query(answer).all();
    if found.is_empty() {
        return Ok(Some(format!("{at}: expected {expected}, but it is missing")));
    }
    let other = found.into_iter().find(|found| !expected.fits(found));
    Ok(other.map(|found| format!("{at}: expected {expected}, got {}", short(found))))
}
