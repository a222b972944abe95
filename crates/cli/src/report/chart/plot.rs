//! Axes and layers as plotters draws them.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Axes, Layer, Mark, SCALE, short};
use crate::report::palette::Role;

/// The size of texts: 11 points on a phone.
const TEXT: u32 = 11 * SCALE;

/// Lines of more points than this have no marks.
const MARKED: usize = 40;

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
        RangedCoordf64::from(self.range()).map(value, limit)
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

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

type Drawn<'a, T> = Result<T, Failed<'a>>;

type Plot<'c, 'a> = ChartContext<'c, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// Draws the axes, then the layers in their order.
pub(super) fn draw<'a>(area: &Area<'a>, axes: &Axes, layers: &[Layer]) -> Drawn<'a, ()> {
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
