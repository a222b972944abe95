//! What the release is and where it stands: artifact, phase, weight, plan.

use jiff::Timestamp;
use perch_core::judge::Outcome;
use perch_core::release::Release;
use ratatui::text::{Line, Span};

use super::paint::Paint;
use crate::render::by;
use crate::render::text::{bar, between, cut, length};
use crate::watch::follow::Followed;
use crate::watch::plan;

/// The width of the names on the left.
pub(super) const NAMES: u16 = 10;
/// The width of the weight's bar, where there is room.
const BAR: usize = 30;
/// The width of what stands beside it: a phase and a weight.
const BESIDE_BAR: usize = 12 + 20;

/// A line with its name.
pub(super) fn named(name: &str, spans: Vec<Span<'static>>, paint: Paint) -> Line<'static> {
    let width = usize::from(NAMES);
    let name = Span::styled(format!("{name:<width$}"), paint.dim());
    Line::from_iter(std::iter::once(name).chain(spans))
}

/// The lines on top.
pub(super) fn lines(
    release: &Release,
    followed: &Followed,
    now: Timestamp,
    width: u16,
    paint: Paint,
) -> Vec<Line<'static>> {
    let took = length(between(release.started_at, release.ended_at.unwrap_or(now)));
    let weight = release.weight();
    let phase = Span::styled(format!("{:<12}", release.phase.name()), paint.phase(&release.phase));
    let room = usize::from(width.saturating_sub(NAMES));
    let bar = bar(weight, room.saturating_sub(BESIDE_BAR).min(BAR));
    let bar = Span::styled(bar, paint.canary());
    let parts = plan::line(release, &followed.journal, now, room);
    let mut plan = Vec::new();
    for part in parts {
        if !plan.is_empty() {
            plan.push(Span::styled(" → ", paint.dim()));
        }
        plan.push(Span::styled(part.text, paint.mark(part.mark)));
    }
    let mut lines = vec![
        named("artifact", vec![release.artifact.to_string().into()], paint),
        named("release", vec![format!("{}, {took}", release.id).into()], paint),
        named("phase", vec![phase, bar, format!(" {weight} on the canary").into()], paint),
        named("plan", plan, paint),
    ];
    lines.extend(followed.waiting.as_ref().map(|waiting| {
        let text = format!("{} comes next", waiting.artifact);
        named("waiting", vec![text.into()], paint)
    }));
    let kept = |name, text: String| {
        named(
            name,
            vec![Span::styled(cut(&text, room), paint.outcome(Outcome::Inconclusive))],
            paint,
        )
    };
    let order = release.order.as_ref().filter(|_| release.ended_at.is_none());
    lines.extend(order.map(|order| kept("order", order.to_string())));
    lines.extend(followed.stop.as_ref().map(|stop| kept("stopped", by(stop))));
    lines
}
