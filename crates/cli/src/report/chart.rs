//! A drawing of lines over time: axes, lines, bands, limits and texts. What they mean is the charts' matter.
//!
//! Drawn at three times its size on a phone, because the backend rounds to whole points; the page scales it.

mod plot;

use plotters::prelude::{IntoDrawingArea as _, SVGBackend};

use super::palette::Role;

/// Points of a drawing for each point of a 360-point page.
const SCALE: u32 = 3;

/// The size of a drawing.
pub(crate) const SIZE: (u32, u32) = (360 * SCALE, 270 * SCALE);

/// The axes of a drawing.
#[derive(Debug, Clone)]
pub(crate) struct Axes {
    /// The least and the greatest of minutes, and the marks on the axis.
    pub(crate) x: (f64, f64),
    pub(crate) x_ticks: Vec<f64>,
    /// The same of the other axis.
    pub(crate) y: (f64, f64),
    pub(crate) y_ticks: Vec<f64>,
    /// How a mark of the other axis reads.
    pub(crate) y_text: fn(f64) -> String,
    /// Room for texts on the right, in points of a phone.
    pub(crate) right: u32,
    /// What a part of a drawing shows.
    pub(crate) caption: Option<String>,
}

/// The mark of a point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    Circle,
    Triangle,
}

/// What is drawn, in this order.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    /// A line; it is broken where there is no value.
    Line { points: Vec<(f64, Option<f64>)>, role: Role, width: u32, mark: Option<Mark> },
    /// The area between two lines: time, low, high.
    Band { points: Vec<(f64, f64, f64)>, role: Role },
    /// A text to the right of a point.
    Text { at: (f64, f64), text: String, role: Role },
    /// A number above a point.
    Number { at: (f64, f64), text: String, role: Role },
}

/// A drawing of one part.
pub(crate) fn drawing(axes: &Axes, layers: &[Layer], about: &str) -> anyhow::Result<String> {
    drawings(&[(axes.clone(), layers.to_vec())], 1, about)
}

/// A drawing of parts in rows of `columns`.
pub(crate) fn drawings(
    parts: &[(Axes, Vec<Layer>)],
    columns: usize,
    about: &str,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let areas = root.split_evenly((parts.len().div_ceil(columns), columns));
        for (area, (axes, layers)) in areas.iter().zip(parts) {
            plot::draw(area, axes, layers)
                .map_err(|error| anyhow::anyhow!("can't draw: {error}"))?;
        }
        root.present().map_err(|error| anyhow::anyhow!("can't draw: {error}"))?;
    }
    Ok(described(&svg, about))
}

/// Says what the drawing shows to those who don't see it. Inside a page the namespace is known.
fn described(svg: &str, about: &str) -> String {
    let about = about.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let (width, height) = SIZE;
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{about}\">\
         <title>{about}</title>{body}"
    )
}

/// A number without needless digits.
pub(crate) fn short(number: f64) -> String {
    let text = format!("{number:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Round numbers from `low` to `high`, about `count` of them.
pub(crate) fn ticks(low: f64, high: f64, count: u32) -> Vec<f64> {
    let raw = (high - low) / f64::from(count.max(1));
    if !raw.is_finite() || raw <= 0.0 {
        return vec![low];
    }
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    let step = step.into_iter().find(|step| *step >= 0.999 * raw).unwrap_or(10.0 * power);
    let first = (low / step).ceil();
    (0..=count * 2)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|tick| *tick <= high + 1e-9 * step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 15.0, 5), [0.0, 5.0, 10.0, 15.0]);
        assert_eq!(ticks(0.3, 7.1, 4), [2.0, 4.0, 6.0]);
        assert_eq!(ticks(2.0, 2.0, 4), [2.0]);
        let shares = ticks(0.0, 0.9, 3);
        assert_eq!(shares.iter().map(|tick| short(*tick)).collect::<Vec<_>>(), ["0", "0.5"]);
    }
}
