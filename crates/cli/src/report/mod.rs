//! `perch report`: one page about one release, with everything inside it.
//!
//! `series` takes the numbers from the record, `charts` draws them, `tables` lists them, the template
//! `templates/report.html` puts them together. The page loads nothing and runs nothing.

mod chart;
mod charts;
mod palette;
mod series;
mod tables;
#[cfg(test)]
mod tests;

use askama::Template;
use jiff::Timestamp;
use perch_app::view::ReleaseView;
use perch_core::journal::JournalEntry;
use perch_core::judge::Verdict;
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::render::basis::{basis, method};
use crate::render::evidence::why_none;
use crate::render::text::{between, length, stamp};
use charts::Chart;
use tables::Table;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    view: ReleaseView,
    headline: String,
    mark: &'static str,
    facts: Vec<(&'static str, String)>,
    outcome: Option<(String, Vec<String>)>,
    charts: Vec<Chart>,
    none: Option<String>,
    signals: Option<Table>,
    promises: Option<Table>,
    looks: Table,
    basis: Vec<(&'static str, String)>,
    queries: Vec<String>,
    journal: Table,
    written: String,
    palette: String,
}

/// The page about a release.
pub(crate) fn page(
    release: &Release,
    journal: Vec<JournalEntry>,
    now: Timestamp,
) -> anyhow::Result<String> {
    let deciding = tables::deciding(release, &journal);
    let judging = release.judging.as_ref();
    let page = Page {
        headline: headline(release, &journal),
        mark: mark(&release.phase),
        facts: facts(release, now),
        outcome: outcome(release, &journal),
        charts: charts::charts(release, &journal, now)?,
        none: judging.is_none().then(|| why_none(release)),
        signals: deciding.map(|(entry, _, look)| tables::signals(entry, look)),
        promises: deciding.map(|(.., look)| tables::promises(look, &method(release))),
        looks: tables::looks(&journal),
        basis: judging.map(|judging| basis(release, judging)).unwrap_or_default(),
        queries: queries(&journal),
        journal: tables::journal(&journal),
        written: stamp(now),
        palette: palette::css(),
        view: ReleaseView::of(release, journal),
    };
    Ok(page.render()?)
}

/// What the judge said, and why: at the promotion or at the end.
fn outcome(release: &Release, journal: &[JournalEntry]) -> Option<(String, Vec<String>)> {
    if let Some(verdict) = promoting(release, journal) {
        return Some((verdict.outcome.to_string(), verdict.texts()));
    }
    let verdict = ReleaseView::of(release, Vec::new()).verdict?;
    Some((verdict.outcome.to_string(), verdict.reasons))
}

/// The verdict that led to the promotion, where evidence did.
fn promoting<'a>(release: &Release, journal: &'a [JournalEntry]) -> Option<&'a Verdict> {
    let is_promoted = matches!(release.phase, Phase::Promoted | Phase::Watching { .. });
    let (_, evidence, _) = tables::deciding(release, journal).filter(|_| is_promoted)?;
    Some(&evidence.verdict)
}

/// What became of the release, in a sentence.
fn headline(release: &Release, journal: &[JournalEntry]) -> String {
    let shown = promoting(release, journal).map(|verdict| verdict.texts().join("; "));
    let newest = release.verdict.as_ref().map(|verdict| format!(". Newest look: {verdict}"));
    match &release.phase {
        Phase::Promoted => {
            let shown = shown.unwrap_or_else(|| "the canary is the new baseline".to_owned());
            format!("Promoted: {shown}")
        }
        Phase::Watching { until, .. } => {
            let shown = shown.map_or_else(String::new, |shown| format!(": {shown}"));
            format!("Promoted, and watched until {}{shown}", stamp(*until))
        }
        Phase::RollingBack { cause, .. } => format!("Rolling back: {cause}"),
        Phase::RolledBack { cause } => format!("Rolled back: {cause}"),
        Phase::Rejected { why } => format!("Rejected before any traffic moved: {why}"),
        Phase::Superseded { by: Some(by) } => format!("Superseded by {by}"),
        Phase::Superseded { by: None } => "Superseded: someone else moved the alias".to_owned(),
        Phase::Stuck { why, .. } => format!("Stuck, a person must look: {why}"),
        Phase::Pending | Phase::Preparing => "Not started: no traffic has moved".to_owned(),
        Phase::Shifting { .. } | Phase::Baking { .. } | Phase::Promoting { .. } => {
            let weight = release.weight();
            format!("In flight, canary at {weight}{}", newest.unwrap_or_default())
        }
    }
}

/// A sign of how it went, beside the words.
fn mark(phase: &Phase) -> &'static str {
    match phase {
        Phase::Promoted | Phase::Watching { .. } => "✓",
        Phase::RollingBack { .. } | Phase::RolledBack { .. } => "↩",
        Phase::Stuck { .. } => "!",
        Phase::Rejected { .. } | Phase::Superseded { .. } => "✕",
        Phase::Pending
        | Phase::Preparing
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Promoting { .. } => "…",
    }
}

fn facts(release: &Release, now: Timestamp) -> Vec<(&'static str, String)> {
    let version = |version: Option<&Version>| {
        version.map_or_else(|| "none yet".to_owned(), |version| format!("version {version}"))
    };
    let ended = match release.ended_at {
        Some(end) => format!("{}, after {}", stamp(end), length(between(release.started_at, end))),
        None => format!("not yet, {} so far", length(between(release.started_at, now))),
    };
    let baseline = release.ledger.as_ref().map(|ledger| &ledger.baseline);
    vec![
        ("Artifact", release.artifact.to_string()),
        ("Baseline", version(baseline)),
        ("Canary", version(release.canary.as_ref())),
        ("Started", format!("{} by {}", stamp(release.started_at), release.cause)),
        ("Ended", ended),
        ("Release", release.id.to_string()),
    ]
}

/// What was asked at the newest look.
fn queries(journal: &[JournalEntry]) -> Vec<String> {
    let evidence = journal.iter().rev().filter_map(|entry| entry.evidence.as_ref());
    let asked = evidence.map(|evidence| &evidence.queries).find(|queries| !queries.is_empty());
    asked.cloned().unwrap_or_default()
}
