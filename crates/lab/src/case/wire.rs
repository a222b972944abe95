//! A case as it is written, and the checks that make it a trace.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Case, InvalidCase, Reference};
use crate::latency::{BINS, Histogram};
use crate::trace::{self, Minute, Trace};

type Counts = BTreeMap<String, f64>;

#[derive(Deserialize)]
struct Wire {
    id: String,
    canary_weight: f64,
    /// The share for planning, where it differs: a ramp has no single weight.
    split_for_phi: Option<f64>,
    history: History,
    minutes: Vec<Arms>,
    expected: Option<Answer>,
    #[serde(default)]
    allowed: Vec<Answer>,
    rollback_by_min: Option<usize>,
    r#ref: Option<Reference>,
}

#[derive(Deserialize)]
struct History {
    n: Vec<f64>,
    e: Vec<f64>,
    lat: Counts,
}

#[derive(Deserialize)]
struct Arms {
    c: Arm,
    b: Arm,
}

#[derive(Deserialize)]
struct Arm {
    n: f64,
    e: f64,
    h: Counts,
}

/// A field and what is wrong with it.
type Fault = (String, String);

/// The case that this value describes; `index` is its place in the file, from 0.
pub(super) fn case(value: Value, index: usize) -> Result<Case, InvalidCase> {
    let id = value.get("id").and_then(Value::as_str);
    let case = id.map_or_else(|| format!("#{} of the file", index + 1), str::to_owned);
    let at = |(field, problem)| InvalidCase::Field { case: case.clone(), field, problem };
    let wire: Wire = serde_path_to_error::deserialize(value).map_err(|error| at(fault(&error)))?;
    let trace = trace(&wire).map_err(at)?;
    let Wire { id, allowed, rollback_by_min: rollback_by, r#ref: reference, .. } = wire;
    Ok(Case { id, trace, allowed, rollback_by, reference })
}

/// The field of a missing value is the value itself, not what should have held it.
fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    let (path, problem) = (error.path().to_string(), error.inner().to_string());
    let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(name) if path == "." => (name.to_owned(), "is missing".to_owned()),
        Some(name) => (format!("{path}.{name}"), "is missing".to_owned()),
        None if path == "." => ("the case".to_owned(), problem),
        None => (path, problem),
    }
}

fn trace(wire: &Wire) -> Result<Trace, Fault> {
    let (weight, field) = match wire.split_for_phi {
        Some(split) => (split, "split_for_phi"),
        None => (wire.canary_weight, "canary_weight"),
    };
    if !(weight > 0.0 && weight < 1.0) {
        return Err((field.to_owned(), format!("{weight} is not between 0 and 1")));
    }
    if wire.minutes.is_empty() {
        return Err(("minutes".to_owned(), "there is none".to_owned()));
    }
    let minutes = wire.minutes.iter().enumerate().map(|(index, arms)| {
        let arm = |arm: &Arm, name| arm.checked(&format!("minutes[{index}].{name}"));
        Ok(Minute { canary: arm(&arms.c, "c")?, baseline: arm(&arms.b, "b")? })
    });
    Ok(Trace {
        minutes: minutes.collect::<Result<_, Fault>>()?,
        history: wire.history.checked()?,
        weight,
        bad: wire.expected == Some(Answer::Rollback),
    })
}

impl Arm {
    fn checked(&self, path: &str) -> Result<trace::Arm, Fault> {
        let requests = count(self.n, || format!("{path}.n"))?;
        let errors = part(self.e, requests, || format!("{path}.e"))?;
        Ok(trace::Arm { requests, errors, latency: histogram(&self.h, &format!("{path}.h"))? })
    }
}

impl History {
    fn checked(&self) -> Result<trace::History, Fault> {
        let (found, expected) = (self.e.len(), self.n.len());
        if found != expected {
            let problem = format!("has {found} minutes, but history.n has {expected}");
            return Err(("history.e".to_owned(), problem));
        }
        for (minute, (n, e)) in self.n.iter().zip(&self.e).enumerate() {
            let requests = count(*n, || format!("history.n[{minute}]"))?;
            part(*e, requests, || format!("history.e[{minute}]"))?;
        }
        let latency = histogram(&self.lat, "history.lat")?;
        Ok(trace::History { requests: self.n.clone(), errors: self.e.clone(), latency })
    }
}

/// Counts by the number of their bin.
fn histogram(counts: &Counts, path: &str) -> Result<Histogram, Fault> {
    let mut bins = [0.0; BINS];
    for (bin, found) in counts {
        let field = || format!("{path}.{bin}");
        let place = bin.parse::<usize>().ok().and_then(|index| bins.get_mut(index));
        let Some(place) = place else {
            return Err((field(), format!("bins are numbered from 0 to {}", BINS - 1)));
        };
        *place += count(*found, field)?;
    }
    Ok(bins)
}

fn count(found: f64, field: impl FnOnce() -> String) -> Result<f64, Fault> {
    if found >= 0.0 && found.is_finite() {
        Ok(found)
    } else {
        Err((field(), format!("{found} is not a count")))
    }
}

fn part(found: f64, whole: f64, field: impl Fn() -> String) -> Result<f64, Fault> {
    let found = count(found, &field)?;
    if found <= whole {
        Ok(found)
    } else {
        Err((field(), format!("{found} errors in {whole} requests")))
    }
}
