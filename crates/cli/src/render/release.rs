//! One release: what it is, and what happened on what evidence.

use comfy_table::{Attribute, Cell};
use jiff::Timestamp;
use perch_app::view::{ReleaseView, VerdictView};
use perch_core::journal::{Evidence, JournalEntry, Severity};
use perch_core::names::AlarmName;
use perch_core::target::Quantile;
use perch_core::weight::Weight;

use super::text::{arm, bar, between, clock, length, stamp};
use super::{block, finish, header, phase, smoke_lines, table};
use crate::console::Look;

/// A release with its journal; `quantile` is the one that its judge compares.
pub(crate) fn release(
    view: &ReleaseView,
    quantile: Quantile,
    now: Timestamp,
    look: Look,
) -> String {
    let mut text = block(look, facts(view, now));
    if !view.journal.is_empty() {
        text += &format!("\n\n{}", timeline(&view.journal, quantile, look));
    }
    text
}

fn facts(view: &ReleaseView, now: Timestamp) -> Vec<(&'static str, Cell)> {
    let version = |version: &Option<_>| {
        version.as_ref().map_or_else(|| "none yet".to_owned(), ToString::to_string)
    };
    let versions =
        format!("baseline {}, canary {}", version(&view.baseline), version(&view.canary));
    let ended = match view.ended_at {
        Some(end) => format!("{}, after {}", stamp(end), length(between(view.started_at, end))),
        None => format!("not yet, {} so far", length(between(view.started_at, now))),
    };
    let mut rows = vec![
        ("release", Cell::new(&view.id).add_attribute(Attribute::Bold)),
        ("target", Cell::new(&view.target)),
        ("artifact", Cell::new(&view.artifact)),
        ("phase", phase(view.phase)),
        ("weight", Cell::new(format!("{} {}", bar(view.weight, 20), view.weight))),
        ("versions", Cell::new(versions)),
        ("started", Cell::new(format!("{} by {}", stamp(view.started_at), view.cause))),
        ("ended", Cell::new(ended)),
    ];
    if view.ended_at.is_none() && view.weight != Weight::FULL {
        let left = length(between(now, view.deadline));
        let text = format!("{}, in {left}: rolled back unless promoted", stamp(view.deadline));
        rows.push(("deadline", Cell::new(text)));
    }
    if let (Some(order), None) = (&view.order, view.ended_at) {
        rows.push(("order", Cell::new(order)));
    }
    if !view.ignored_guards.is_empty() {
        let names: Vec<&str> = view.ignored_guards.iter().map(AlarmName::as_str).collect();
        let text = format!("{}: in ALARM at the start, no guard until OK", names.join(", "));
        rows.push(("ignored", Cell::new(text)));
    }
    rows.extend(view.verdict.as_ref().map(|verdict| ("verdict", Cell::new(reasons(verdict)))));
    rows
}

fn reasons(verdict: &VerdictView) -> String {
    format!("{}: {}", verdict.outcome, verdict.reasons.join("\n"))
}

/// The journal, oldest first.
fn timeline(journal: &[JournalEntry], quantile: Quantile, look: Look) -> String {
    let mut table = table(look);
    table.set_header(header(["AT", "WHAT", "WHY, AND ON WHAT EVIDENCE"]));
    for entry in journal {
        let what = Cell::new(format!("{:?}", entry.what));
        table.add_row([
            Cell::new(clock(entry.at)),
            match entry.what.severity() {
                Severity::Info => what,
                Severity::Warning => what.fg(comfy_table::Color::Yellow),
                Severity::Page => what.fg(comfy_table::Color::Red),
            },
            Cell::new(account(entry, quantile)),
        ]);
    }
    finish(table)
}

/// The cause and, below it, what was tested, and what both arms answered.
fn account(entry: &JournalEntry, quantile: Quantile) -> String {
    let mut lines = vec![entry.cause.clone()];
    lines.extend(smoke_lines(&entry.smoke));
    lines.extend(entry.evidence.iter().flat_map(|evidence| both_arms(evidence, quantile)));
    lines.join("\n")
}

fn both_arms(evidence: &Evidence, quantile: Quantile) -> Vec<String> {
    let readings = &evidence.readings;
    let mut lines = vec![format!("canary   {}", arm(&readings.canary, quantile))];
    if readings.baseline.requests > 0 {
        lines.push(format!("baseline {}", arm(&readings.baseline, quantile)));
    }
    lines
}
