//! The plots: one line per row, one mark per rule.

use std::path::Path;

use perch_lab::bench::{Measured as OfRule, RowResult};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::buckets::Compared;
use crate::measure::Measured;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// What is drawn of a row: its label, and a value per series.
struct Line {
    label: String,
    values: Vec<Option<f64>>,
}

/// Draws every plot into a folder.
pub(crate) fn draw(folder: &Path, sets: &[Measured], fine: &[Compared]) -> Result {
    let rules = ["kayenta", "published", "normal"];
    let rows = || sets.iter().flat_map(|measured| &measured.rows);
    let usual = |row: &&RowResult| row.requests_per_second == 100.0 && row.base_error_rate == 0.001;
    let false_alarms = rows().filter(usual).filter(|row| !row.bad && row.weight == 0.1);
    let false_alarms: Vec<Line> =
        false_alarms.map(|row| line(row, &rules, |m| Some(m.rolled_back.min(20.0)))).collect();
    let detected = rows().filter(usual).filter(|row| row.bad && row.weight == 0.1);
    let detected: Vec<Line> = detected
        .map(|row| {
            // A median over the few that were seen says little.
            line(row, &rules, |m| m.rollback_minute.filter(|_| m.rolled_back >= 50.0))
        })
        .collect();
    let healthy = rows().filter(|row| row.scenario == "healthy");
    let promoted: Vec<Line> = healthy
        .map(|row| Line { label: volume(row), ..line(row, &rules[1..], |m| Some(m.promoted)) })
        .collect();
    let buckets: Vec<Line> = fine
        .iter()
        .filter(|row| row.bad)
        .map(|row| Line {
            label: format!("{}, {} req/s", row.scenario, row.rps),
            values: vec![row.by_minute.1, row.by_ten_seconds.1],
        })
        .collect();
    let at = |name: &str| folder.join(name);
    let title = "Good canaries rolled back, 100 req/s (%; 20 stands for 20 and more)";
    plot(&at("false-alarms.svg"), title, &rules, &false_alarms)?;
    plot(&at("detection.svg"), "Median minute of the rollback, 100 req/s", &rules, &detected)?;
    plot(&at("promoted.svg"), "Healthy canaries promoted (%)", &rules[1..], &promoted)?;
    plot(&at("buckets.svg"), "Median minute of the rollback", &["60 s", "10 s"], &buckets)
}

fn line(row: &RowResult, rules: &[&str], value: impl Fn(&OfRule) -> Option<f64>) -> Line {
    let of = |rule: &&str| row.rules.iter().find(|m| m.rule == **rule).and_then(&value);
    Line { label: row.scenario.clone(), values: rules.iter().map(of).collect() }
}

fn volume(row: &RowResult) -> String {
    let RowResult { requests_per_second, base_error_rate, weight, .. } = row;
    format!("{requests_per_second} req/s, {}% errors, {}%", 100.0 * base_error_rate, 100.0 * weight)
}

/// Labels at the left, values from left to right; each series has its own shape and colour.
fn plot(path: &Path, title: &str, series: &[&str], lines: &[Line]) -> Result {
    let height = 100 + 20 * lines.len() as u32;
    let root = SVGBackend::new(path, (760, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let label = ("sans-serif", 13).into_font().color(&BLACK);
    for (which, name) in series.iter().enumerate() {
        let x = 215 + 130 * which as i32;
        mark(&root, which, (x, 42))?;
        root.draw(&Text::new((*name).to_owned(), (x + 12, 36), label.clone()))?;
    }
    let values = lines.iter().flat_map(|line| line.values.iter().flatten());
    let most = values.copied().fold(1.0, f64::max) * 1.05;
    let rows = lines.len() as f64;
    let chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 17))
        .margin(10)
        .margin_top(6)
        .x_label_area_size(28)
        .y_label_area_size(200)
        .build_cartesian_2d(0.0..most, -0.5..rows + 1.2);
    let mut chart = chart?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", 12))
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        let y = rows - index as f64 - 0.5;
        let at = |x: f64| chart.backend_coord(&(x, y));
        let (left, middle) = at(0.0);
        root.draw(&Text::new(line.label.clone(), (left - 195, middle - 5), label.clone()))?;
        root.draw(&PathElement::new(vec![at(0.0), at(most)], BLACK.mix(0.12)))?;
        for (which, value) in line.values.iter().enumerate() {
            if let Some(value) = value {
                mark(&root, which, at(*value))?;
            }
        }
    }
    root.present()?;
    Ok(())
}

/// The mark of a series: shapes that can be told apart without their colours, and on top of each other.
fn mark(root: &DrawingArea<SVGBackend<'_>, Shift>, which: usize, at: (i32, i32)) -> Result {
    match which {
        0 => root.draw(&TriangleMarker::new(at, 7, RGBColor(170, 170, 170).filled()))?,
        1 => root.draw(&Cross::new(at, 4, RGBColor(190, 80, 0).stroke_width(2)))?,
        _ => root.draw(&Circle::new(at, 6, RGBColor(0, 80, 170).stroke_width(2)))?,
    }
    Ok(())
}
