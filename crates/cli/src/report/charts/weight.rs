//! The canary's weight over time, with the decisions as numbers.

use jiff::Timestamp;
use perch_core::journal::{JournalEntry, What};
use perch_core::release::Release;
use perch_core::weight::Weight;

use super::Chart;
use crate::render::text::clock;
use crate::report::chart::{Axes, Layer, Mark, drawing, ticks};
use crate::report::palette::Role;
use crate::report::series::{first_traffic, minutes, weights};

/// More decisions than this are not numbered, but for those that are no shift.
const MOST: usize = 24;

/// Rows of numbers above the line.
const ROWS: usize = 4;

/// The weight from the start to the end, or until now.
pub(super) fn weight(
    release: &Release,
    journal: &[JournalEntry],
    now: Timestamp,
) -> anyhow::Result<Chart> {
    let zero = first_traffic(release, journal);
    let end = release.ended_at.unwrap_or(now);
    let last = journal.last().map_or(end, |entry| entry.at.max(end));
    let x = (minutes(zero, release.started_at), minutes(zero, last).max(1.0));
    let steps = weights(release, journal);
    let decisions = decisions(journal);
    let axes = Axes {
        x,
        x_ticks: ticks(x.0.max(0.0), x.1, 5),
        y: (0.0, 145.0),
        y_ticks: vec![0.0, 25.0, 50.0, 75.0, 100.0],
        y_text: |value| format!("{value:.0}%"),
        right: 12,
        caption: None,
    };
    let mut layers = marks(&decisions, &steps, zero, x);
    layers.push(Layer::Line {
        points: stairs(&steps, x.1),
        role: Role::Canary,
        width: 3,
        mark: None,
    });
    let about = "The canary's weight over time in percent of traffic, with numbered decisions";
    let list = decisions
        .iter()
        .map(|entry| format!("{} {:?}: {}", clock(entry.at), entry.what, entry.cause));
    Ok(Chart {
        title: "Weight of the canary, percent of traffic".to_owned(),
        svg: drawing(&axes, &layers, about)?,
        keys: vec![("━", "weight as read back".to_owned()), ("1 2 …", "decisions".to_owned())],
        caption: String::new(),
        list: list.collect(),
    })
}

/// The entries that people ask for when they look back.
fn decisions(journal: &[JournalEntry]) -> Vec<&JournalEntry> {
    let matters = |entry: &&JournalEntry| match entry.what {
        What::WeightShifted
        | What::DeploymentStopped
        | What::ReplicasReloaded
        | What::ReplicasLeftOut
        | What::CacheSwitched
        | What::CacheNotSwitched
        | What::OrderGiven
        | What::PromotionDecided
        | What::CanaryPromoted
        | What::ReleasePromoted
        | What::RollbackDecided
        | What::ReleaseRolledBack
        | What::ReleaseRejected
        | What::ReleaseSuperseded
        | What::TrafficTakenOver
        | What::ReleaseStuck
        | What::ReleaseRevived => true,
        What::ReleasePlanned
        | What::LedgerTaken
        | What::DeploymentStarted
        | What::CodeSet
        | What::ModelChecked
        | What::CanaryPublished
        | What::SmokeTested
        | What::BakeJudged => false,
    };
    let found: Vec<_> = journal.iter().filter(matters).collect();
    if found.len() <= MOST {
        return found;
    }
    found.into_iter().filter(|entry| entry.what != What::WeightShifted).collect()
}

/// A line that keeps its height until the next weight.
fn stairs(steps: &[(f64, Weight)], end: f64) -> Vec<(f64, Option<f64>)> {
    let ends = steps.iter().skip(1).map(|(minute, _)| *minute).chain([end]);
    let level = |((from, weight), to): (&(f64, Weight), f64)| {
        let height = Some(f64::from(weight.percent()));
        [(*from, height), (to, height)]
    };
    steps.iter().zip(ends).flat_map(level).collect()
}

/// A number above each decision, in another row where the one before is near.
fn marks(
    decisions: &[&JournalEntry],
    steps: &[(f64, Weight)],
    zero: Timestamp,
    x: (f64, f64),
) -> Vec<Layer> {
    let near = 0.06 * (x.1 - x.0);
    let mut rows = [f64::NEG_INFINITY; ROWS];
    let mut layers = Vec::new();
    for (index, entry) in decisions.iter().enumerate() {
        let minute = minutes(zero, entry.at);
        let free = rows.iter().position(|last| minute - last >= near).unwrap_or(index % ROWS);
        rows[free] = minute;
        let before = steps.iter().rev().find(|(from, _)| *from <= minute);
        let weight = before.map_or(0.0, |(_, weight)| f64::from(weight.percent()));
        #[allow(clippy::cast_precision_loss, reason = "there are four rows")]
        let height = 108.0 + 10.0 * free as f64;
        layers.push(Layer::Line {
            points: vec![(minute, Some(103.0)), (minute, Some(weight))],
            role: Role::Grid,
            width: 1,
            mark: None,
        });
        layers.push(Layer::Line {
            points: vec![(minute, Some(weight))],
            role: Role::Canary,
            width: 1,
            mark: Some(Mark::Circle),
        });
        let text = (index + 1).to_string();
        layers.push(Layer::Number { at: (minute, height), text, role: Role::Ink });
    }
    layers
}
