//! The history over the looks: error rate and latency of both arms.

use jiff::Timestamp;
use perch_core::journal::JournalEntry;
use perch_core::judge::Arm;
use perch_core::release::Release;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::Span;
use ratatui::widgets::{Axis, Block, BorderType, Chart, Dataset, GraphType};

use super::paint::Paint;

type Points = Vec<(f64, f64)>;

/// One quantity of both arms over time.
struct History {
    title: String,
    unit: &'static str,
    /// The top of the scale when everything is below it.
    least: f64,
    canary: Points,
    baseline: Points,
}

/// Draws both histories side by side.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    release: &Release,
    journal: &[JournalEntry],
    paint: Paint,
) {
    if area.height == 0 {
        return;
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    let rule = &release.plan.judge;
    let start = release.started_at;
    let errors = |arm: &Arm| (arm.requests > 0).then(|| 100.0 * arm.error_rate());
    let history = History {
        title: " errors, canary ⣿ baseline • ".to_owned(),
        unit: "%",
        least: rule.error_rate.max.percent().clamp(1.0, 10.0),
        canary: points(journal, start, |canary, _| errors(canary)),
        baseline: points(journal, start, |_, baseline| errors(baseline)),
    };
    history.draw(frame, left, paint);
    let history = History {
        title: format!(" {} ", rule.latency.quantile),
        unit: " ms",
        least: 1.0,
        canary: points(journal, start, |canary, _| canary.latency_ms),
        baseline: points(journal, start, |_, baseline| baseline.latency_ms),
    };
    history.draw(frame, right, paint);
}

/// A value for each look, by seconds since the start.
fn points(
    journal: &[JournalEntry],
    start: Timestamp,
    value: impl Fn(&Arm, &Arm) -> Option<f64>,
) -> Points {
    let looks = journal.iter().filter_map(|entry| Some((entry.at, entry.evidence.as_ref()?)));
    looks
        .filter_map(|(at, evidence)| {
            let readings = &evidence.readings;
            let seconds = at.duration_since(start).as_secs_f64();
            Some((seconds, value(&readings.canary, &readings.baseline)?))
        })
        .collect()
}

impl History {
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let all = || self.canary.iter().chain(&self.baseline);
        let from = all().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
        let to = all().map(|(x, _)| *x).fold(f64::NEG_INFINITY, f64::max);
        let block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(paint.dim())
            .title(Span::styled(self.title.clone(), paint.dim()));
        if all().next().is_none() {
            let waiting = ratatui::widgets::Paragraph::new("no look with requests yet");
            frame.render_widget(waiting.style(paint.dim()).block(block), area);
            return;
        }
        let top = all().map(|(_, y)| *y * 1.1).fold(self.least, f64::max);
        let line = |points, marker, style| {
            Dataset::default().data(points).marker(marker).graph_type(GraphType::Line).style(style)
        };
        let labels = ["0".to_owned(), format!("{}{}", rounded(top), self.unit)];
        let chart = Chart::new(vec![
            line(&self.baseline, Marker::Dot, paint.baseline()),
            line(&self.canary, Marker::Braille, paint.canary()),
        ])
        .block(block)
        .x_axis(Axis::default().bounds([from, to.max(from + 1.0)]))
        .y_axis(Axis::default().bounds([0.0, top]).labels(labels).style(paint.dim()));
        frame.render_widget(chart, area);
    }
}

fn rounded(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
