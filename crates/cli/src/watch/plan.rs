//! The plan as a line of marks: `10% ✔ → 50% ● 12s left → 100% → watch 30m`.

use jiff::Timestamp;
use perch_core::journal::{JournalEntry, What};
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::render::text::{between, length};

/// How far a part of the plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Done,
    Current,
    Failed,
    Ahead,
}

/// A part of the plan: a step, the promotion or the watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) text: String,
    pub(crate) mark: Mark,
}

const ARROW: &str = " → ";

/// The parts of the plan, in at most `width` columns: the middle is left out where it is longer.
pub(crate) fn line(
    release: &Release,
    journal: &[JournalEntry],
    now: Timestamp,
    width: usize,
) -> Vec<Part> {
    let parts = parts(release, journal, now);
    let current = parts.iter().rposition(|part| part.mark != Mark::Ahead).unwrap_or(0);
    // Nearest to the current part first; the last one, the watch, always stays.
    let mut kept: Vec<bool> = parts.iter().map(|_| true).collect();
    let mut order: Vec<usize> = (0..parts.len().saturating_sub(1)).collect();
    order.sort_by_key(|i| std::cmp::Reverse(i.abs_diff(current)));
    for drop in order {
        if columns(&shortened(&parts, &kept)) <= width {
            break;
        }
        kept[drop] = false;
    }
    shortened(&parts, &kept)
}

/// The kept parts, with one `…` for each run of others.
fn shortened(parts: &[Part], kept: &[bool]) -> Vec<Part> {
    let mut shown: Vec<Part> = Vec::new();
    for (part, keep) in parts.iter().zip(kept) {
        if *keep {
            shown.push(part.clone());
        } else if shown.last().is_none_or(|last| last.text != "…") {
            shown.push(Part { text: "…".to_owned(), mark: part.mark });
        }
    }
    shown
}

fn columns(parts: &[Part]) -> usize {
    let texts: usize = parts.iter().map(|part| part.text.chars().count()).sum();
    texts + parts.len().saturating_sub(1) * ARROW.chars().count()
}

fn parts(release: &Release, journal: &[JournalEntry], now: Timestamp) -> Vec<Part> {
    let steps = &release.plan.steps;
    let (place, mark) = place(release, journal);
    let names = steps.iter().map(|step| step.weight.to_string());
    let names = names.chain(["100%".to_owned(), format!("watch {}", release.plan.watch)]);
    names
        .enumerate()
        .map(|(index, name)| match index.cmp(&place) {
            std::cmp::Ordering::Less => Part { text: format!("{name} ✔"), mark: Mark::Done },
            std::cmp::Ordering::Greater => Part { text: name, mark: Mark::Ahead },
            std::cmp::Ordering::Equal => Part { text: marked(&name, mark, release, now), mark },
        })
        .collect()
}

fn marked(name: &str, mark: Mark, release: &Release, now: Timestamp) -> String {
    match mark {
        Mark::Done => format!("{name} ✔"),
        Mark::Failed => format!("{name} ✘"),
        Mark::Ahead => name.to_owned(),
        Mark::Current => format!("{name} ●{}", left(release, now)),
    }
}

/// The time that the current part still takes.
fn left(release: &Release, now: Timestamp) -> String {
    let end = match release.phase {
        Phase::Baking { step, since, .. } => {
            let bake = release.plan.steps.get(step).map(|step| step.bake.duration());
            bake.and_then(|bake| since.saturating_add(bake).ok())
        }
        Phase::Watching { until, .. } => Some(until),
        _ => None,
    };
    match end.map(|end| between(now, end)) {
        Some(left) if left.is_zero() => " holds".to_owned(),
        Some(left) => format!(" {} left", length(left)),
        None => String::new(),
    }
}

/// How many parts are done, and the mark of the one after them.
fn place(release: &Release, journal: &[JournalEntry]) -> (usize, Mark) {
    let steps = release.plan.steps.len();
    match release.phase {
        Phase::Pending | Phase::Preparing | Phase::Rejected { .. } | Phase::Superseded { .. } => {
            (0, Mark::Ahead)
        }
        Phase::Shifting { step, .. } | Phase::Baking { step, .. } => (step, Mark::Current),
        Phase::Promoting { .. } => (steps, Mark::Current),
        Phase::Watching { .. } => (steps + 1, Mark::Current),
        Phase::Promoted => (steps + 1, Mark::Done),
        Phase::RollingBack { .. } | Phase::RolledBack { .. } | Phase::Stuck { .. } => {
            (reached(steps, journal), Mark::Failed)
        }
    }
}

/// The part in which a release went back, from its journal.
fn reached(steps: usize, journal: &[JournalEntry]) -> usize {
    let happened = |what| journal.iter().filter(|entry| entry.what == what).count();
    if happened(What::CanaryPromoted) > 0 {
        return steps + 1;
    }
    happened(What::WeightShifted).saturating_sub(1).min(steps)
}
