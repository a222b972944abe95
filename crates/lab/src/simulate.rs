//! What Perch would have done with a recorded canary, minute by minute, under the judge of a target.
//!
//! The code that decides is that of a release: a bake as long as the trace, before the promotion. The
//! trace's planned share of traffic takes the place of the target's weights.

mod thresholds;

use jiff::{Timestamp, ToSpan as _};
use perch_core::judge::{Judging, Observed, Outcome, Place, Verdict, judge_evidence};
use perch_core::span::Span;
use perch_core::target::{JudgeRule, Rule};
use perch_core::weight::Weight;
use serde::Serialize;

use crate::case::{Answer, Case};
use crate::judged::{Judged, buckets};
use crate::trace::Trace;

/// What would have become of a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// The case.
    pub id: String,
    /// The end: a rollback in any minute is one.
    pub verdict: Answer,
    /// The minute at whose end the canary was rolled back.
    pub rollback_minute: Option<usize>,
    /// The minute at whose end it was first promoted, also where a rollback followed.
    pub promote_minute: Option<usize>,
    /// Why, as people read it.
    pub reason: String,
    /// The natural logarithm of the evidence against the canary after each minute, of all signals.
    /// Empty with `rule: thresholds`, which has none.
    pub log_evidence: Vec<f64>,
}

/// What a rule said at the end of a minute.
struct Said {
    verdict: Verdict,
    log_evidence: Option<f64>,
}

/// Plays a case under the judge of a target.
pub fn simulate(rule: &JudgeRule, case: &Case) -> Simulated {
    let said = match rule.rule {
        Rule::Sequential => by_evidence(rule, &case.trace),
        Rule::Thresholds => thresholds::by_limits(rule, &case.trace),
    };
    let first = |outcome| said.iter().position(|said| said.verdict.outcome == outcome);
    let (back, on) = (first(Outcome::Fail), first(Outcome::Pass));
    let verdict = match (back, on) {
        (Some(_), _) => Answer::Rollback,
        (None, Some(_)) => Answer::Promote,
        (None, None) => Answer::Inconclusive,
    };
    let decided = back.or(on).and_then(|minute| said.get(minute)).or(said.last());
    Simulated {
        id: case.id.clone(),
        verdict,
        rollback_minute: back.map(|index| index + 1),
        promote_minute: on.map(|index| index + 1),
        reason: decided.map(|said| said.verdict.texts().join("; ")).unwrap_or_default(),
        log_evidence: said.iter().filter_map(|said| said.log_evidence).collect(),
    }
}

fn by_evidence(rule: &JudgeRule, trace: &Trace) -> Vec<Said> {
    let judged = Judged {
        latency_warm_up: rule.latency.warm_up.map_or(0, minutes),
        ..Judged::new("", rule.method())
    };
    let mut judging =
        Judging { basis: judged.basis(trace), settle_seconds: 0, observed: Vec::new() };
    let minutes = buckets(trace).into_iter().enumerate().map(|(seen, bucket)| {
        judging.observed.push(Observed {
            at: at(seen),
            weight: Weight::ZERO,
            latency_ms: [None; 2],
            bucket,
        });
        let planned = trace.minutes.len();
        let place = Place { seen, before: 0, planned, is_last: true, early: rule.early };
        let (verdict, look) = judge_evidence(&judged.method, &judging, &place);
        Said { verdict, log_evidence: Some(look.evidence) }
    });
    minutes.collect()
}

/// The start of a minute, from 0. Traces have no clock; nothing depends on it.
fn at(minute: usize) -> Timestamp {
    let minutes = i64::try_from(minute).unwrap_or(i64::MAX);
    Timestamp::UNIX_EPOCH.checked_add(minutes.minutes()).unwrap_or(Timestamp::MAX)
}

/// A length of time in minutes, begun ones included.
fn minutes(span: Span) -> u32 {
    u32::try_from(span.as_secs().div_ceil(60)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
