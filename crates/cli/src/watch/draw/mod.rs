//! Draws a [`Screen`]: a pure function of its data and the terminal's size.

mod arms;
mod charts;
mod facts;
mod list;
mod outlook;
mod paint;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use self::paint::Paint;
use super::follow::Followed;
use super::screen::Screen;
use crate::render::text::{clock, cut};

/// The rows that both arms need: a frame and three lines.
const ARMS: u16 = 5;
/// The fewest rows in which a history says something, and the most it takes.
const HISTORY: (u16, u16) = (5, 10);
/// The journal's heading and its last two entries, at the least.
const JOURNAL: u16 = 3;

/// Draws the screen.
pub(crate) fn screen(frame: &mut Frame<'_>, screen: &Screen) {
    let paint = Paint { colour: screen.colour };
    let several = screen.targets.len() > 1;
    let listed = if several { list::rows(screen, frame.area().height) } else { 0 };
    let [title, list, body, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(listed),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_title(frame, title, screen, paint);
    if several {
        list::draw(frame, list, screen, paint);
    }
    match screen.chosen() {
        Some(followed) => draw_target(frame, body, screen, followed, paint),
        None => frame.render_widget("no targets yet; write one with `perch apply -f FILE`", body),
    }
    draw_keys(frame, keys, several, paint);
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, screen: &Screen, paint: Paint) {
    let name = match screen.targets.as_slice() {
        [only] => only.target.to_string(),
        all => format!("{} targets", all.len()),
    };
    let left = Line::from(vec![
        Span::styled("perch watch ", paint.dim()),
        Span::styled(name, paint.bold()),
    ]);
    let right = match &screen.trouble {
        Some(trouble) => {
            let room = usize::from(area.width).saturating_sub(left.width() + 2);
            Line::styled(cut(&format!("not read: {trouble}"), room), paint.bad())
        }
        None => Line::styled(format!("{}Z", clock(screen.now)), paint.dim()),
    };
    frame.render_widget(left, area);
    frame.render_widget(right.right_aligned(), area);
}

fn draw_keys(frame: &mut Frame<'_>, area: Rect, several: bool, paint: Paint) {
    let keys = if several { "q quit   ↑ ↓ choose a target" } else { "q quit" };
    frame.render_widget(Line::styled(keys, paint.dim()), area);
}

/// A target's release, from the most to the least important: what does not fit is left out.
fn draw_target(
    frame: &mut Frame<'_>,
    area: Rect,
    screen: &Screen,
    followed: &Followed,
    paint: Paint,
) {
    let Some(release) = &followed.release else {
        let text = "no release yet; push an artifact to a source of the target";
        frame.render_widget(Line::styled(text, paint.dim()), area);
        return;
    };
    let facts = facts::lines(release, followed, screen.now, area.width, paint);
    let outlook = outlook::lines(release, followed, screen.now, area.width, paint);
    let told = u16::try_from(outlook.len()).unwrap_or(u16::MAX);
    let facts_rows = u16::try_from(facts.len()).unwrap_or(u16::MAX);
    let mut left = area.height.saturating_sub(facts_rows + told);
    let mut take = |wanted: u16| {
        if left >= wanted {
            left -= wanted;
            wanted
        } else {
            0
        }
    };
    let arms = take(ARMS);
    let journal = take(JOURNAL);
    let history = take(HISTORY.0);
    let history = if history > 0 { history + left.min(HISTORY.1 - HISTORY.0) } else { 0 };
    let [top, sides, charts, bottom, past] = Layout::vertical([
        Constraint::Length(facts_rows),
        Constraint::Length(arms),
        Constraint::Length(history),
        Constraint::Length(told),
        Constraint::Min(journal),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(facts), top);
    arms::draw(frame, sides, release, &followed.journal, paint);
    charts::draw(frame, charts, release, &followed.journal, paint);
    frame.render_widget(Paragraph::new(outlook), bottom);
    outlook::draw_journal(frame, past, &followed.journal, paint);
}
