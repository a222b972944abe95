//! Notes: why events led to no release.

use comfy_table::Cell;
use perch_app::ports::Note;

use super::text::stamp;
use super::{finish, header, table};
use crate::console::Look;

/// Notes, newest first.
pub(crate) fn notes(notes: &[Note], look: Look) -> String {
    if notes.is_empty() {
        return "no notes: every event of the last 30 days led to a release".to_owned();
    }
    let mut table = table(look);
    table.set_header(header(["AT", "EVENT", "NOTHING HAPPENED BECAUSE"]));
    for note in notes {
        table.add_row([Cell::new(stamp(note.at)), Cell::new(&note.subject), Cell::new(&note.text)]);
    }
    finish(table)
}
