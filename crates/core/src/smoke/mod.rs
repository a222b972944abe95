//! Whether the answer to a smoke test's request is what was expected.
//!
//! Pure: sending requests and measuring time are left to adapters, and what a failure leads to is left
//! to [`decide`](crate::decide).

mod expected;
mod read;
#[cfg(test)]
mod tests;

pub use expected::{Expected, InvalidExpectation, path};

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::target::SmokeCheck;
use read::{proxied, text};

/// The most differences of one check that are kept.
const MOST_DIFFERENCES: usize = 5;

/// What came back of a check's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An answer over HTTP.
    Http {
        /// Its status.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// What an invocation gave.
    Function {
        /// Why the function failed, if it did.
        error: Option<String>,
        /// What it returned.
        body: Vec<u8>,
    },
    /// Nothing that could be looked at: no connection, no answer in time, no permission.
    Nothing {
        /// Why.
        why: String,
    },
}

/// An answer and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What came back.
    pub answer: Answer,
    /// The time from the request to the end of the answer.
    pub took: Duration,
}

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SmokeResult {
    /// The name of the check.
    pub name: String,
    /// Whether the answer was as expected.
    pub passed: bool,
    /// The status of the answer, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
    /// What was expected and what came; empty for a check that passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

impl std::fmt::Display for SmokeResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.passed {
            write!(f, "`{}` passed in {} ms", self.name, self.latency_ms)
        } else {
            write!(f, "`{}`: {}", self.name, self.differences.join("; "))
        }
    }
}

/// Whether the smoke tests as a whole let the release go on: there are results, and each passed.
pub fn all_passed(results: &[SmokeResult]) -> bool {
    !results.is_empty() && results.iter().all(|result| result.passed)
}

/// The checks that failed, each in a sentence.
pub fn failures(results: &[SmokeResult]) -> Vec<String> {
    results.iter().filter(|result| !result.passed).map(ToString::to_string).collect()
}

/// The results in a sentence.
pub fn summary(results: &[SmokeResult]) -> String {
    let (failures, all) = (failures(results), results.len());
    let s = if all == 1 { "" } else { "s" };
    if all == 0 {
        "no smoke test was done".to_owned()
    } else if failures.is_empty() {
        let sum: u64 = results.iter().map(|result| result.latency_ms).sum();
        format!("{all} smoke test{s} passed, {sum} ms in all")
    } else {
        format!("{} of {all} smoke test{s} failed: {}", failures.len(), failures.join("; "))
    }
}

/// The result of a check whose request was answered so.
pub fn judge(check: &SmokeCheck, heard: &Heard) -> SmokeResult {
    let (status, mut differences) = match &heard.answer {
        Answer::Nothing { why } => (None, vec![why.clone()]),
        Answer::Function { error: Some(error), .. } => {
            (None, vec![format!("the function failed: {error}")])
        }
        Answer::Function { error: None, body } if check.expect.status.is_some() => {
            match proxied(body) {
                Ok((status, body)) => (Some(status), compared(check, Some(status), &body)),
                Err(why) => (None, vec![why]),
            }
        }
        Answer::Function { error: None, body } => (None, compared(check, None, body)),
        Answer::Http { status, body } => (Some(*status), compared(check, Some(*status), body)),
    };
    let latency_ms = u64::try_from(heard.took.as_millis()).unwrap_or(u64::MAX);
    let within = check.expect.within.duration();
    let is_answer = !matches!(heard.answer, Answer::Nothing { .. });
    if is_answer && heard.took > within {
        differences.push(format!(
            "the answer took {latency_ms} ms, expected within {} ms",
            within.as_millis()
        ));
    }
    let more = differences.len().saturating_sub(MOST_DIFFERENCES);
    differences.truncate(MOST_DIFFERENCES);
    if more > 0 {
        differences.push(format!("and {more} more"));
    }
    let (name, passed) = (check.name.clone(), differences.is_empty());
    SmokeResult { name, passed, status, latency_ms, differences }
}

/// Where status and body are not as expected.
fn compared(check: &SmokeCheck, status: Option<u16>, body: &[u8]) -> Vec<String> {
    let mut differences = Vec::new();
    let expected = check.expect.http_status();
    if let Some(status) = status.filter(|status| *status != expected) {
        differences.push(format!("status: expected {expected}, got {status}: {}", text(body)));
    }
    if check.expect.json.is_empty() {
        return differences;
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(found) => differences.extend(check.expect.json.iter().filter_map(|(at, wanted)| {
            expected::difference(at, wanted, &found).unwrap_or_else(|error| Some(error.to_string()))
        })),
        Err(_) => differences.push(format!("the answer is not JSON: {}", text(body))),
    }
    differences
}
