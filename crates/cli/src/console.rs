//! Where a command prints, and in which form.

use std::io::{IsTerminal, Write};

use anyhow::Context as _;
use ratatui::crossterm::terminal;
use serde::Serialize;

use crate::args::{Format, Global};

/// The output of a command.
pub(crate) struct Console<'a> {
    /// The form that was asked for.
    pub(crate) format: Format,
    /// How tables look.
    pub(crate) look: Look,
    out: &'a mut dyn Write,
}

/// How text for people looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether colours are used.
    pub(crate) colour: bool,
    /// The terminal's width; `None` when the output is not a terminal, where nothing is wrapped.
    pub(crate) width: Option<u16>,
}

impl<'a> Console<'a> {
    /// Standard output, as the options and the terminal allow.
    pub(crate) fn stdout(global: &Global, out: &'a mut dyn Write) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let width = terminal::size().map_or(80, |(columns, _)| columns.max(40));
        let look =
            Look { colour: is_terminal && !global.no_color, width: is_terminal.then_some(width) };
        Self::new(global.output, look, out)
    }

    /// An output of this form.
    pub(crate) fn new(format: Format, look: Look, out: &'a mut dyn Write) -> Self {
        Self { format, look, out }
    }

    /// Prints `value` for programs, or the text that `table` makes for people.
    pub(crate) fn show(
        &mut self,
        value: &impl Serialize,
        table: impl FnOnce(Look) -> String,
    ) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Table => table(self.look),
            Format::Json => serde_json::to_string_pretty(value)?,
            Format::Yaml => serde_saphyr::to_string(value)?,
        };
        self.line(text.trim_end())
    }

    /// Prints a line at once.
    pub(crate) fn line(&mut self, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{text}").and_then(|()| self.out.flush()).context("can't print")
    }
}
