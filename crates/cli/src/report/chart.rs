//! A drawing of lines over time: axes, lines, bands, limits and texts. What they mean is the charts' matter.
//!
//! Drawn at three times its size on a phone, because the backend rounds to whole points; the page scales it.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::Role;

/// Points of a drawing for each point of a 360-point page.
const SCALE: u32 = 3;

/// The size of texts: 11 points on a phone.
const TEXT: u32 = 11 * SCALE;

/// The size of a drawing.
pub(crate) const SIZE: (u32, u32) = (360 * SCALE, 270 * SCALE);

/// Lines of more points than this have no marks.
const MARKED: usize = 40;

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

/// A linear axis with marks at given places.
#[derive(Clone)]
struct Axis {
    ends: (f64, f64),
    ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        plotters::coord::types::RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light lines between the marks would say nothing.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.ends.0..self.ends.1
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

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
            draw(area, axes, layers).map_err(|error| anyhow::anyhow!("can't draw: {error}"))?;
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

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

type Drawn<'a, T> = Result<T, Failed<'a>>;

type Plot<'c, 'a> = ChartContext<'c, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

fn draw<'a>(area: &Area<'a>, axes: &Axes, layers: &[Layer]) -> Drawn<'a, ()> {
    let mut plot = framed(area, axes)?;
    let (low, high) = axes.y;
    let inside = |y: f64| y.clamp(low, high);
    for layer in layers {
        match layer {
            Layer::Line { points, role, width, mark } => {
                let style = role.colour().stroke_width(width * SCALE);
                for part in points.split(|(_, value)| value.is_none()) {
                    let part = part.iter().filter_map(|(x, y)| Some((*x, inside((*y)?))));
                    plot.draw_series(LineSeries::new(part, style))?;
                }
                let at = points.iter().filter_map(|(x, y)| Some((*x, inside((*y)?))));
                if points.len() <= MARKED {
                    marks(&mut plot, at, *mark, role.colour())?;
                }
            }
            Layer::Band { points, role } => {
                let above = points.iter().map(|(x, _, high)| (*x, inside(*high)));
                let below = points.iter().rev().map(|(x, low, _)| (*x, inside(*low)));
                let outline: Vec<_> = above.chain(below).collect();
                let fill = role.colour().mix(0.18).filled();
                plot.draw_series(std::iter::once(Polygon::new(outline, fill)))?;
            }
            Layer::Text { at, text, role } => {
                let at = (at.0, inside(at.1));
                words(&mut plot, at, text, *role, HPos::Left)?;
            }
            Layer::Number { at, text, role } => words(&mut plot, *at, text, *role, HPos::Center)?,
        }
    }
    Ok(())
}

/// The axes with their marks and texts.
fn framed<'a: 'c, 'c>(area: &'c Area<'a>, axes: &Axes) -> Drawn<'a, Plot<'c, 'a>> {
    let text = ("sans-serif", TEXT).into_font().color(&Role::Ink.colour());
    let line = Role::Grid.colour().stroke_width(SCALE);
    let is_part = axes.caption.is_some();
    let mut builder = ChartBuilder::on(area);
    builder
        .margin_top(12 * SCALE)
        .margin_right(axes.right * SCALE)
        .x_label_area_size(if is_part { 20 } else { 34 } * SCALE)
        .y_label_area_size(44 * SCALE);
    if let Some(caption) = &axes.caption {
        builder.caption(caption, text.clone());
    }
    let axis = |ends, ticks: &[f64]| Axis { ends, ticks: ticks.to_vec() };
    let (x, y) = (axis(axes.x, &axes.x_ticks), axis(axes.y, &axes.y_ticks));
    let mut plot = builder.build_cartesian_2d(x, y)?;
    let minutes = |minutes: &f64| short(*minutes);
    let value = |value: &f64| (axes.y_text)(*value);
    let mut mesh = plot.configure_mesh();
    mesh.disable_x_mesh()
        .axis_style(line)
        .bold_line_style(line)
        .light_line_style(TRANSPARENT)
        .label_style(text.clone())
        .x_label_formatter(&minutes)
        .y_label_formatter(&value);
    if !is_part {
        mesh.x_desc("minutes since the first traffic").axis_desc_style(text);
    }
    mesh.draw()?;
    drop(mesh);
    Ok(plot)
}

fn marks<'a>(
    plot: &mut Plot<'_, 'a>,
    at: impl Iterator<Item = (f64, f64)>,
    mark: Option<Mark>,
    colour: RGBColor,
) -> Drawn<'a, ()> {
    let fill = colour.filled();
    match mark {
        Some(Mark::Circle) => {
            plot.draw_series(at.map(|at| Circle::new(at, 3 * SCALE, fill)))?;
        }
        Some(Mark::Triangle) => {
            plot.draw_series(at.map(|at| TriangleMarker::new(at, 4 * SCALE, fill)))?;
        }
        None => {}
    }
    Ok(())
}

fn words<'a>(
    plot: &mut Plot<'_, 'a>,
    at: (f64, f64),
    text: &str,
    role: Role,
    side: HPos,
) -> Drawn<'a, ()> {
    let style = ("sans-serif", TEXT).into_font().color(&role.colour());
    let style = style.pos(Pos::new(side, VPos::Center));
    let gap = if matches!(side, HPos::Left) { 4 * SCALE.cast_signed() } else { 0 };
    let text = EmptyElement::at(at) + Text::new(text.to_owned(), (gap, 0), style);
    plot.draw_series(std::iter::once(text))?;
    Ok(())
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
