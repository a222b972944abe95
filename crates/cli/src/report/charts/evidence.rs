//! The evidence against the canary and for it, against what a rollback and a promotion take.

use perch_core::judge::sequential::{Look, Method, Signal};

use super::Chart;
use crate::render::text::{cut, odds};
use crate::report::chart::{Axes, Layer, Mark, drawing, ticks};
use crate::report::palette::Role;
use crate::report::series::{Points, Series};

/// Evidence is shown from a hundredth to ten million to one.
const LOW: f64 = -2.0;
const HIGH: f64 = 7.0;

/// The least distance of two texts, as a part of the axis.
const APART: f64 = 0.062;

/// One line with its name.
struct Named {
    points: Points,
    role: Role,
    width: u32,
    mark: Option<Mark>,
    name: String,
}

/// The evidence of each signal and of all whose gates are open.
pub(super) fn against(series: &Series<'_>, method: &Method) -> anyhow::Result<Chart> {
    let mut lines = Vec::new();
    for (place, signal) in names(series).into_iter().enumerate() {
        let of = |look: &Look| look.signals.iter().find(|s| s.signal == signal).map(|s| s.evidence);
        lines.push(line(series.each_look(of), Role::Signal(place), &signal.to_string()));
    }
    let combined = line(series.each_look(|look| look.gated), Role::Combined, "combined");
    lines.push(Named { width: 3, mark: Some(Mark::Circle), ..combined });
    let kept = line(series.each_look(|look| look.corroborated), Role::Kept, "kept");
    lines.push(Named { width: 3, mark: Some(Mark::Triangle), ..kept });
    let (back, corroborated) = (-method.alpha_looks.ln(), method.corroboration.ln());
    let limits = [(back, odds(back)), (corroborated, odds(corroborated))];
    let caption = format!(
        "A rollback takes {} to one of the combined evidence and {} to one of what is kept. Beyond the \
         axis a line runs along its edge. Log scale.",
        limits[0].1, limits[1].1
    );
    let about = "Evidence of each signal and combined that the canary is worse, as N to one over time, \
                 with the limits of a rollback";
    Ok(Chart {
        title: "Evidence against the canary, N to one".to_owned(),
        svg: plot(series, &lines, &limits, about)?,
        keys: vec![
            ("●", "combined: signals whose gate is open".to_owned()),
            ("▲", "kept: the same without the dropped blocks".to_owned()),
            ("╌", "limits".to_owned()),
        ],
        caption,
        list: Vec::new(),
    })
}

/// The evidence that the canary is as promised.
pub(super) fn promised(series: &Series<'_>, method: &Method) -> anyhow::Result<Chart> {
    let mut lines = Vec::new();
    for (place, signal) in names(series).into_iter().enumerate() {
        let of = |look: &Look| {
            let test = look.promises.iter().find(|test| test.signal == signal && test.required)?;
            Some(test.evidence)
        };
        let points = series.each_look(of);
        if points.iter().any(|(_, value)| value.is_some()) {
            lines.push(line(points, Role::Signal(place), &signal.to_string()));
        }
    }
    let needed = -method.beta_looks.ln();
    let about = "Evidence of each required test that the canary is as promised, as N to one over \
                 time, with the limit of a promotion";
    Ok(Chart {
        title: "Evidence for the promise, N to one".to_owned(),
        svg: plot(series, &lines, &[(needed, odds(needed))], about)?,
        keys: vec![("╌", "limit".to_owned())],
        caption: format!(
            "That the canary is as promised. A promotion before the last look takes {} to one of every \
             test shown here. Beyond the axis \
             a line runs along its edge. Log scale.",
            odds(needed)
        ),
        list: Vec::new(),
    })
}

/// The signals of the looks, in their order.
fn names(series: &Series<'_>) -> Vec<Signal> {
    let newest = series.looks.last().map(|(_, look)| &look.signals);
    newest.into_iter().flatten().map(|signal| signal.signal.clone()).collect()
}

/// A line of powers of ten from natural logarithms.
fn line(points: Points, role: Role, name: &str) -> Named {
    let ten = |ln: f64| (ln / std::f64::consts::LN_10).clamp(LOW, HIGH);
    let points = points.into_iter().map(|(x, y)| (x, y.map(ten))).collect();
    Named { points, role, width: 2, mark: None, name: name.to_owned() }
}

fn plot(
    series: &Series<'_>,
    lines: &[Named],
    limits: &[(f64, String)],
    about: &str,
) -> anyhow::Result<String> {
    let highest = lines.iter().flat_map(|line| &line.points).filter_map(|(_, y)| *y);
    let top = highest.fold(2.7, f64::max).min(HIGH);
    let x = (0.0, series.last().max(1.0));
    let axes = Axes {
        x,
        x_ticks: ticks(x.0, x.1, 4),
        y: (LOW, top),
        y_ticks: [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
            .into_iter()
            .filter(|t| *t <= top)
            .collect(),
        y_text: power,
        right: 74,
        caption: None,
    };
    let mut layers = Vec::new();
    for (ln, text) in limits {
        let at = ln / std::f64::consts::LN_10;
        let points = vec![(x.0, Some(at)), (x.1, Some(at))];
        layers.push(Layer::Line { points, role: Role::Limit, width: 2, mark: None });
        layers.push(Layer::Number {
            at: (x.0 + 0.06 * (x.1 - x.0), at + 0.035 * (top - LOW)),
            text: text.clone(),
            role: Role::Limit,
        });
    }
    layers.extend(lines.iter().map(|line| Layer::Line {
        points: line.points.clone(),
        role: line.role,
        width: line.width,
        mark: line.mark,
    }));
    layers.extend(labels(lines, x.1, (LOW, top)));
    drawing(&axes, &layers, about)
}

/// The lines' names at their ends, moved apart where they would cover each other.
fn labels(lines: &[Named], x: f64, (low, high): (f64, f64)) -> Vec<Layer> {
    let end = |line: &Named| line.points.iter().rev().find_map(|(_, y)| *y);
    let mut ends: Vec<(f64, &Named)> =
        lines.iter().filter_map(|line| Some((end(line)?, line))).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let apart = APART * (high - low);
    let mut floor = f64::NEG_INFINITY;
    for (y, _) in &mut ends {
        *y = y.max(floor);
        floor = *y + apart;
    }
    let mut ceiling = high;
    for (y, _) in ends.iter_mut().rev() {
        *y = y.min(ceiling);
        ceiling = *y - apart;
    }
    ends.into_iter()
        .map(|(y, line)| Layer::Text { at: (x, y), text: cut(&line.name, 12), role: line.role })
        .collect()
}

/// A power of ten as people read it.
fn power(log: f64) -> String {
    match log {
        log if log < 0.0 => format!("1/{:.0}", 10_f64.powf(-log)),
        log if log < 4.0 => format!("{:.0}", 10_f64.powf(log)),
        log => format!("10^{log:.0}"),
    }
}
