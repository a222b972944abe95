//! Guards, verdict and next decision, and the last journal entries.

use jiff::Timestamp;
use perch_app::view::ReleaseView;
use perch_core::journal::{JournalEntry, Severity};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::facts::{NAMES, named};
use super::paint::Paint;
use crate::render::text::{clock, cut, wrap};
use crate::watch::follow::Followed;
use crate::watch::next;

/// A verdict takes at most this many lines; `perch release ID` has all of it.
const LONGEST: usize = 3;

/// The lines between history and journal.
pub(super) fn lines(
    release: &Release,
    followed: &Followed,
    now: Timestamp,
    width: u16,
    paint: Paint,
) -> Vec<Line<'static>> {
    let mut lines = vec![named("guards", guards(release, &followed.journal, paint), paint)];
    let verdict = match ReleaseView::of(release, Vec::new()).verdict {
        Some(verdict) => {
            let text = format!("{}: {}", verdict.outcome, verdict.reasons.join("; "));
            (text, paint.outcome(verdict.outcome))
        }
        None => ("none yet".to_owned(), paint.dim()),
    };
    let next = (next::decision(followed, release, now), paint.bold());
    for (name, (text, style)) in [("verdict", verdict), ("next", next)] {
        let room = usize::from(width.saturating_sub(NAMES));
        for (row, text) in wrap(&text, room).into_iter().take(LONGEST).enumerate() {
            let name = if row == 0 { name } else { "" };
            lines.push(named(name, vec![Span::styled(text, style)], paint));
        }
    }
    lines
}

/// Every guard, as of the last look.
fn guards(release: &Release, journal: &[JournalEntry], paint: Paint) -> Vec<Span<'static>> {
    let guards = &release.plan.guards;
    if guards.is_empty() {
        return vec![Span::styled("none", paint.dim())];
    }
    let looked = journal.iter().rev().find_map(|entry| entry.evidence.as_ref());
    let fired = match &release.phase {
        Phase::RollingBack { cause: RollbackCause::Alarm { alarm, .. }, .. }
        | Phase::RolledBack { cause: RollbackCause::Alarm { alarm, .. } } => Some(alarm),
        _ => None,
    };
    let mut spans: Vec<Span<'static>> = Vec::new();
    for guard in guards {
        let in_alarm = fired == Some(guard)
            || looked.is_some_and(|evidence| evidence.readings.alarms.contains(guard));
        if !spans.is_empty() {
            spans.push("  ".into());
        }
        spans.push(match (in_alarm, looked) {
            (true, _) => Span::styled(format!("● {guard} ALARM"), paint.bad()),
            (false, Some(_)) => Span::styled(format!("● {guard}"), paint.good()),
            (false, None) => Span::styled(format!("○ {guard}"), paint.dim()),
        });
    }
    spans
}

/// As many of the last entries as there are rows.
pub(super) fn draw_journal(
    frame: &mut Frame<'_>,
    area: Rect,
    journal: &[JournalEntry],
    paint: Paint,
) {
    let rows = usize::from(area.height.saturating_sub(1));
    if rows == 0 {
        return;
    }
    let hidden = journal.len().saturating_sub(rows);
    let mut lines = vec![Line::styled("journal", paint.dim())];
    lines.extend(
        journal.iter().skip(hidden).map(|entry| line(entry, usize::from(area.width), paint)),
    );
    frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
}

fn line(entry: &JournalEntry, width: usize, paint: Paint) -> Line<'static> {
    let style = match entry.what.severity() {
        Severity::Info => ratatui::style::Style::new(),
        Severity::Warning => paint.fg(ratatui::style::Color::Yellow),
        Severity::Page => paint.bad(),
    };
    let at = format!("{}  ", clock(entry.at));
    let what = format!("{:<17} ", format!("{:?}", entry.what));
    let cause = cut(&entry.cause, width.saturating_sub(at.len() + what.len()));
    Line::from(vec![Span::styled(at, paint.dim()), Span::styled(what, style), cause.into()])
}
