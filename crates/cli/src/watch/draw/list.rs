//! All targets, one row each, with the chosen one marked.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::paint::Paint;
use crate::render::text::bar;
use crate::watch::follow::Followed;
use crate::watch::screen::Screen;

/// The rows that the list takes: no more than a quarter of the screen, and an empty one below.
pub(super) fn rows(screen: &Screen, height: u16) -> u16 {
    let count = u16::try_from(screen.targets.len()).unwrap_or(u16::MAX);
    count.min((height / 4).max(2)).saturating_add(1)
}

/// Draws the part of the list around the chosen target.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, screen: &Screen, paint: Paint) {
    let shown = usize::from(area.height.saturating_sub(1)).max(1);
    let first = (screen.selected + 1).saturating_sub(shown);
    let rows = screen.targets.iter().enumerate().skip(first).take(shown);
    let lines: Vec<_> =
        rows.map(|(index, followed)| row(followed, index == screen.selected, paint)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn row(followed: &Followed, chosen: bool, paint: Paint) -> Line<'static> {
    let style = if chosen { paint.bold() } else { ratatui::style::Style::new() };
    let mark = if chosen { "▸ " } else { "  " };
    let mut spans = vec![Span::styled(format!("{mark}{:<24} ", followed.target), style)];
    match &followed.release {
        None => spans.push(Span::styled("no release yet", paint.dim())),
        Some(release) => {
            let phase = format!("{:<12}", release.phase.name());
            spans.push(Span::styled(phase, paint.phase(&release.phase)));
            spans.push(Span::styled(bar(release.weight(), 10), paint.canary()));
            spans.push(format!(" {:>4}  {}", release.weight(), release.artifact).into());
        }
    }
    if followed.stop.is_some() {
        spans.push(Span::styled("  stopped", paint.bold()));
    }
    Line::from(spans)
}
