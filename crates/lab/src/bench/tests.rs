//! What is measured, and that traces and peers give the published figures.

use perch_core::judge::sequential::Method;

use super::*;
use crate::grid::Set;
use crate::judged::Judged;

fn ends(ends: &[(Option<usize>, Option<usize>, f64)]) -> Vec<(End, f64)> {
    ends.iter()
        .map(|(rollback, promote, h)| (End { rollback: *rollback, promote: *promote }, *h))
        .collect()
}

#[test]
fn a_row_is_summed_up_by_shares_medians_and_means() {
    let found = measure(
        &Peer::Fixed,
        &ends(&[
            (Some(3), None, 3.0),
            (Some(6), Some(4), 6.0),
            (None, Some(5), 0.0),
            (None, None, 1.0),
        ]),
    );
    let expected = Measured {
        rule: "fixed".to_owned(),
        is_peer: true,
        rolled_back: 50.0,
        rollback_minute: Some(4.5),
        promoted: 50.0,
        promote_minute: 10.0,
        harm: 2.5,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_promotion_in_the_minute_of_a_rollback_does_not_count() {
    let found = measure(&Peer::Fixed, &ends(&[(Some(5), Some(5), 0.0)]));
    assert_eq!((found.promoted, found.promote_minute), (0.0, 15.0));
}

#[test]
fn harm_ends_with_the_rollback() {
    let row = &Set::Tuned.rows()[0];
    let trace = row.trace(1, 1);
    let early = with_harm(End { rollback: Some(2), promote: None }, &trace).1;
    assert_eq!(early, trace.minutes[0].canary.errors + trace.minutes[1].canary.errors);
    let never = with_harm(End::default(), &trace).1;
    assert_eq!(never, trace.errors_served(15));
}

fn result() -> RowResult {
    let rule = |rule: &str, is_peer, rolled_back, rollback_minute, harm| Measured {
        rule: rule.to_owned(),
        is_peer,
        rolled_back,
        rollback_minute,
        promoted: 100.0 - rolled_back,
        promote_minute: 7.5,
        harm,
    };
    RowResult {
        scenario: "err x2".to_owned(),
        requests_per_second: 300.0,
        base_error_rate: 0.0002,
        weight: 0.1,
        bad: true,
        traces: 1000,
        rules: vec![
            rule("fixed", true, 0.0, None, 123.4),
            rule("normal", false, 99.5, Some(3.0), 1.26),
        ],
    }
}

#[test]
fn a_row_is_written_as_published() {
    let expected = "\
| scenario | req/s | errors | weight | truth | fixed | normal | normal promoted | harm |
|---|---|---|---|---|---|---|---|---|
| err x2 | 300 | 0.02% | 10% | bad | 0.0 | 99.5 @3 | 0.5 @7.5 | 123 / 1.3 |
";
    assert_eq!(table::markdown(&[result()]), expected);
}

/// A published row, and its figures by rule: percent rolled back, and promoted by the judge.
struct Published {
    row: Row,
    rolled_back: Vec<(String, f64)>,
    promoted: f64,
}

/// The published figures of the peers and of the method as published.
fn published(set: Set) -> Vec<Published> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/judge/benchmark.json");
    let document: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let rows = set.rows();
    let found = document[set.name()].as_array().unwrap();
    assert_eq!(rows.len(), found.len());
    let published = rows.into_iter().zip(found).map(|(row, found)| {
        let of = [&found["scenario"], &found["rps"], &found["base"], &found["weight"]];
        let ours: [serde_json::Value; 4] = [
            row.scenario.name().into(),
            row.volume.rps.into(),
            row.base.into(),
            row.volume.weight.into(),
        ];
        assert_eq!(of, ours.each_ref());
        assert_eq!(row.scenario.is_bad(), found["bad"]);
        let percents = found["rolledBack"].as_object().unwrap().iter();
        let rolled_back = percents.map(|(rule, p)| (rule.clone(), p.as_f64().unwrap())).collect();
        Published { row, rolled_back, promoted: found["promoted"].as_f64().unwrap() }
    });
    published.collect()
}

/// Whether two shares in percent may differ by chance: five standard errors of the difference, and the
/// rounding of what is published.
fn may_differ(found: f64, published: f64, (traces, of): (u64, f64), rounding: f64) -> bool {
    // A share of nought has an error, too.
    let p = (f64::midpoint(found, published) / 100.0).clamp(0.002, 0.998);
    let error = 500.0 * (p * (1.0 - p) * (1.0 / traces as f64 + 1.0 / of)).sqrt();
    (found - published).abs() <= error + rounding
}

/// The rows whose figures are not what was published.
fn differences(set: Set, traces: u64, which: impl Fn(&Row) -> bool) -> Vec<String> {
    let judge = Judged::new("published", Method::published());
    let mut rules = Peer::ALL.each_ref().map(|peer| peer as &dyn Rule).to_vec();
    rules.push(&judge);
    let sizes = (traces, if set == Set::HeldB { 2000.0 } else { 1500.0 });
    let mut differences = Vec::new();
    for (index, Published { row, rolled_back, promoted }) in published(set).into_iter().enumerate()
    {
        if !which(&row) {
            continue;
        }
        let place = format!("{} {}", row.scenario.name(), row.volume.rps);
        let result = run_row(&row, &rules, traces, set.seed(index));
        for Measured { rule, rolled_back: found, promoted: also, .. } in result.rules {
            let (_, percent) = rolled_back.iter().find(|(name, _)| *name == rule).unwrap();
            if !may_differ(found, *percent, sizes, 0.05) {
                differences.push(format!("{place} {rule}: {found} for {percent}"));
            }
            if rule == judge.name && !may_differ(also, promoted, sizes, 0.5) {
                differences.push(format!("{place} {rule} promoted: {also} for {promoted}"));
            }
        }
    }
    differences
}

#[test]
fn rows_with_little_traffic_are_as_published() {
    // Chance decides most where traffic is little: these rows tell the most about the generators.
    for set in Set::PUBLISHED {
        assert_eq!(differences(set, 500, |row| row.volume.rps <= 10.0), [""; 0]);
    }
}

#[test]
#[ignore = "takes a minute or two: `make soak` runs it"]
fn every_row_is_as_published() {
    for set in Set::PUBLISHED {
        assert_eq!(differences(set, 1500, |_| true), [""; 0]);
    }
}
