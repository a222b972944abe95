//! Rates of both arms by bucket: errors, slow requests, custom signals.

use perch_core::judge::sequential::{Method, QUANTILES};

use super::{Chart, arms};
use crate::report::chart::{Axes, Layer, Mark, drawing, drawings, short, ticks};
use crate::report::palette::Role;
use crate::report::series::{Points, Series};

/// Failed requests.
pub(super) fn errors(series: &Series<'_>) -> anyhow::Result<Chart> {
    let (axes, layers) = part(series, series.errors(), None);
    Ok(Chart {
        title: "Failed requests, percent".to_owned(),
        svg: drawing(&axes, &layers, "Error rates of canary and baseline over time, in percent")?,
        keys: arms(),
        caption: format!("Each point is of {} s.", series.point_seconds()),
        list: Vec::new(),
    })
}

/// Requests above the thresholds that were fixed from the history.
pub(super) fn slow(series: &Series<'_>, method: &Method) -> anyhow::Result<Option<Chart>> {
    let thresholds = &series.judging.basis.thresholds_ms;
    if thresholds.is_empty() {
        return Ok(None);
    }
    let parts: Vec<_> = QUANTILES
        .iter()
        .zip(thresholds)
        .enumerate()
        .map(|(place, (quantile, limit))| {
            let name = format!("p{:.0}: over {limit:.0} ms", 100.0 * quantile);
            part(series, series.slow(method, place), Some(name))
        })
        .collect();
    let about = "Shares of requests of canary and baseline that are slower than the baseline's p90, \
                 p95, p98 and p99 of before, in percent over minutes";
    let warm_up = series.judging.basis.latency_warm_up;
    let mut caption = format!(
        "Thresholds are the baseline's latencies of before the start. Each point is of {} s; below, \
         minutes since the first traffic.",
        series.point_seconds()
    );
    if method.slow_from > 0 {
        caption += " The canary is counted from 1.2 times the threshold on, as the preset allows.";
    }
    if warm_up > 0 {
        caption += &format!(" The first {warm_up} blocks are not judged.");
    }
    Ok(Some(Chart {
        title: "Slow requests, percent".to_owned(),
        svg: drawings(&parts, 2, about)?,
        keys: arms(),
        caption,
        list: Vec::new(),
    }))
}

/// One chart for each custom signal.
pub(super) fn custom(series: &Series<'_>) -> anyhow::Result<Vec<Chart>> {
    let priors = series.judging.basis.custom.iter().enumerate();
    priors
        .map(|(place, prior)| {
            let (axes, layers) = part(series, series.custom(place), None);
            let about = format!("Shares of {} of canary and baseline over time", prior.name);
            Ok(Chart {
                title: format!("Signal “{}”, percent", prior.name),
                svg: drawing(&axes, &layers, &about)?,
                keys: arms(),
                caption: format!(
                    "Counted by the service itself. Each point is of {} s.",
                    series.point_seconds()
                ),
                list: Vec::new(),
            })
        })
        .collect()
}

/// Axes and lines of two arms; smaller with a caption.
fn part(
    series: &Series<'_>,
    [canary, baseline]: [Points; 2],
    caption: Option<String>,
) -> (Axes, Vec<Layer>) {
    let highest = canary.iter().chain(&baseline).filter_map(|(_, y)| *y).fold(0.0, f64::max);
    let top = if highest > 0.0 { (highest * 1.1).min(100.0) } else { 1.0 };
    let (columns, rows) = if caption.is_some() { (3, 3) } else { (5, 4) };
    let x = (0.0, series.last().max(1.0));
    let axes = Axes {
        x,
        x_ticks: ticks(x.0, x.1, columns),
        y: (0.0, top),
        y_ticks: ticks(0.0, top, rows),
        y_text: |value| format!("{}%", short(value)),
        right: 12,
        caption,
    };
    let line = |points, role, mark| Layer::Line { points, role, width: 2, mark: Some(mark) };
    let layers = vec![
        line(baseline, Role::Baseline, Mark::Triangle),
        line(canary, Role::Canary, Mark::Circle),
    ];
    (axes, layers)
}
