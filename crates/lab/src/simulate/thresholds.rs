//! `rule: thresholds` on a trace: fixed limits on everything since the start.

use perch_core::judge::{Arm, Outcome, Readings, judge_bake};
use perch_core::target::{JudgeRule, Quantile};

use super::{Said, at, minutes};
use crate::latency::quantile;
use crate::trace::{self, Minute, Trace};

/// A pass before the end of the bake waits for it.
pub(super) fn by_limits(rule: &JudgeRule, trace: &Trace) -> Vec<Said> {
    let all = trace.minutes.len();
    let looks = (1..=all).map(|until| {
        let readings = Readings {
            from: at(0),
            to: at(until),
            canary: arm(rule, &trace.minutes[..until], |minute| &minute.canary),
            baseline: arm(rule, &trace.minutes[..until], |minute| &minute.baseline),
            alarms: Vec::new(),
            missing_guards: Vec::new(),
        };
        let mut verdict = judge_bake(rule, &readings);
        if verdict.outcome == Outcome::Pass && until < all {
            (verdict.outcome, verdict.pending) = (Outcome::Inconclusive, true);
        }
        Said { verdict, log_evidence: None }
    });
    looks.collect()
}

/// What an arm answered so far. The latency is the mean of the minutes' quantiles by their requests, as a
/// release reads it; minutes of the warm-up do not count.
fn arm(rule: &JudgeRule, seen: &[Minute], of: fn(&Minute) -> &trace::Arm) -> Arm {
    let q = match rule.latency.quantile {
        Quantile::P50 => 0.5,
        Quantile::P90 => 0.9,
        Quantile::P95 => 0.95,
        Quantile::P99 => 0.99,
    };
    let warm_up = rule.latency.warm_up.map_or(0, minutes) as usize;
    let timed = seen.iter().skip(warm_up).map(of);
    let timed = timed.filter_map(|arm| Some((quantile(&arm.latency, q)?, arm.requests)));
    let (sum, weight) = timed
        .fold((0.0, 0.0), |(sum, weight), (ms, requests)| (sum + ms * requests, weight + requests));
    Arm {
        requests: whole(seen.iter().map(|minute| of(minute).requests).sum()),
        errors: whole(seen.iter().map(|minute| of(minute).errors).sum()),
        latency_ms: (weight > 0.0).then(|| sum / weight),
    }
}

/// Counts are not negative; the limits are on whole requests.
fn whole(count: f64) -> u64 {
    count.round() as u64
}
