//! Each rule at its limits, on traces small enough to check by hand.

use super::*;
use crate::latency::{BINS, Histogram};
use crate::trace::{Arm, History, Minute};

/// Requests that all lie in one bin.
fn all_in(bin: usize, requests: f64) -> Histogram {
    let mut latency = [0.0; BINS];
    latency[bin] = requests;
    latency
}

/// 15 minutes with 1,000 requests on each arm; per minute the canary's errors and latency bin.
fn trace(canary: impl Fn(usize) -> (f64, usize)) -> Trace {
    let arm = |errors, bin| Arm { requests: 1000.0, errors, latency: all_in(bin, 1000.0) };
    let minutes = (1..=15)
        .map(|minute| {
            let (errors, bin) = canary(minute);
            Minute { canary: arm(errors, bin), baseline: arm(minute as f64 / 10.0, 20) }
        })
        .collect();
    let history = History {
        requests: vec![1000.0; 60],
        errors: vec![1.0; 60],
        latency: all_in(20, 60_000.0),
    };
    Trace { minutes, history, weight: 0.5, bad: false }
}

/// The minutes of rollback in the order of [`Peer::ALL`].
fn minutes(canary: impl Fn(usize) -> (f64, usize)) -> [Option<usize>; 4] {
    let trace = trace(canary);
    Peer::ALL.map(|peer| peer.rolls_back_at(&trace))
}

#[test]
fn nobody_rolls_back_an_equal_canary() {
    assert_eq!(minutes(|minute| (minute as f64 / 10.0, 20)), [None; 4]);
}

#[test]
fn every_rule_sees_a_canary_that_only_fails() {
    assert_eq!(minutes(|_| (1000.0, 20)), [Some(1), Some(5), Some(5), Some(5)]);
}

#[test]
fn limits_of_the_fixed_rule_are_exclusive_while_it_runs_and_inclusive_at_the_end() {
    let fixed = |errors: fn(usize) -> f64| minutes(|minute| (errors(minute), 20))[0];
    assert_eq!(fixed(|_| 51.0), Some(5));
    assert_eq!(fixed(|_| 50.0), Some(15), "5% is not above 5%, but above 1% at the end");
    assert_eq!(fixed(|minute| if minute >= 4 { 101.0 } else { 0.0 }), Some(6));
    assert_eq!(fixed(|minute| if minute == 7 { 201.0 } else { 0.0 }), Some(7));
    assert_eq!(fixed(|_| 10.0), Some(15));
    assert_eq!(fixed(|_| 9.0), None);
}

#[test]
fn the_fixed_rule_compares_latency_at_the_end() {
    // Two bins are 1.2 times as slow; the edges themselves are rounded.
    assert_eq!(minutes(|_| (0.0, 23))[0], Some(15));
    assert_eq!(minutes(|_| (0.0, 21))[0], None);
}

#[test]
fn flagger_adds_up_failed_minutes_wherever_they_are() {
    let flagger = |fails: fn(usize) -> bool| {
        minutes(|minute| if fails(minute) { (11.0, 20) } else { (10.0, 20) })[1]
    };
    assert_eq!(flagger(|minute| minute % 3 == 1), Some(13));
    assert_eq!(flagger(|minute| minute % 4 == 0), None);
    let slow = minutes(|minute| (0.0, if minute > 2 { 23 } else { 20 }))[1];
    assert_eq!(slow, Some(7), "against the history");
}

#[test]
fn codedeploy_needs_five_minutes_running() {
    let codedeploy = |fails: fn(usize) -> bool| {
        minutes(|minute| (if fails(minute) { 51.0 } else { 50.0 }, 20))[3]
    };
    assert_eq!(codedeploy(|minute| minute > 3), Some(8));
    assert_eq!(codedeploy(|minute| minute % 5 != 0), None);
}

#[test]
fn kayenta_looks_three_times() {
    // From minute 4 on every error rate is above all of the baseline. The ranks of the three looks are
    // 1, 19 and 56; 15, 30 and 45 pairs are not above.
    assert_eq!(minutes(|minute| (if minute > 3 { 5.0 } else { 0.0 }, 20))[2], Some(15));
    assert_eq!(minutes(|_| (5.0, 20))[2], Some(5));
    assert_eq!(minutes(|_| (0.0, 21))[2], Some(5), "any constant shift of latency");
}

/// The minutes of rollback when one arm gets no request.
fn without_requests(arm: fn(&mut Minute) -> &mut Arm) -> [Option<usize>; 4] {
    let mut trace = trace(|minute| (minute as f64 / 10.0, 20));
    for minute in &mut trace.minutes {
        *arm(minute) = Arm { requests: 0.0, errors: 0.0, latency: [0.0; BINS] };
    }
    Peer::ALL.map(|peer| peer.rolls_back_at(&trace))
}

#[test]
fn a_canary_without_requests_is_promoted_by_all() {
    assert_eq!(without_requests(|minute| &mut minute.canary), [None; 4]);
}

#[test]
fn a_baseline_without_requests_counts_as_free_of_errors() {
    let found = without_requests(|minute| &mut minute.baseline);
    assert_eq!(found, [None, None, Some(5), None], "only Kayenta compares errors");
}
