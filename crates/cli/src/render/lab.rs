//! Simulated canaries and the benchmark.

use comfy_table::{Attribute, Cell, Color, ContentArrangement};
use perch_lab::bench::{RowResult, table as bench_table};
use perch_lab::case::{Answer, Case};
use perch_lab::simulate::Simulated;

use super::{finish, header, table};
use crate::commands::replay;
use crate::console::Look;

/// The benchmark, one line per row: too wide for most terminals, and not cut.
pub(crate) fn bench(rows: &[RowResult], look: Look) -> String {
    let mut lines = table(Look { width: None, ..look });
    lines.set_content_arrangement(ContentArrangement::Disabled);
    let names = bench_table::header(rows).into_iter().map(|name| name.to_uppercase());
    lines.set_header(names.map(|name| Cell::new(name).add_attribute(Attribute::Dim)));
    for row in rows {
        lines.add_row(bench_table::cells(row));
    }
    finish(lines)
}

/// What would have become of each case, one line each; and the sum.
pub(crate) fn simulated(cases: &[(Case, Simulated)], look: Look) -> String {
    let mut lines = table(look);
    lines.set_header(header(["CASE", "VERDICT", "MINUTE", "WHY"]));
    for (_, simulated) in cases {
        lines.add_row([
            Cell::new(&simulated.id),
            verdict(simulated.verdict),
            Cell::new(minutes(simulated)),
            Cell::new(&simulated.reason),
        ]);
    }
    format!("{}\n\n{}", finish(lines), sum(cases))
}

fn verdict(answer: Answer) -> Cell {
    match answer {
        Answer::Rollback => Cell::new("rollback").fg(Color::Red),
        Answer::Promote => Cell::new("promote").fg(Color::Green),
        Answer::Inconclusive => Cell::new("inconclusive").fg(Color::Yellow),
    }
}

fn minutes(simulated: &Simulated) -> String {
    match (simulated.rollback_minute, simulated.promote_minute) {
        (Some(back), _) => back.to_string(),
        (None, Some(on)) => on.to_string(),
        (None, None) => "-".to_owned(),
    }
}

/// What a plan would have done with a release, a line for each look.
pub(crate) fn replayed(answer: &replay::Answer, look: Look) -> String {
    let mut lines = table(look);
    lines.set_header(header(["MINUTE", "WEIGHT", "VERDICT", "WHY"]));
    for minute in &answer.minutes {
        lines.add_row([
            Cell::new(format!("{:.1}", minute.minute)),
            Cell::new(minute.weight),
            Cell::new(minute.outcome),
            Cell::new(&minute.reason),
        ]);
    }
    let minute = match answer.verdict {
        "rollback" => answer.rollback_minute,
        "promote" => answer.promote_minute,
        _ => None,
    };
    let when = minute.map(|minute| format!(" after {minute:.1} minutes")).unwrap_or_default();
    format!(
        "{}\n\nThis plan: {}{when}. Really: {}.\n{}",
        finish(lines),
        answer.verdict,
        answer.really,
        answer.reason
    )
}

/// How many ended how, and how many as their file allows where it says so.
fn sum(cases: &[(Case, Simulated)]) -> String {
    let of = |answer| cases.iter().filter(|(_, simulated)| simulated.verdict == answer).count();
    let all = cases.len();
    let mut text = format!(
        "{all} case{}: {} rolled back, {} promoted, {} inconclusive",
        if all == 1 { "" } else { "s" },
        of(Answer::Rollback),
        of(Answer::Promote),
        of(Answer::Inconclusive)
    );
    let said = cases.iter().filter(|(case, _)| !case.allowed.is_empty());
    let asked = said.clone().count();
    if asked > 0 {
        let met = said.filter(|(case, s)| case.accepts(s.verdict, s.rollback_minute)).count();
        text += &format!("; {met} of {asked} as the file allows");
    }
    text
}
