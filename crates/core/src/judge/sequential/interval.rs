//! Confidence sequences, for people: intervals that hold at every look at once.
//!
//! Each end is where the evidence against it reaches 40, so that both together miss the truth with a
//! probability of at most 5 % at any time. docs/judge.md, section 4.

use serde::{Deserialize, Serialize};

use super::mixture::{Cell, DOWN, Grid, Null, POINTS, UP, log_mean};

/// ln 40: 2.5 % on each side.
const LIMIT: f64 = 3.688_879_454_113_936;

/// An interval; an end that the data don't bound is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The lower end.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// What the data say of a pair of rates, at 95 %.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intervals {
    /// The canary's rate over the baseline's.
    pub ratio: Interval,
    /// The canary's rate.
    pub rate: Interval,
    /// The canary's rate less the baseline's.
    pub difference: Interval,
}

impl Intervals {
    /// The intervals from these buckets, each divided by a dispersion.
    pub fn of(buckets: &[(Cell, f64)]) -> Self {
        let ratio = |ratio, grid| Null { ratio, margin: 0.0, grid };
        let rate = |margin, grid| Null { ratio: 0.0, margin, grid };
        let difference = |margin, grid| Null { ratio: 1.0, margin, grid };
        Self {
            ratio: Interval {
                low: lower(buckets, 1e-6, 1e6, &|x| ratio(x, &UP)),
                high: upper(buckets, 1e-6, 1e6, &|x| ratio(x, &DOWN)),
            },
            rate: Interval {
                low: lower(buckets, 1e-9, 1e3, &|x| rate(x, &UP)),
                high: upper(buckets, 1e-9, 1e3, &|x| rate(x, &DOWN)),
            },
            difference: Interval {
                low: lower(buckets, 1e-9, 1e3, &|x| difference(x, &UP)),
                high: upper(buckets, 1e-9, 1e3, &|x| difference(x, &DOWN)),
            },
        }
    }
}

fn evidence(buckets: &[(Cell, f64)], null: &Null) -> f64 {
    let mut sums: Grid = [0.0; POINTS];
    for (cell, dispersion) in buckets {
        null.add(cell, *dispersion, &mut sums);
    }
    log_mean(&sums)
}

/// The largest value that is still refuted from below.
fn lower(buckets: &[(Cell, f64)], low: f64, high: f64, null: &dyn Fn(f64) -> Null) -> Option<f64> {
    bisect(low, high, |x| evidence(buckets, &null(x)) >= LIMIT)
}

/// The smallest value that is already refuted from above.
fn upper(buckets: &[(Cell, f64)], low: f64, high: f64, null: &dyn Fn(f64) -> Null) -> Option<f64> {
    bisect(low, high, |x| evidence(buckets, &null(x)) < LIMIT)
}

/// Where `holds` ends, on a logarithmic scale; nothing if it doesn't hold at the low end or holds
/// throughout.
fn bisect(low: f64, high: f64, holds: impl Fn(f64) -> bool) -> Option<f64> {
    if !holds(low) || holds(high) {
        return None;
    }
    let (mut low, mut high) = (low.ln(), high.ln());
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if holds(middle.exp()) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(f64::midpoint(low, high).exp())
}
