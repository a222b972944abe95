//! The benchmark: rules on simulated canaries, row by row, all rules on the same traces.

pub mod table;

use rayon::prelude::*;
use serde::Serialize;

use crate::grid::Row;
use crate::peers::Peer;
use crate::trace::{MINUTES, Trace};

/// What a rule did with one canary. A promotion before a rollback counts as one stage gone on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct End {
    /// The minute at whose end the canary was rolled back.
    pub rollback: Option<usize>,
    /// The minute at whose end the canary was first promoted.
    pub promote: Option<usize>,
}

/// Something that ends canaries.
pub trait Rule: Sync {
    /// The name in the tables.
    fn name(&self) -> &str;
    /// Whether it is a rule of another tool.
    fn is_peer(&self) -> bool;
    /// What it does with this canary.
    fn end(&self, trace: &Trace) -> End;
}

impl Rule for Peer {
    fn name(&self) -> &str {
        Self::name(*self)
    }

    fn is_peer(&self) -> bool {
        true
    }

    /// Peers know no third answer: what they do not roll back they promote at the end.
    fn end(&self, trace: &Trace) -> End {
        let rollback = self.rolls_back_at(trace);
        End { rollback, promote: rollback.is_none().then_some(trace.minutes.len()) }
    }
}

/// What a rule did on one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// The rule.
    pub rule: String,
    /// Whether it is a rule of another tool.
    pub is_peer: bool,
    /// The share of canaries that were rolled back, in percent.
    pub rolled_back: f64,
    /// The median minute of these rollbacks.
    pub rollback_minute: Option<f64>,
    /// The share of canaries that were promoted before any rollback, in percent.
    pub promoted: f64,
    /// The median minute of promotion, the last minute where there was none.
    pub promote_minute: f64,
    /// The mean number of errors that the canary served until its rollback or the last minute.
    pub harm: f64,
}

/// One row with its results.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowResult {
    /// What happens.
    pub scenario: String,
    /// Requests per second of both arms together.
    pub requests_per_second: f64,
    /// The baseline's ordinary error rate.
    pub base_error_rate: f64,
    /// The canary's share of the traffic.
    pub weight: f64,
    /// Whether the canary should be rolled back.
    pub bad: bool,
    /// How many canaries were drawn.
    pub traces: u64,
    /// The results, in the order of the rules.
    pub rules: Vec<Measured>,
}

/// Runs every rule on `traces` canaries of a row; the same numbers for the same seed.
pub fn run_row(row: &Row, rules: &[&dyn Rule], traces: u64, seed: u64) -> RowResult {
    let ends: Vec<Vec<(End, f64)>> = (0..traces)
        .into_par_iter()
        .map(|number| {
            let trace = row.trace(seed, number);
            rules.iter().map(|rule| with_harm(rule.end(&trace), &trace)).collect()
        })
        .collect();
    let measured = rules.iter().enumerate().map(|(index, rule)| {
        let of_rule: Vec<(End, f64)> = ends.iter().map(|ends| ends[index]).collect();
        measure(*rule, &of_rule)
    });
    RowResult {
        scenario: row.scenario.name().to_owned(),
        requests_per_second: row.volume.rps,
        base_error_rate: row.base,
        weight: row.volume.weight,
        bad: row.scenario.is_bad(),
        traces,
        rules: measured.collect(),
    }
}

fn with_harm(end: End, trace: &Trace) -> (End, f64) {
    (end, trace.errors_served(end.rollback.unwrap_or(trace.minutes.len())))
}

fn measure(rule: &dyn Rule, ends: &[(End, f64)]) -> Measured {
    let all = ends.len().max(1) as f64;
    let rollbacks: Vec<usize> = ends.iter().filter_map(|(end, _)| end.rollback).collect();
    let promotions: Vec<Option<usize>> = ends.iter().map(|(end, _)| promoted(*end)).collect();
    let until = promotions.iter().map(|minute| minute.unwrap_or(MINUTES)).collect();
    Measured {
        rule: rule.name().to_owned(),
        is_peer: rule.is_peer(),
        rolled_back: 100.0 * rollbacks.len() as f64 / all,
        rollback_minute: median(rollbacks),
        promoted: 100.0 * promotions.iter().flatten().count() as f64 / all,
        promote_minute: median(until).unwrap_or(MINUTES as f64),
        harm: ends.iter().map(|(_, harm)| harm).sum::<f64>() / all,
    }
}

/// The minute of a promotion that came before any rollback.
fn promoted(end: End) -> Option<usize> {
    end.promote.filter(|minute| end.rollback.is_none_or(|rollback| *minute < rollback))
}

fn median(mut values: Vec<usize>) -> Option<f64> {
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower as f64, upper as f64))
}

#[cfg(test)]
mod tests;
