//! Dead letters: the list, one in full, and what became of those that were sent again.

use comfy_table::{Attribute, Cell, Color};
use jiff::Timestamp;
use perch_app::dead_letters::{DeadLetter, Outcome, Remedy, Sent};
use perch_core::names::FunctionName;
use serde::Serialize;
use serde_json::Value;

use super::text::{age, between, cut, length, stamp, wrap};
use super::{block, finish, header, table};
use crate::console::Look;

/// A dead letter and how old it is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LetterView {
    #[serde(flatten)]
    letter: DeadLetter,
    age_seconds: u64,
}

/// A dead letter with its event.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LetterInFull {
    #[serde(flatten)]
    view: LetterView,
    /// The event, where the letter has it.
    payload: Option<Value>,
    /// What `redrive` would do.
    redrive: String,
}

impl LetterView {
    /// The letter as it is now.
    pub(crate) fn of(letter: DeadLetter, now: Timestamp) -> Self {
        let age_seconds = between(letter.at, now).as_secs();
        Self { letter, age_seconds }
    }

    fn age(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.age_seconds)
    }
}

impl LetterInFull {
    /// The letter as it is now.
    pub(crate) fn of(letter: DeadLetter, now: Timestamp) -> Self {
        let redrive = match &letter.remedy {
            Remedy::HandOver { function, .. } => format!("{function} gets the event again"),
            Remedy::TellAgain { function, .. } => {
                format!("{function} sends the notifications of that time again")
            }
            Remedy::None { why } => format!("not possible: {why}"),
        };
        let payload = letter.payload().cloned();
        Self { view: LetterView::of(letter, now), payload, redrive }
    }
}

/// Letters, one line each. On a terminal their functions and errors stand below; elsewhere they are
/// the last columns, so that a line has all of a letter.
pub(crate) fn letters(letters: &[LetterView], look: Look) -> String {
    if letters.is_empty() {
        return "no dead letters: every event was delivered and processed".to_owned();
    }
    let mut table = table(Look { width: None, ..look });
    let mut names = header(["ID", "AGE", "ABOUT"]);
    if look.width.is_none() {
        names.extend(header(["QUEUE", "FUNCTION", "ERROR"]));
    }
    table.set_header(names);
    for view in letters {
        let letter = &view.letter;
        let mut row = vec![letter.id.clone(), age(view.age()), letter.subject.clone()];
        if look.width.is_none() {
            let function = name(letter.function.as_ref()).to_owned();
            row.extend([letter.queue.name().to_owned(), function, one_line(&letter.error)]);
        }
        table.add_row(row);
    }
    let below = letters.iter().map(|LetterView { letter, .. }| {
        let function = letter.function.as_ref().map(|function| format!("{function}: "));
        function.unwrap_or_default() + &one_line(&letter.error)
    });
    with_lines_below(&finish(table), look, |text, width| vec![cut(text, width)], below)
}

/// A letter in full.
pub(crate) fn letter(full: &LetterInFull, look: Look) -> String {
    let LetterView { letter, .. } = &full.view;
    let text = |value: &Option<String>| Cell::new(value.as_deref().unwrap_or("-"));
    let attempts = letter.attempts.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let age = length(full.view.age());
    let rows = vec![
        ("letter", Cell::new(&letter.id).add_attribute(Attribute::Bold)),
        ("queue", Cell::new(letter.queue.name())),
        ("since", Cell::new(format!("{}, for {age}", stamp(letter.at)))),
        ("about", Cell::new(&letter.subject)),
        ("event", text(&letter.event)),
        ("source", text(&letter.source)),
        ("function", Cell::new(name(letter.function.as_ref()))),
        ("attempts", Cell::new(attempts)),
        ("error", Cell::new(&letter.error).fg(Color::Red)),
        ("redrive", Cell::new(&full.redrive)),
    ];
    let block = block(look, rows);
    match &full.payload {
        Some(event) => format!("{block}\n\n{event:#}"),
        None => block,
    }
}

/// What became of letters that were sent again.
pub(crate) fn outcomes(outcomes: &[Outcome], look: Look) -> String {
    if outcomes.is_empty() {
        return "no dead letters: nothing to redrive".to_owned();
    }
    let mut table = table(Look { width: None, ..look });
    let mut names = header(["ID", "RESULT", "ABOUT"]);
    if look.width.is_none() {
        names.extend(header(["WHAT HAPPENED"]));
    }
    table.set_header(names);
    for outcome in outcomes {
        let (result, colour) = match outcome.result {
            Sent::Redriven => ("redriven", Color::Green),
            Sent::WouldBeRedriven => ("would be redriven", Color::Cyan),
            Sent::NotRedriven => ("NOT redriven", Color::Red),
        };
        let mut row = vec![
            Cell::new(&outcome.letter.id),
            Cell::new(result).fg(colour),
            Cell::new(&outcome.letter.subject),
        ];
        if look.width.is_none() {
            row.push(Cell::new(one_line(&outcome.text)));
        }
        table.add_row(row);
    }
    // What became of a letter is not shown anywhere else.
    let below = outcomes.iter().map(|outcome| one_line(&outcome.text));
    with_lines_below(&finish(table), look, wrap, below)
}

/// On a terminal each row is cut to its width, and gets its text below; elsewhere rows are as they are.
fn with_lines_below(
    rows: &str,
    look: Look,
    fold: impl Fn(&str, usize) -> Vec<String>,
    below: impl Iterator<Item = String>,
) -> String {
    let Some(width) = look.width.map(usize::from) else {
        return rows.to_owned();
    };
    // Colours are not columns: a coloured row is left to the terminal to wrap.
    let fit = |row: &str| if row.contains('\u{1b}') { row.to_owned() } else { cut(row, width) };
    let mut rows = rows.lines().map(fit);
    let mut text: Vec<String> = rows.next().into_iter().collect();
    for (row, below) in rows.zip(below) {
        text.push(row);
        text.extend(fold(&below, width.saturating_sub(2)).iter().map(|line| format!("  {line}")));
    }
    text.join("\n")
}

fn name(function: Option<&FunctionName>) -> &str {
    function.map_or("-", FunctionName::as_str)
}

/// An error of several lines in one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
