//! A bracket holds the true count, whatever the sample and however its percentiles were taken.

use proptest::prelude::*;

use super::*;
use crate::judge::sequential::{Basis, Bucket, Counts, Judge, Method, Say, Series};

/// Ways to take the percentile q of values in order.
const WAYS: usize = 7;

/// A percentile as databases, libraries and collectors take it: nearest rank, rounded rank, lower, higher,
/// and interpolated with three usual positions.
fn percentile(sorted: &[f64], q: f64, way: usize) -> f64 {
    let n = sorted.len() as f64;
    let value = |rank: f64| sorted[rank.clamp(1.0, n) as usize - 1];
    let between = |position: f64| {
        let (below, above) = (value(position.floor()), value(position.ceil()));
        below + (above - below) * (position - position.floor())
    };
    match way {
        0 => value((n * q).ceil()),
        1 => value((n * q).round_ties_even()),
        2 => value(((n - 1.0) * q).floor() + 1.0),
        3 => value(((n - 1.0) * q).ceil() + 1.0),
        4 => between((n - 1.0) * q + 1.0),
        5 => between((n + 1.0) * q),
        _ => between(n * q + 0.5),
    }
}

fn sample() -> impl Strategy<Value = Vec<f64>> {
    // Few distinct values give ties, many give none.
    let tied = prop::collection::vec((1_u32..6).prop_map(|v| f64::from(v) * 50.0), 1..400);
    let spread = prop::collection::vec(1.0..5000.0_f64, 1..400);
    prop_oneof![tied, spread]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_bracket_holds_the_true_count(
        mut values in sample(),
        way in 0..WAYS,
        place in 0.0..1.0_f64,
        off in prop_oneof![Just(0.0), -60.0..60.0_f64],
        known in prop::array::uniform4(prop::bool::weighted(0.9)),
    ) {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let threshold = values[(place * n) as usize] + off;
        let mut percentiles = QUANTILES.map(|q| Some(percentile(&values, q, way)));
        percentiles.iter_mut().zip(known).for_each(|(p, known)| *p = p.filter(|_| known));
        let slower = |t: f64| values.iter().filter(|value| **value > t).count() as f64;
        let (low, high) = slower_than(threshold, &percentiles, n);
        let count = slower(threshold);
        prop_assert!(low <= count && count <= high, "{count} not in {low}..{high}");
        prop_assert!(0.0 <= low && high <= n);

        let canary = canary_slow(slow_from(threshold, 0.0), &percentiles, n);
        let baseline = baseline_slow(threshold, &percentiles, n);
        prop_assert!(canary[0] <= count && canary[1] <= slower(threshold * GROWTH));
        prop_assert!(canary[2] >= slower(threshold * GROWTH * GROWTH));
        prop_assert!(baseline[0] >= count && baseline[1] >= count && baseline[2] <= count);
    }
}

#[test]
fn brackets_are_as_narrow_as_the_percentiles_allow() {
    let percentiles = [100.0, 120.0, 160.0, 200.0].map(Some);
    for (threshold, bracket) in [
        (99.0, (100.0, 1000.0)),
        (100.0, (50.0, 100.0)),
        (130.0, (20.0, 50.0)),
        (180.0, (10.0, 20.0)),
        (200.0, (0.0, 10.0)),
    ] {
        assert_eq!(slower_than(threshold, &percentiles, 1000.0), bracket, "{threshold}");
    }
}

#[test]
fn what_is_not_known_speaks_for_nothing() {
    let nothing = [None; 4];
    assert_eq!(slower_than(100.0, &nothing, 60.0), (0.0, 60.0));
    assert_eq!(slower_than(100.0, &[Some(f64::NAN); 4], 60.0), (0.0, 60.0));
    assert_eq!(canary_slow(slow_from(100.0, 0.0), &nothing, 60.0), [0.0, 0.0, 60.0]);
    assert_eq!(baseline_slow(100.0, &nothing, 60.0), [60.0, 60.0, 0.0]);
    assert_eq!(slower_than(100.0, &[Some(90.0); 4], 0.0), (0.0, 0.0));
    // p90 above p95: no order of values has that.
    let crossed = [Some(150.0), Some(90.0), None, None];
    assert_eq!(slower_than(100.0, &crossed, 1000.0), (0.0, 1000.0));
}

/// What the judge says in each of 15 minutes of 600 and 5,400 requests, where the canary's percentiles are
/// this many times the baseline's, which are as in its history.
fn says(usual: [f64; 4], slower: f64) -> Vec<Say> {
    let (n, e) = ([6000.0; 60], [6.0; 60]);
    let series = Series { requests: &n, events: &e, of_traffic: 1.0 };
    let basis = Basis::new(60, 15, 0.1, &series);
    let arm = |requests: f64, slow: &dyn Fn(f64) -> Slow| Counts {
        requests,
        errors: requests / 1000.0,
        slow: usual.map(slow),
    };
    let (canary, baseline) = (usual.map(|p| Some(p * slower)), usual.map(Some));
    let bucket = Bucket {
        canary: arm(600.0, &|threshold| canary_slow(slow_from(threshold, 0.0), &canary, 600.0)),
        baseline: arm(5400.0, &|threshold| baseline_slow(threshold, &baseline, 5400.0)),
        custom: Vec::new(),
    };
    let buckets = vec![bucket; 15];
    let looks = Judge::at_each_of(&basis, &Method::published(), &buckets);
    looks.into_iter().map(|look| look.say).collect()
}

#[test]
fn only_a_jump_over_a_whole_quantile_is_proven() {
    let (wide, narrow, long) =
        ([100.0, 120.0, 160.0, 200.0], [100.0, 108.0, 118.0, 125.0], [100.0, 150.0, 300.0, 500.0]);
    for (usual, slower, minute) in [
        (wide, 1.0, None),
        (wide, 1.2, None),
        (wide, 1.25, Some(4)),
        (wide, 1.7, Some(3)),
        (narrow, 1.05, None),
        (narrow, 1.1, Some(4)),
        (narrow, 1.2, Some(3)),
        (long, 1.5, None),
        (long, 1.6, Some(4)),
    ] {
        let back = says(usual, slower).iter().position(|say| matches!(say, Say::Rollback { .. }));
        assert_eq!(back.map(|place| place + 1), minute, "{usual:?} {slower}");
    }
}

/// What docs/metrics.md says of the promotion: brackets do not show that a canary is as fast.
#[test]
fn a_canary_that_is_as_fast_is_neither_rolled_back_nor_promoted() {
    for slower in [0.8, 0.9, 1.0] {
        let says = says([100.0, 120.0, 160.0, 200.0], slower);
        assert!(matches!(says[14], Say::Inconclusive { .. }), "{slower}: {:?}", says[14]);
        assert!(says[..14].iter().all(|say| *say == Say::Wait), "{slower}");
    }
}
