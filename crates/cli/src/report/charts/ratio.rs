//! The canary's error rate over the baseline's, with its confidence sequence.

use perch_core::judge::sequential::Method;

use super::Chart;
use crate::report::chart::{Axes, Layer, Mark, drawing, short, ticks};
use crate::report::palette::Role;
use crate::report::series::{Ratio, Series};

/// The axis shows ratios from a hundredth to a thousand, and less of that where nothing is there.
const WIDEST: (f64, f64) = (-2.0, 3.0);

/// The ratio so far at each bucket.
pub(super) fn ratio(series: &Series<'_>, method: &Method) -> anyhow::Result<Chart> {
    let ratios = series.ratios(method);
    let y = range(&ratios);
    let band = ratios.iter().map(|ratio| {
        let end = |end: Option<f64>, open: f64| end.map_or(open, f64::log10);
        (ratio.minute, end(ratio.interval.low, y.0), end(ratio.interval.high, y.1))
    });
    let x = (0.0, series.last().max(1.0));
    let axes = Axes {
        x,
        x_ticks: ticks(x.0, x.1, 5),
        y,
        y_ticks: [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
            .into_iter()
            .filter(|t| *t >= y.0 && *t <= y.1)
            .collect(),
        y_text: |log| format!("{}×", short(10_f64.powf(log))),
        right: 12,
        caption: None,
    };
    let estimates = ratios.iter().map(|ratio| {
        let estimate = ratio.estimate.map(|estimate| estimate.max(1e-9).log10());
        (ratio.minute, estimate)
    });
    let layers = vec![
        Layer::Band { points: band.collect(), role: Role::Canary },
        Layer::Line {
            points: vec![(x.0, Some(0.0)), (x.1, Some(0.0))],
            role: Role::Baseline,
            width: 2,
            mark: None,
        },
        Layer::Line {
            points: estimates.collect(),
            role: Role::Canary,
            width: 2,
            mark: Some(Mark::Circle),
        },
    ];
    let about = "The canary's error rate over the baseline's so far, with its 95 % confidence \
                 sequence, over time";
    Ok(Chart {
        title: "Error ratio, canary to baseline".to_owned(),
        svg: drawing(&axes, &layers, about)?,
        keys: vec![
            ("●", "ratio, solid".to_owned()),
            ("▒", "95% confidence sequence".to_owned()),
            ("╌", "1×: the same".to_owned()),
        ],
        caption: newest(&ratios),
        list: Vec::new(),
    })
}

fn range(ratios: &[Ratio]) -> (f64, f64) {
    let ends = ratios.iter().flat_map(|r| [r.estimate, r.interval.low, r.interval.high]);
    let logs: Vec<f64> = ends.flatten().filter(|x| *x > 0.0).map(f64::log10).collect();
    let low = logs.iter().copied().fold(-0.5, f64::min);
    let high = logs.iter().copied().fold(1.0, f64::max);
    ((low - 0.1).max(WIDEST.0), (high + 0.1).min(WIDEST.1))
}

/// The newest interval in words.
fn newest(ratios: &[Ratio]) -> String {
    let Some(ratio) = ratios.last() else { return String::new() };
    let estimate = ratio.estimate.map_or_else(
        || "no estimate, because the baseline has no errors".to_owned(),
        |estimate| format!("{estimate:.2}×"),
    );
    let interval = match (ratio.interval.low, ratio.interval.high) {
        (Some(low), Some(high)) => format!("from {low:.2}× to {high:.2}×"),
        (Some(low), None) => format!("at least {low:.2}×"),
        (None, Some(high)) => format!("at most {high:.2}×"),
        (None, None) => "open on both sides".to_owned(),
    };
    format!(
        "Of all buckets so far. At the end: {estimate}; with 95% confidence {interval}, at every look at \
         once. An open end is drawn to the edge. The dispersion of each bucket counts. Log scale."
    )
}
