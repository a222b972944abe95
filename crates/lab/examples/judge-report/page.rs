//! The measured parts of the page, each between its two marks.

use std::path::Path;

use perch_lab::bench::table;

use crate::buckets::Compared;
use crate::measure::{Level, Measured};

/// Writes every measured part into the page; a part without its marks is an error.
pub(crate) fn write(
    page: &Path,
    traces: u64,
    sets: &[Measured],
    levels: &[Level],
    fine: &[Compared],
) -> Result<(), Box<dyn std::error::Error>> {
    let mut text = std::fs::read_to_string(page)?;
    for measured in sets {
        let part = format!("{traces} canaries a row.\n\n{}", table::markdown(&measured.rows));
        text = replaced(&text, measured.set.name(), &part)?;
    }
    text = replaced(&text, "levels", &of_levels(2 * traces, levels))?;
    text = replaced(&text, "buckets", &of_buckets(traces.min(1000), fine))?;
    std::fs::write(page, text)?;
    Ok(())
}

fn replaced(text: &str, name: &str, part: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- measured: {name} -->"), "<!-- end -->");
    let missing = || format!("the page has no part {name}");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", part.trim_end()))
}

fn of_levels(traces: u64, levels: &[Level]) -> String {
    let lines = levels
        .iter()
        .map(|level| format!("| {} | {} | {:.2}% |\n", level.what, level.bound, level.found));
    let head = format!("{traces} canaries a row.\n\n| what | bound | found |\n|---|---|---|\n");
    [head].into_iter().chain(lines).collect()
}

fn of_buckets(traces: u64, fine: &[Compared]) -> String {
    let lines = fine.iter().map(|row| {
        let cell = |(percent, minute): (f64, Option<f64>)| {
            minute.map_or_else(|| format!("{percent:.1}"), |at| format!("{percent:.1} @{at:.1}"))
        };
        let truth = if row.bad { "bad" } else { "ok" };
        let (minute, ten) = (cell(row.by_minute), cell(row.by_ten_seconds));
        format!("| {} | {} | {truth} | {minute} | {ten} |\n", row.scenario, row.rps)
    });
    let head = format!(
        "{traces} canaries a row.\n\n| scenario | req/s | truth | 60 s | 10 s |\n|---|---|---|---|---|\n"
    );
    [head].into_iter().chain(lines).collect()
}
