//! Traces from files: one case, or a file of cases. Unknown fields are allowed; what is missing or can
//! not be is named with its case and field.

mod problem;
#[cfg(test)]
mod tests;
mod wire;

pub use problem::InvalidCase;

use std::collections::HashSet;

use serde_json::Value;

use crate::trace::Trace;

/// The format of case files that is understood.
pub const FORMAT: u64 = 1;

/// A trace with a name, and what is expected of a judge where the file says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The name, unique in its file.
    pub id: String,
    /// What was counted. `bad` is true where a rollback is expected.
    pub trace: Trace,
    /// What a judge may answer, if the file says so.
    pub allowed: Vec<Answer>,
    /// The minute by which a rollback must have happened to count.
    pub rollback_by: Option<usize>,
    /// What the reference answered, if the file says so.
    pub reference: Option<Reference>,
}

/// The end of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The baseline was put back.
    Rollback,
    /// The canary takes all traffic.
    Promote,
    /// Neither was proven by the deadline.
    Inconclusive,
}

/// The answer of the reference implementation to a case.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct Reference {
    /// The end.
    pub verdict: Answer,
    /// The minute of the rollback.
    #[serde(rename = "rollback_min")]
    pub rollback: Option<usize>,
    /// The minute of the first promotion.
    #[serde(rename = "promote_min")]
    pub promote: Option<usize>,
    /// The logarithm of the evidence over all signals, gated or not, after each minute.
    #[serde(rename = "logE_by_minute")]
    pub log_evidence: Vec<f64>,
}

impl Case {
    /// Whether this answer is allowed, and a rollback came in time where there is a time.
    pub fn accepts(&self, answer: Answer, rollback: Option<usize>) -> bool {
        let in_time = self.rollback_by.is_none_or(|by| rollback.is_some_and(|at| at <= by));
        self.allowed.contains(&answer) && in_time
    }
}

/// The cases of a file's text: an object with `cases`, a list of cases, or one case.
///
/// # Errors
/// What is wrong with the file or with its first wrong case.
pub fn read(text: &str) -> Result<Vec<Case>, InvalidCase> {
    let document: Value = serde_json::from_str(text).map_err(InvalidCase::NotJson)?;
    if let Some(format) = document.get("format").filter(|format| **format != FORMAT) {
        return Err(InvalidCase::Format { found: format.to_string() });
    }
    let found = match document {
        Value::Array(cases) => cases,
        Value::Object(mut file) => match file.remove("cases") {
            Some(Value::Array(cases)) => cases,
            Some(_) => return Err(InvalidCase::NoList),
            None => vec![Value::Object(file)],
        },
        _ => return Err(InvalidCase::NoList),
    };
    if found.is_empty() {
        return Err(InvalidCase::Empty);
    }
    let mut ids = HashSet::new();
    let cases = found.into_iter().enumerate().map(|(index, value)| {
        let case = wire::case(value, index)?;
        let new = ids.insert(case.id.clone());
        if new { Ok(case) } else { Err(InvalidCase::Twice { case: case.id }) }
    });
    cases.collect()
}
