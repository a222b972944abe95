//! What became of smoke tests.

use comfy_table::{Cell, Color};
use perch_core::smoke::SmokeResult;

use super::{finish, header, table};
use crate::console::Look;

/// The results, a row each.
pub(crate) fn smoke(results: &[SmokeResult], look: Look) -> String {
    let mut table = table(look);
    table.set_header(header(["CHECK", "RESULT", "STATUS", "TOOK", "DIFFERENCE"]));
    for result in results {
        let (word, colour) = verdict(result);
        table.add_row([
            Cell::new(&result.name),
            Cell::new(word).fg(colour),
            Cell::new(status(result)),
            Cell::new(format!("{} ms", result.latency_ms)),
            Cell::new(result.differences.join("\n")),
        ]);
    }
    finish(table)
}

/// The results in a journal, a line each. What differed is in the entry's cause.
pub(crate) fn lines(results: &[SmokeResult]) -> Vec<String> {
    let line = |result: &SmokeResult| {
        let (word, _) = verdict(result);
        format!("{word} {} ms, status {}: {}", result.latency_ms, status(result), result.name)
    };
    results.iter().map(line).collect()
}

fn verdict(result: &SmokeResult) -> (&'static str, Color) {
    if result.passed { ("passed", Color::Green) } else { ("failed", Color::Red) }
}

fn status(result: &SmokeResult) -> String {
    result.status.map_or_else(|| "-".to_owned(), |status| status.to_string())
}
