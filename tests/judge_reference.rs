//! The judge's parts against values that were computed independently, with 50 digits and from exact sums.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests count as tests")]

use perch_core::judge::sequential::{
    ABOVE_RATE, Cell, DOWN, DropRule, Intervals, Method, Null, POINTS, UP, dispersion, drop_blocks,
    history_dispersion, log_add, log_mean, lower_tail, needed_requests, proportion_lower,
    share_evidence, sign_evidence, upper_tail,
};
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("fixtures/judge/reference_values.json")).unwrap()
}

fn rows(name: &str) -> Vec<Value> {
    reference()[name].as_array().unwrap().clone()
}

fn number(row: &Value, field: &str) -> f64 {
    row[field].as_f64().unwrap_or_else(|| panic!("{field} of {row}"))
}

fn numbers(row: &Value, field: &str) -> Vec<f64> {
    row[field].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Equal within 1e-6 of the value, or within half of the last digit that the file gives.
fn assert_close(found: f64, expected: f64, digit: f64, what: &Value) {
    let allowed = (1e-6 * expected.abs()).max(0.501 * digit);
    assert!((found - expected).abs() <= allowed, "{found} instead of {expected}: {what}");
}

/// Half of the last of six significant digits.
fn sixth_digit(value: f64) -> f64 {
    if value == 0.0 { 1e-12 } else { 10f64.powf(value.abs().log10().floor() - 5.0) }
}

fn cells(row: &Value) -> Vec<Cell> {
    let bucket = |bucket: &Value| {
        let at = |i: usize| bucket[i].as_f64().unwrap();
        Cell { canary: at(0), canary_of: at(1), baseline: at(2), baseline_of: at(3) }
    };
    row["buckets"].as_array().unwrap().iter().map(bucket).collect()
}

#[test]
fn log_evidence_of_every_test() {
    let rows = rows("logE");
    assert_eq!(rows.len(), 72);
    for row in &rows {
        let grid = match row["test"].as_str().unwrap() {
            "abs_rollback" => &ABOVE_RATE,
            test if test.ends_with("promote") => &DOWN,
            _ => &UP,
        };
        let null = Null { ratio: number(row, "rho0"), margin: number(row, "delta"), grid };
        let mut sums = [0.0; POINTS];
        cells(row).iter().for_each(|cell| null.add(cell, number(row, "phi"), &mut sums));
        assert_close(log_mean(&sums), number(row, "logE"), 1e-6, row);
    }
}

#[test]
fn tails_of_the_binomial() {
    for row in rows("tails") {
        let (s, m, p) = (number(&row, "S"), number(&row, "M"), number(&row, "theta"));
        for (found, field) in [
            (upper_tail(s, m, p, 1.0), "upper"),
            (lower_tail(s, m, p, 1.0), "lower"),
            (upper_tail(s, m, p, 2.5), "upper_phi2_5"),
            (lower_tail(s, m, p, 2.5), "lower_phi2_5"),
        ] {
            let expected = number(&row, field);
            assert_close(found, expected, 1e-3 * sixth_digit(expected), &row);
        }
    }
}

#[test]
fn lower_limits_of_a_proportion() {
    for row in rows("cp_lower") {
        let (e, n, gamma) = (number(&row, "e"), number(&row, "n"), number(&row, "gamma"));
        let expected = number(&row, "lower");
        let digit = 1e-3 * sixth_digit(expected);
        assert_close(proportion_lower(e, n, gamma, 1.0), expected, digit, &row);
    }
}

#[test]
fn dispersion_of_the_split_and_of_the_history() {
    for row in rows("phi") {
        let drop = row["drop"].as_u64().unwrap() as usize;
        let found = dispersion(&cells(&row), number(&row, "phi0"), drop);
        assert_close(found, number(&row, "phi"), 1e-6, &row);
    }
    for row in rows("history_phi") {
        let cap = Method::published().dispersion_cap;
        let found =
            history_dispersion(&numbers(&row, "n"), &numbers(&row, "e"), number(&row, "w"), cap);
        assert_close(found, number(&row, "phi0"), 1e-6, &row);
    }
}

#[test]
fn minutes_that_are_kept() {
    for row in rows("kept") {
        let method = Method::published();
        let rule: DropRule = match row["signal"].as_str().unwrap() {
            "latency" => method.drop_latency,
            _ => method.drop_errors,
        };
        let blocks = cells(&row);
        let dropped = drop_blocks(&blocks, &rule);
        let kept: Vec<f64> =
            (0..blocks.len()).filter(|at| !dropped.contains(*at)).map(|at| at as f64).collect();
        assert_eq!(kept, numbers(&row, "kept"), "{row}");
    }
}

#[test]
fn signals_are_combined_by_weight() {
    let row = &rows("combine")[0];
    let logs = numbers(row, "w").into_iter().zip(numbers(row, "logE")).map(|(w, e)| w.ln() + e);
    assert_close(logs.reduce(log_add).unwrap(), number(row, "log_combined"), 1e-6, row);
    let method = Method::published();
    assert_close((1.0 / method.alpha_looks).ln(), number(row, "threshold_seq"), 1e-6, row);
    assert_close(method.corroboration.ln(), number(row, "threshold_trim"), 1e-6, row);
}

#[test]
fn requests_that_a_regression_takes_to_be_seen() {
    for row in rows("plan") {
        let found = needed_requests(number(&row, "pb"), number(&row, "mult"), 0.1);
        assert_close(found, number(&row, "n_canary_sequential"), 2.0, &row);
    }
}

#[test]
fn confidence_sequences() {
    for row in rows("cs") {
        let buckets: Vec<(Cell, f64)> = cells(&row).into_iter().map(|cell| (cell, 1.0)).collect();
        let found = Intervals::of(&buckets);
        for (end, field) in [
            (found.ratio.low, "rho_lo"),
            (found.ratio.high, "rho_hi"),
            (found.rate.low, "pc_lo"),
            (found.rate.high, "pc_hi"),
            (found.difference.low, "diff_lo"),
            (found.difference.high, "diff_hi"),
        ] {
            match (end, row[field].as_f64()) {
                (Some(end), Some(value)) => assert_close(end, value, sixth_digit(value), &row),
                (found, expected) => assert_eq!(found, expected, "{field} of {row}"),
            }
        }
    }
}

#[test]
fn sign_test_and_traffic_share() {
    for row in rows("sign") {
        let found = sign_evidence(number(&row, "S"), number(&row, "m"));
        assert_close(found, number(&row, "logE"), 1e-6, &row);
    }
    for row in rows("share") {
        let found = share_evidence(number(&row, "nc"), number(&row, "nb"), number(&row, "s0"));
        assert_close(found, number(&row, "logE"), 1e-6, &row);
    }
}
