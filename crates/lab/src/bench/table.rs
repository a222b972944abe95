//! Results as cells, and as Markdown.

use super::{Measured, RowResult};

/// The names of the columns: what the row is, each rule's rollbacks, promotions and harm.
pub fn header(rows: &[RowResult]) -> Vec<String> {
    let mut names: Vec<String> =
        ["scenario", "req/s", "errors", "weight", "truth"].map(str::to_owned).to_vec();
    let rules = rows.first().map(|row| row.rules.as_slice()).unwrap_or_default();
    names.extend(rules.iter().map(|measured| measured.rule.clone()));
    names.extend(judges(rules).map(|measured| format!("{} promoted", measured.rule)));
    names.push("harm".to_owned());
    names
}

/// The cells of a row.
pub fn cells(row: &RowResult) -> Vec<String> {
    let mut cells = vec![
        row.scenario.clone(),
        row.requests_per_second.to_string(),
        format!("{}%", number(100.0 * row.base_error_rate)),
        format!("{}%", number(100.0 * row.weight)),
        if row.bad { "bad" } else { "ok" }.to_owned(),
    ];
    cells.extend(row.rules.iter().map(|m| share(m.rolled_back, m.rollback_minute)));
    cells.extend(judges(&row.rules).map(|m| share(m.promoted, Some(m.promote_minute))));
    let harm: Vec<String> = row.rules.iter().map(|measured| short(measured.harm)).collect();
    cells.push(harm.join(" / "));
    cells
}

/// Rules that know a third answer; what a peer does not roll back it promotes at the end.
fn judges(rules: &[Measured]) -> impl Iterator<Item = &Measured> {
    rules.iter().filter(|measured| !measured.is_peer)
}

/// The table in Markdown.
pub fn markdown(rows: &[RowResult]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let header = header(rows);
    let rule = format!("|{}\n", "---|".repeat(header.len()));
    let lines = rows.iter().map(|row| line(cells(row)));
    [line(header), rule].into_iter().chain(lines).collect()
}

/// A share in percent with its minute, such as `99.7 @14`.
fn share(percent: f64, minute: Option<f64>) -> String {
    match minute.filter(|_| percent > 0.0) {
        Some(minute) => format!("{percent:.1} @{}", number(minute)),
        None => format!("{percent:.1}"),
    }
}

/// Without the noise of binary fractions: `0.02`, not `0.020000000000000004`.
fn number(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Two significant digits where there are fewer than two before the point.
fn short(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
