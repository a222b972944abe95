//! The charts of a release, each with a title, a drawing and a caption that says how to read it.

mod evidence;
mod rates;
mod ratio;
mod weight;

use jiff::Timestamp;
use perch_core::journal::JournalEntry;
use perch_core::release::Release;

use super::series::Series;
use crate::render::basis::method;

/// One chart.
pub(crate) struct Chart {
    /// What it shows, with the unit.
    pub(crate) title: String,
    /// The drawing.
    pub(crate) svg: String,
    /// The lines: the mark, and what it stands for.
    pub(crate) keys: Vec<(&'static str, String)>,
    /// How to read it.
    pub(crate) caption: String,
    /// What its numbers stand for, in their order.
    pub(crate) list: Vec<String>,
}

/// Both arms, as each chart marks them.
fn arms() -> Vec<(&'static str, String)> {
    vec![("●", "canary, solid".to_owned()), ("▲", "baseline, dashed".to_owned())]
}

/// The charts of a release, as far as there is something to show.
pub(crate) fn charts(
    release: &Release,
    journal: &[JournalEntry],
    now: Timestamp,
) -> anyhow::Result<Vec<Chart>> {
    let mut charts = Vec::new();
    if let Some(series) = Series::of(release, journal) {
        let method = method(release);
        charts.push(rates::errors(&series)?);
        charts.push(ratio::ratio(&series, &method)?);
        if !series.looks.is_empty() {
            charts.push(evidence::against(&series, &method)?);
            charts.push(evidence::promised(&series, &method)?);
        }
        charts.extend(rates::slow(&series, &method)?);
        charts.extend(rates::custom(&series)?);
    }
    charts.push(weight::weight(release, journal, now)?);
    Ok(charts)
}
