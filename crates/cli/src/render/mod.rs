//! Text for people: tables and blocks that read well at 80 columns.

pub(crate) mod basis;
pub(crate) mod evidence;
mod lab;
mod letters;
mod looks;
pub(crate) mod models;
mod notes;
mod release;
mod releases;
mod smoke;
mod targets;
#[cfg(test)]
mod tests;
pub(crate) mod text;

pub(crate) use lab::{bench, replayed, simulated};
pub(crate) use letters::{LetterInFull, LetterView, letter, letters, outcomes};
pub(crate) use looks::{answers, findings};
pub(crate) use notes::notes;
pub(crate) use release::release;
pub(crate) use releases::releases;
pub(crate) use smoke::{lines as smoke_lines, smoke};
pub(crate) use targets::{TargetView, by, target, targets};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

use perch_app::view::ReleaseView;
use perch_core::weight::Weight;

use crate::console::Look;

/// A table without borders: wrapped to the terminal, or one line per row where there is none.
fn table(look: Look) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if look.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    match look.width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table
}

/// The table's text: two spaces between columns, none outside.
fn finish(mut table: Table) -> String {
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index < last { 2 } else { 0 }));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn header<const N: usize>(names: [&str; N]) -> Vec<Cell> {
    names.into_iter().map(|name| Cell::new(name).add_attribute(Attribute::Dim)).collect()
}

/// A block of names and values.
fn block(look: Look, rows: Vec<(&str, Cell)>) -> String {
    let mut table = table(look);
    for (name, value) in rows {
        table.add_row([Cell::new(name).add_attribute(Attribute::Dim), value]);
    }
    finish(table)
}

/// A phase in the colour of what it means.
fn phase(name: &str) -> Cell {
    phase_cell(name, name.to_owned())
}

/// Phase and, while the canary serves, its weight: `Baking 50%`; then `more`.
fn standing(release: &ReleaseView, more: &str) -> Cell {
    let name = release.phase;
    let over = release.ended_at.is_some() || release.weight == Weight::ZERO;
    let text = if over { name.to_owned() } else { format!("{name} {}", release.weight) };
    phase_cell(name, text + more)
}

fn phase_cell(name: &str, text: String) -> Cell {
    Cell::new(text).fg(match name {
        "Promoted" => Color::Green,
        "RolledBack" | "RollingBack" | "Stuck" => Color::Red,
        "Rejected" | "Superseded" => Color::Yellow,
        _ => Color::Cyan,
    })
}
