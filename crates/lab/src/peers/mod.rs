//! Rules that other tools use, to compare with: re-implementations on one-minute data, with one
//! configuration each and not tuned. They stand for how such a rule behaves, not for the tools.

mod codedeploy;
mod fixed;
mod flagger;
mod kayenta;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::trace::Trace;

/// A rule of another tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// Fixed limits on errors, and a comparison at the end.
    Fixed,
    /// Fixed limits per minute; a number of failed minutes in total.
    Flagger,
    /// A rank test on the values per minute at three points in time.
    Kayenta,
    /// An alarm on errors in five minutes running.
    CodeDeploy,
}

impl Peer {
    /// Every peer, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::Flagger, Self::Kayenta, Self::CodeDeploy];

    /// The name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Flagger => "flagger",
            Self::Kayenta => "kayenta",
            Self::CodeDeploy => "codedeploy",
        }
    }

    /// The minute at whose end the rule rolls the canary back, from 1; none if it promotes it.
    pub fn rolls_back_at(self, trace: &Trace) -> Option<usize> {
        match self {
            Self::Fixed => fixed::rolls_back_at(trace),
            Self::Flagger => flagger::rolls_back_at(trace),
            Self::Kayenta => kayenta::rolls_back_at(trace),
            Self::CodeDeploy => codedeploy::rolls_back_at(trace),
        }
    }
}

/// The canary's error rate per minute.
fn error_rates(trace: &Trace) -> impl Iterator<Item = f64> {
    trace.minutes.iter().map(|minute| minute.canary.error_rate())
}

/// The minute, from 1, in which a condition has held for this many minutes running.
fn held_for(minutes: usize, conditions: impl Iterator<Item = bool>) -> Option<usize> {
    let mut running = 0;
    conditions
        .map(|holds| {
            running = if holds { running + 1 } else { 0 };
            running
        })
        .position(|running| running >= minutes)
        .map(|index| index + 1)
}
