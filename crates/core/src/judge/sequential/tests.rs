//! Properties that hold for any counts.

use proptest::prelude::*;

use super::*;

fn basis(requests: f64, rate: f64) -> Basis {
    let (n, e) = ([requests; 60], [requests * rate; 60]);
    let series = Series { requests: &n, events: &e, of_traffic: 1.0 };
    Basis::new(60, 15, 0.1, &series)
}

/// Counts of an arm: requests up to this many, errors and slow requests among them, the slow ones fewer at
/// each higher threshold.
fn counts(most: f64) -> impl Strategy<Value = Counts> {
    let shares = prop::array::uniform12(0.0..=1.0f64);
    (prop_oneof![Just(0.0), 0.0..=most], 0.0..=1.0f64, shares, any::<bool>()).prop_map(
        |(requests, errors, shares, whole)| {
            let round = |x: f64| if whole { x.round() } else { x };
            let requests = round(requests);
            let (mut slow, mut left) = ([Slow::default(); 4], requests);
            for (place, share) in shares.into_iter().enumerate() {
                left = round(left * share);
                slow[place / 3][place % 3] = left;
            }
            Counts { requests, errors: round(requests * errors * errors), slow }
        },
    )
}

fn bucket(most: f64) -> impl Strategy<Value = Bucket> {
    let tally = move || counts(most).prop_map(|c| Tally { count: c.errors, total: c.requests });
    (counts(most), counts(most), tally(), tally()).prop_map(|(canary, baseline, own, other)| {
        Bucket { canary, baseline, custom: vec![Pair { canary: own, baseline: other }] }
    })
}

fn numbers(look: &Look) -> Vec<f64> {
    let signals = look.signals.iter().flat_map(|signal| {
        [signal.evidence, signal.corroborated, signal.dispersion, signal.tail.unwrap_or(0.0)]
    });
    let promises = look.promises.iter().flat_map(|p| [p.evidence, p.tail.unwrap_or(0.0)]);
    let whole = [look.evidence, look.gated.unwrap_or(0.0), look.corroborated.unwrap_or(0.0)];
    signals.chain(promises).chain(whole).chain(look.guard).collect()
}

const METHODS: [Method; 4] =
    [Method::published(), Method::strict(), Method::normal(), Method::lenient()];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_number_is_finite_for_any_counts(
        buckets in prop::collection::vec(prop_oneof![bucket(1e12), bucket(50.0)], 1..18),
        history in 0.0..1e12f64, rate in 0.0..1.0f64, method in 0usize..4,
    ) {
        let (n, e) = ([history; 60], [history * rate; 60]);
        let series = Series { requests: &n, events: &e, of_traffic: 1.0 };
        let basis = basis(history, rate).with_custom("unsure", &series);
        for look in Judge::at_each_of(&basis, &METHODS[method], &buckets) {
            for number in numbers(&look) {
                prop_assert!(number.is_finite(), "{look:?}");
            }
            for signal in &look.signals {
                prop_assert!(signal.dispersion >= 1.0);
                prop_assert!(signal.tail.is_none_or(|tail| (0.0..=1.0).contains(&tail)));
            }
        }
    }

    #[test]
    fn more_errors_of_the_canary_are_more_evidence_against_it(
        cells in prop::collection::vec((0.0..1e4f64, 1.0..1e4f64, 0.0..1e4f64, 1.0..1e5f64), 1..15),
        place in any::<prop::sample::Index>(), more in 0.0..100.0f64,
    ) {
        let cells: Vec<Cell> = cells.into_iter().map(|(a, n, b, m)| Cell {
            canary: a.min(n), canary_of: n, baseline: b.min(m), baseline_of: m,
        }).collect();
        let evidence = |cells: &[Cell], null: &Null| {
            let mut sums = [0.0; POINTS];
            cells.iter().for_each(|cell| null.add(cell, 1.0, &mut sums));
            log_mean(&sums)
        };
        let mut worse = cells.clone();
        worse[place.index(cells.len())].canary += more;
        for null in [
            Null { ratio: 1.0, margin: 0.0, grid: &UP },
            Null { ratio: 1.25, margin: 0.0, grid: &UP },
            Null { ratio: 0.0, margin: 0.05, grid: &ABOVE_RATE },
        ] {
            prop_assert!(evidence(&worse, &null) >= evidence(&cells, &null) - 1e-9);
        }
        let promise = Null { ratio: 2.0, margin: 0.002, grid: &DOWN };
        prop_assert!(evidence(&worse, &promise) <= evidence(&cells, &promise) + 1e-9);
    }

    #[test]
    fn a_bucket_cut_in_two_with_the_same_split_is_the_same_evidence(
        cell in (0.0..1e4f64, 1.0..1e4f64, 0.0..1e4f64, 1.0..1e5f64),
        cut in 0.01..0.99f64, events in 0.0..=1.0f64, dispersion in 1.0..16.0f64,
    ) {
        let (a, n, b, m) = cell;
        let whole = Cell { canary: a, canary_of: n, baseline: b, baseline_of: m };
        let part = |k: f64, e: f64| Cell {
            canary: a * e, canary_of: n * k, baseline: b * e, baseline_of: m * k,
        };
        for null in [
            Null { ratio: 1.0, margin: 0.0, grid: &UP },
            Null { ratio: 2.0, margin: 0.002, grid: &DOWN },
            Null { ratio: 0.0, margin: 0.05, grid: &ABOVE_RATE },
        ] {
            let (mut once, mut twice) = ([0.0; POINTS], [0.0; POINTS]);
            null.add(&whole, dispersion, &mut once);
            // The events may fall on either part: only requests and totals count.
            null.add(&part(cut, events), dispersion, &mut twice);
            null.add(&part(1.0 - cut, 1.0 - events), dispersion, &mut twice);
            for (one, two) in once.into_iter().zip(twice) {
                prop_assert!((one - two).abs() <= 1e-9 * one.abs().max(1.0), "{one} {two}");
            }
        }
    }

    #[test]
    fn an_empty_arm_says_nothing_of_the_other(n in 0.0..1e6f64, e in 0.0..1e6f64) {
        let null = Null { ratio: 1.0, margin: 0.0, grid: &UP };
        for cell in [
            Cell { canary: e.min(n), canary_of: n, ..Cell::default() },
            Cell { baseline: e.min(n), baseline_of: n, ..Cell::default() },
        ] {
            let mut sums = [0.0; POINTS];
            null.add(&cell, 1.0, &mut sums);
            prop_assert_eq!(sums, [0.0; POINTS]);
        }
    }

    #[test]
    fn tails_are_probabilities_and_fall_with_the_distance(
        m in 1.0..1e12f64, p in 0.0001..0.9999f64, near in 0.0..=1.0f64, far in 0.0..=1.0f64,
        dispersion in 1.0..20.0f64,
    ) {
        let (near, far) = if near < far { (near, far) } else { (far, near) };
        let [upper, further] = [near, far].map(|x| upper_tail(m * x, m, p, dispersion));
        prop_assert!((0.0..=1.0).contains(&upper) && further <= upper + 1e-9, "{upper} {further}");
        let [lower, nearer] = [near, far].map(|x| lower_tail(m * x, m, p, dispersion));
        prop_assert!((0.0..=1.0).contains(&lower) && nearer >= lower - 1e-9, "{lower} {nearer}");
        prop_assert!(upper_tail(m * far, m, p, dispersion) >= upper_tail(m * far, m, p, 1.0));
    }

    #[test]
    fn looking_at_each_bucket_and_at_the_end_is_the_same(
        buckets in prop::collection::vec(bucket(1e4), 1..18),
    ) {
        let (basis, method) = (basis(6e4, 0.001), Method::normal());
        let each = Judge::at_each_of(&basis, &method, &buckets);
        prop_assert_eq!(each.last().unwrap(), &Judge::at_end_of(&basis, &method, &buckets));
    }
}

/// The exact expectation of the evidence under the null is at most 1: over every outcome of two small
/// arms, for independent failures and for labels dealt at random.
#[test]
fn the_expected_evidence_under_the_null_is_at_most_one() {
    let choose = |n: u32, k: u32| {
        (0..k).fold(1.0, |product, i| product * f64::from(n - i) / f64::from(k - i))
    };
    let null = Null { ratio: 1.0, margin: 0.0, grid: &UP };
    let factor = |a: u32, n: u32, b: u32, m: u32| {
        let mut sums = [0.0; POINTS];
        let [canary, canary_of, baseline, baseline_of] = [a, n, b, m].map(f64::from);
        null.add(&Cell { canary, canary_of, baseline, baseline_of }, 1.0, &mut sums);
        log_mean(&sums).exp()
    };
    for (n, m) in [(1, 1), (2, 7), (5, 20), (10, 30)] {
        for p in [0.01, 0.3, 0.9] {
            let at = |n: u32, k: u32| {
                choose(n, k) * f64::powi(p, k as i32) * f64::powi(1.0 - p, (n - k) as i32)
            };
            let mean: f64 = (0..=n)
                .flat_map(|a| (0..=m).map(move |b| (a, b)))
                .map(|(a, b)| at(n, a) * at(m, b) * factor(a, n, b, m))
                .sum();
            assert!(mean <= 1.0 + 1e-12, "{n} {m} {p}: {mean}");
        }
        for events in 0..=n + m {
            let dealt = |a: u32| choose(n, a) * choose(m, events - a) / choose(n + m, events);
            let least = events.saturating_sub(m);
            let mean: f64 =
                (least..=n.min(events)).map(|a| dealt(a) * factor(a, n, events - a, m)).sum();
            assert!(mean <= 1.0 + 1e-12, "{n} {m} {events}: {mean}");
        }
    }
}

#[test]
fn ten_second_buckets_are_judged_by_the_minute() {
    let fine = Basis { bucket_seconds: 10, block_seconds: 60, ..basis(6000.0, 0.001) };
    let counts = |requests: f64, errors: f64| Counts { requests, errors, ..Counts::default() };
    let healthy =
        Bucket { canary: counts(100.0, 0.0), baseline: counts(900.0, 1.0), custom: Vec::new() };
    let failing = Bucket { canary: counts(100.0, 20.0), ..healthy.clone() };
    let method = Method::normal();
    // A burst of a minute in one arm is one block: it is dropped whole.
    let mut buckets = vec![healthy.clone(); 6];
    buckets.extend(vec![failing.clone(); 6]);
    buckets.extend(vec![healthy; 12]);
    for look in Judge::at_each_of(&fine, &method, &buckets) {
        assert!(!matches!(look.say, Say::Rollback { .. }), "{look:?}");
    }
    // A lasting failure is seen before the second minute is over.
    let looks = Judge::at_each_of(&fine, &method, &vec![failing; 12]);
    let first = looks.iter().position(|look| matches!(look.say, Say::Rollback { .. })).unwrap();
    assert!((6..11).contains(&first), "{first}");
}

/// Both arms with this many errors and slow requests in a minute, of 600 and 5,400 requests.
fn minute(errors: (f64, f64), slow: (f64, f64)) -> Bucket {
    let counts = |requests: f64, errors: f64, slow: f64| Counts {
        requests,
        errors,
        slow: [[slow; 3], [slow / 2.0; 3], [slow / 5.0; 3], [slow / 10.0; 3]],
    };
    Bucket {
        canary: counts(600.0, errors.0, slow.0),
        baseline: counts(5400.0, errors.1, slow.1),
        custom: Vec::new(),
    }
}

/// The first minute of a rollback.
fn back(method: &Method, minutes: &[Bucket]) -> Option<usize> {
    let looks = Judge::at_each_of(&basis(5400.0, 0.001), method, minutes);
    looks.iter().position(|look| matches!(look.say, Say::Rollback { .. })).map(|at| at + 1)
}

const EQUAL: ((f64, f64), (f64, f64)) = ((1.0, 5.0), (60.0, 540.0));

fn minutes(change: impl Fn(usize) -> Option<Bucket>) -> Vec<Bucket> {
    (1..=15).map(|at| change(at).unwrap_or_else(|| minute(EQUAL.0, EQUAL.1))).collect()
}

#[test]
fn a_warm_up_of_up_to_four_minutes_is_no_regression() {
    for length in 1..=4 {
        let slow = minutes(|at| (at <= length).then(|| minute((1.0, 5.0), (180.0, 540.0))));
        assert_eq!(back(&Method::normal(), &slow), None, "{length}");
    }
    let slow = minutes(|_| Some(minute((1.0, 5.0), (180.0, 540.0))));
    assert_eq!(back(&Method::normal(), &slow), Some(5));
    assert_eq!(back(&Method::published(), &slow), Some(3));
    let warm = minutes(|at| (at <= 3).then(|| minute((1.0, 5.0), (180.0, 540.0))));
    assert_eq!(back(&Method::published(), &warm), Some(3), "what the published method lacks");
}

#[test]
fn a_short_plan_has_a_short_warm_up() {
    let history = ([5400.0; 60], [5.4; 60]);
    let series = Series { requests: &history.0, events: &history.1, of_traffic: 0.9 };
    let short = Basis::new(60, 4, 0.1, &series);
    let slow = vec![minute((1.0, 5.0), (300.0, 540.0)); 4];
    let looks = Judge::at_each_of(&short, &Method::normal(), &slow);
    assert!(looks.iter().any(|look| matches!(look.say, Say::Rollback { .. })), "{looks:?}");
}

#[test]
fn two_bursts_of_two_minutes_are_no_regression() {
    let burst = || Some(minute((12.0, 5.0), EQUAL.1));
    let bursts = minutes(|at| [2, 3, 9, 10].contains(&at).then(burst).flatten());
    assert_eq!(back(&Method::normal(), &bursts), None);
    assert!(back(&Method::published(), &bursts).is_some(), "what the published method lacks");
    let lasting = minutes(|at| (at >= 9).then(burst).flatten());
    assert!(back(&Method::normal(), &lasting).is_some_and(|at| at <= 12));
}

#[test]
fn only_what_is_beyond_the_limit_is_rolled_back_in_the_second_minute() {
    let tenfold = minutes(|_| Some(minute((12.0, 5.0), EQUAL.1)));
    assert_eq!(back(&Method::published(), &tenfold), Some(2));
    assert_eq!(back(&Method::normal(), &tenfold), Some(3));
    let fifth = minutes(|_| Some(minute((120.0, 5.0), EQUAL.1)));
    assert_eq!(back(&Method::normal(), &fifth), Some(2));
}

#[test]
fn an_estimate_that_chance_may_have_lifted_is_not_beyond_the_margin() {
    let gate = |method: &Method, canary: f64| {
        let buckets = vec![minute((canary, 54.0), EQUAL.1); 5];
        let look = Judge::at_end_of(&basis(5400.0, 0.01), method, &buckets);
        look.signals[0].gate
    };
    assert!(gate(&Method::published(), 8.0) && !gate(&Method::normal(), 8.0));
    assert!(gate(&Method::normal(), 12.0));
}

#[test]
fn late_evidence_is_not_drowned_by_the_minutes_before() {
    let late = minutes(|at| (at > 10).then(|| minute((8.0, 5.0), EQUAL.1)));
    let evidence = |method: &Method| {
        Judge::at_end_of(&basis(5400.0, 0.001), method, &late[..13]).signals[0].evidence
    };
    assert!(evidence(&Method::normal()) > evidence(&Method::published()) + 1.0);
}
