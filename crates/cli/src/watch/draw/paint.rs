//! Styles: colours where they are wanted, and weight of type everywhere.

use perch_core::judge::Outcome;
use perch_core::phase::Phase;
use ratatui::style::{Color, Modifier, Style};

use crate::watch::plan::Mark;

/// The styles of the view.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) colour: bool,
}

impl Paint {
    pub(super) fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.fg(Color::Green)
    }

    pub(super) fn bad(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn canary(self) -> Style {
        self.fg(Color::Yellow)
    }

    pub(super) fn baseline(self) -> Style {
        self.fg(Color::Blue)
    }

    pub(super) fn phase(self, phase: &Phase) -> Style {
        match phase {
            Phase::Promoted => self.good(),
            Phase::RollingBack { .. } | Phase::RolledBack { .. } | Phase::Stuck { .. } => {
                self.bad()
            }
            Phase::Rejected { .. } | Phase::Superseded { .. } => self.fg(Color::Yellow),
            Phase::Pending
            | Phase::Preparing
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. } => self.fg(Color::Cyan).add_modifier(Modifier::BOLD),
        }
    }

    pub(super) fn outcome(self, outcome: Outcome) -> Style {
        match outcome {
            Outcome::Pass => self.good(),
            Outcome::Fail => self.bad(),
            Outcome::Inconclusive => self.fg(Color::Yellow),
        }
    }

    pub(super) fn mark(self, mark: Mark) -> Style {
        match mark {
            Mark::Done => self.good(),
            Mark::Current => self.fg(Color::Cyan).add_modifier(Modifier::BOLD),
            Mark::Failed => self.bad(),
            Mark::Ahead => self.dim(),
        }
    }
}
