//! The baseline rule: fixed limits on errors and on latency against the baseline.

use super::{Arm, Outcome, Readings, Reason, Verdict};
use crate::target::JudgeRule;

/// Judges a canary during a bake, on all settled readings since its weight was reached.
///
/// - A guard in ALARM fails it.
/// - Errors fail it as soon as they exceed the limit for `max(requests, minRequests)`: from then on
///   it could not pass even if no other of the first `minRequests` failed.
/// - Latency fails it when both arms have `minRequests` and the canary's quantile is above the
///   baseline's by more than `maxIncrease` and more than `tolerance`.
/// - Below `minRequests` on either arm, without latency on either, or with a guard that was deleted,
///   nothing passes.
pub fn judge_bake(rule: &JudgeRule, readings: &Readings) -> Verdict {
    let Readings { canary, baseline, .. } = readings;
    let mut failures = guards(readings);
    failures.extend(errors(rule, canary));
    failures.extend(latency(rule, canary, baseline));
    if !failures.is_empty() {
        return Verdict::new(Outcome::Fail, failures);
    }
    let mut missing = missing_guards(readings);
    if canary.requests < rule.min_requests {
        missing.push(Reason::TooFewRequests { found: canary.requests, needed: rule.min_requests });
    }
    if baseline.requests < rule.min_requests {
        missing.push(Reason::TooFewBaselineRequests {
            found: baseline.requests,
            needed: rule.min_requests,
        });
    }
    let latency = canary.latency_ms.zip(baseline.latency_ms);
    if latency.is_none() && missing.is_empty() {
        missing.push(Reason::NoLatency);
    }
    let (true, Some((canary_ms, baseline_ms))) = (missing.is_empty(), latency) else {
        return Verdict::new(Outcome::Inconclusive, missing);
    };
    let quantile = rule.latency.quantile;
    let latency = Reason::LatencyWithin { quantile, canary_ms, baseline_ms };
    Verdict::new(Outcome::Pass, vec![errors_within(rule, canary), latency])
}

/// Judges the new version after its promotion, on its own: there is no second arm any more, so
/// latency is left to the guards.
pub fn judge_watch(rule: &JudgeRule, readings: &Readings) -> Verdict {
    let canary = &readings.canary;
    let mut failures = guards(readings);
    failures.extend(errors(rule, canary));
    if !failures.is_empty() {
        return Verdict::new(Outcome::Fail, failures);
    }
    if canary.requests < rule.min_requests {
        let reason = Reason::TooFewRequests { found: canary.requests, needed: rule.min_requests };
        return Verdict::new(Outcome::Inconclusive, vec![reason]);
    }
    Verdict::new(Outcome::Pass, vec![errors_within(rule, canary)])
}

fn errors_within(rule: &JudgeRule, canary: &Arm) -> Reason {
    let max = rule.error_rate.max;
    Reason::ErrorsWithin { errors: canary.errors, requests: canary.requests, max }
}

fn missing_guards(readings: &Readings) -> Vec<Reason> {
    readings.missing_guards.iter().cloned().map(|alarm| Reason::GuardMissing { alarm }).collect()
}

fn guards(readings: &Readings) -> Vec<Reason> {
    readings.alarms.iter().cloned().map(|alarm| Reason::GuardInAlarm { alarm }).collect()
}

#[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
fn errors(rule: &JudgeRule, canary: &Arm) -> Option<Reason> {
    let max = rule.error_rate.max;
    let allowed = max.fraction() * canary.requests.max(rule.min_requests) as f64;
    // A tolerance of one part in 10^9, so that 1 error of 100 at 1% is not above by rounding.
    (canary.errors as f64 > allowed * (1.0 + 1e-9)).then_some(Reason::ErrorsAbove {
        errors: canary.errors,
        requests: canary.requests,
        max,
    })
}

fn latency(rule: &JudgeRule, canary: &Arm, baseline: &Arm) -> Option<Reason> {
    let enough = canary.requests.min(baseline.requests) >= rule.min_requests;
    let (canary_ms, baseline_ms) = (canary.latency_ms?, baseline.latency_ms?);
    let relative = baseline_ms * (1.0 + rule.latency.max_increase.fraction());
    let limit_ms = relative.max(baseline_ms + rule.latency.tolerance.as_millis());
    (enough && canary_ms > limit_ms).then_some(Reason::LatencyAbove {
        quantile: rule.latency.quantile,
        canary_ms,
        baseline_ms,
        limit_ms,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::span::Span;

    fn arm(requests: u64, errors: u64, latency_ms: f64) -> Arm {
        Arm { requests, errors, latency_ms: Some(latency_ms) }
    }

    fn readings(canary: Arm, baseline: Arm) -> Readings {
        let now = Timestamp::UNIX_EPOCH;
        Readings {
            from: now,
            to: now,
            canary,
            baseline,
            alarms: Vec::new(),
            missing_guards: Vec::new(),
        }
    }

    fn outcome(canary: Arm, baseline: Arm) -> Outcome {
        judge_bake(&JudgeRule::default(), &readings(canary, baseline)).outcome
    }

    #[test]
    fn limits_are_inclusive() {
        let baseline = arm(1000, 0, 100.0);
        assert_eq!(outcome(arm(100, 1, 120.0), baseline), Outcome::Pass);
        assert_eq!(outcome(arm(100, 2, 100.0), baseline), Outcome::Fail);
        assert_eq!(outcome(arm(100, 0, 120.1), baseline), Outcome::Fail);
    }

    #[test]
    fn errors_fail_a_canary_before_the_minimum_once_they_cannot_be_made_up() {
        let baseline = arm(1000, 0, 100.0);
        assert_eq!(outcome(arm(5, 1, 100.0), baseline), Outcome::Inconclusive);
        assert_eq!(outcome(arm(5, 2, 100.0), baseline), Outcome::Fail);
    }

    #[test]
    fn latency_needs_requests_on_both_arms() {
        assert_eq!(outcome(arm(99, 0, 900.0), arm(1000, 0, 1.0)), Outcome::Inconclusive);
        assert_eq!(outcome(arm(1000, 0, 900.0), arm(99, 0, 1.0)), Outcome::Inconclusive);
    }

    #[test]
    fn a_difference_within_the_tolerance_never_fails() {
        let mut rule = JudgeRule::default();
        rule.latency.tolerance = Span::seconds(1);
        let look = readings(arm(100, 0, 900.0), arm(100, 0, 1.0));
        assert_eq!(judge_bake(&rule, &look).outcome, Outcome::Pass);
    }

    #[test]
    fn no_data_is_inconclusive_in_bake_and_watch() {
        let look = readings(Arm::default(), Arm::default());
        let rule = JudgeRule::default();
        assert_eq!(judge_bake(&rule, &look).outcome, Outcome::Inconclusive);
        assert_eq!(judge_watch(&rule, &look).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn a_guard_in_alarm_fails_whatever_the_readings() {
        let mut look = readings(arm(1000, 0, 1.0), arm(1000, 0, 1.0));
        look.alarms.push("errors".parse().unwrap());
        let verdict = judge_bake(&JudgeRule::default(), &look);
        assert_eq!(verdict.to_string(), "Fail: guard errors is in ALARM");
        assert_eq!(judge_watch(&JudgeRule::default(), &look).outcome, Outcome::Fail);
    }

    proptest! {
        #[test]
        fn more_errors_never_turn_a_fail_into_a_pass(
            requests in 0u64..5000, errors in 0u64..5000, more in 0u64..100,
            base in 0u64..5000, latency in 0.0..500.0f64,
        ) {
            let errors = errors.min(requests);
            let baseline = arm(base, 0, 100.0);
            let fewer = outcome(arm(requests, errors, latency), baseline);
            let worse = outcome(arm(requests, (errors + more).min(requests), latency), baseline);
            prop_assert!(!(fewer == Outcome::Fail && worse != Outcome::Fail));
        }

        #[test]
        fn nothing_passes_below_the_minimum(
            canary in 0u64..200, base in 0u64..200, latency in 0.0..500.0f64,
        ) {
            let verdict = outcome(arm(canary, 0, latency), arm(base, 0, latency));
            prop_assert_eq!(verdict == Outcome::Pass, canary >= 100 && base >= 100);
        }
    }
}
