//! Both arms side by side: version, requests, errors, latency, as of the last look.

use perch_core::journal::{JournalEntry, What};
use perch_core::judge::{Arm, Readings};
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::Release;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};

use super::paint::Paint;
use crate::render::text::{clock, latency, percent};

/// From this width on, the titles are whole sentences.
const WIDE: u16 = 76;

/// Draws the arms.
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
    let look = journal.iter().rev().find(|entry| entry.evidence.is_some());
    let readings = look.and_then(|look| Some(&look.evidence.as_ref()?.readings));
    let share = release.weight().percent();
    let version = |version: Option<&Version>| {
        version.map(|version| format!(": version {version}")).unwrap_or_default()
    };
    let baseline = version(release.ledger.as_ref().map(|ledger| &ledger.baseline));
    let canary = version(release.canary.as_ref());
    let sides = [
        (left, format!("baseline{baseline}"), 100 - share, paint.baseline()),
        (right, format!("canary{canary}"), share, paint.canary()),
    ];
    let lines = [baseline_lines(release, readings, paint), canary_lines(release, readings, paint)];
    let of_traffic = if area.width < WIDE { "" } else { " of traffic" };
    for ((area, name, share, style), lines) in sides.into_iter().zip(lines) {
        let mut block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(style)
            .title(Span::styled(format!(" {name}, {share}%{of_traffic} "), style));
        if let Some(look) = look {
            let old = if is_before_shift(look, journal) { "at the weight before, " } else { "" };
            let as_of = format!(" {old}look of {} ", clock(look.at));
            block = block.title_bottom(Line::styled(as_of, paint.dim()).right_aligned());
        }
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}

/// Whether the weight was shifted since the look.
fn is_before_shift(look: &JournalEntry, journal: &[JournalEntry]) -> bool {
    let shift = |what| matches!(what, What::WeightShifted | What::CanaryPromoted);
    journal.iter().any(|entry| shift(entry.what) && entry.seq > look.seq)
}

fn baseline_lines(
    release: &Release,
    readings: Option<&Readings>,
    paint: Paint,
) -> Vec<Line<'static>> {
    match readings {
        Some(_) if matches!(release.phase, Phase::Watching { .. } | Phase::Promoted) => {
            vec![Line::styled("no traffic: kept as the way back", paint.dim())]
        }
        Some(readings) => counts(&readings.baseline, release, [Style::new(); 2], ""),
        None => vec![nothing(paint)],
    }
}

fn canary_lines(
    release: &Release,
    readings: Option<&Readings>,
    paint: Paint,
) -> Vec<Line<'static>> {
    let Some(readings) = readings else { return vec![nothing(paint)] };
    let (arm, rule) = (&readings.canary, &release.plan.judge);
    if release.judging.is_some() && !matches!(release.phase, Phase::Watching { .. }) {
        // Judged by evidence: no limit of one arm decides, and the reason says what does.
        return counts(arm, release, [Style::new(); 2], "");
    }
    let limit = rule.error_rate.max;
    let judged = |fine| if fine { paint.good() } else { paint.bad() };
    let errors = judged(arm.error_rate() <= limit.fraction());
    let increase = increase(&readings.baseline, arm);
    let fine = increase.is_none_or(|more| more <= rule.latency.max_increase.fraction());
    let mut lines = counts(arm, release, [errors, judged(fine)], &format!(", limit {limit}"));
    if let (Some(more), Some(line)) = (increase, lines.last_mut()) {
        let sign = if more < 0.0 { "" } else { "+" };
        let text = format!("  {sign}{}, limit +{}", percent(more), rule.latency.max_increase);
        line.push_span(Span::styled(text, judged(fine)));
    }
    lines
}

fn nothing(paint: Paint) -> Line<'static> {
    Line::styled("no look yet", paint.dim())
}

/// Requests, errors and latency in a line each.
fn counts(arm: &Arm, release: &Release, styles: [Style; 2], limit: &str) -> Vec<Line<'static>> {
    if arm.requests == 0 {
        return vec![Line::from("no requests yet")];
    }
    let quantile = release.plan.judge.latency.quantile;
    let [errors, slow] = styles;
    let failed = format!("{} ({}{limit})", arm.errors, percent(arm.error_rate()));
    vec![
        Line::from(format!("requests {}", arm.requests)),
        Line::from(vec!["errors   ".into(), Span::styled(failed, errors)]),
        Line::from(vec![format!("{quantile}      ").into(), Span::styled(latency(arm), slow)]),
    ]
}

/// How much slower the canary is than the baseline, as a fraction.
fn increase(baseline: &Arm, canary: &Arm) -> Option<f64> {
    match (baseline.latency_ms, canary.latency_ms) {
        (Some(before), Some(after)) if before > 0.0 => Some(after / before - 1.0),
        _ => None,
    }
}
