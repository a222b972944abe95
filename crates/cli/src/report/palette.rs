//! What a line stands for, and how it looks: colour by day and by night, and dashes, so that colour never
//! says anything alone. The drawings have the colours of the day; the style sheet changes them.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// What a line, a text or an area stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Ink,
    Grid,
    Canary,
    Baseline,
    Limit,
    Combined,
    Kept,
    /// Signals by their place: errors, error limit, four quantiles, custom ones.
    Signal(usize),
}

/// Day, night, and dashes in thousandths of a drawing's width.
type Style = ([u8; 3], [u8; 3], &'static str);

const SIGNALS: [Style; 7] = [
    ([0xB4, 0x3C, 0x0A], [0xFF, 0xA6, 0x57], ""),
    ([0x85, 0x56, 0x0D], [0xE3, 0xB3, 0x41], "4 8"),
    ([0x0B, 0x73, 0x80], [0x56, 0xD4, 0xDD], ""),
    ([0x06, 0x60, 0xA8], [0x6C, 0xB6, 0xFF], "16 8"),
    ([0x2A, 0x4B, 0xD6], [0x96, 0xA8, 0xFF], "8 8"),
    ([0x5A, 0x32, 0xC8], [0xC2, 0x97, 0xFF], "4 6"),
    ([0x1A, 0x73, 0x31], [0x57, 0xD3, 0x64], "16 6 4 6"),
];

impl Role {
    fn style(self) -> Style {
        match self {
            Role::Ink => ([0x1F, 0x23, 0x28], [0xE6, 0xED, 0xF3], ""),
            Role::Grid => ([0xD5, 0xDB, 0xE1], [0x3A, 0x42, 0x4C], ""),
            Role::Canary => ([0x0A, 0x5F, 0xC2], [0x58, 0xA6, 0xFF], ""),
            Role::Baseline => ([0x6B, 0x5E, 0x10], [0xD8, 0xC8, 0x6A], "16 10"),
            Role::Limit => ([0xB3, 0x1D, 0x28], [0xFF, 0x7B, 0x72], "22 12"),
            Role::Combined => ([0x12, 0x16, 0x1A], [0xFF, 0xFF, 0xFE], ""),
            Role::Kept => ([0x57, 0x60, 0x6A], [0x9E, 0xA7, 0xB3], "14 8"),
            Role::Signal(place) => SIGNALS[place.min(SIGNALS.len() - 1)],
        }
    }

    /// The colour of the day, by which the style sheet knows the role.
    pub(crate) fn colour(self) -> RGBColor {
        let [red, green, blue] = self.style().0;
        RGBColor(red, green, blue)
    }
}

const ALL: [Role; 14] = [
    Role::Ink,
    Role::Grid,
    Role::Canary,
    Role::Baseline,
    Role::Limit,
    Role::Combined,
    Role::Kept,
    Role::Signal(0),
    Role::Signal(1),
    Role::Signal(2),
    Role::Signal(3),
    Role::Signal(4),
    Role::Signal(5),
    Role::Signal(6),
];

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// The rules of the style sheet: dashes always, other colours in the dark, which paper is not.
pub(crate) fn css() -> String {
    let (mut dashes, mut dark) = (String::new(), String::new());
    for role in ALL {
        let (day, night, dash) = role.style();
        let (day, night) = (hex(day), hex(night));
        if !dash.is_empty() {
            let _ = writeln!(dashes, "svg polyline[stroke=\"{day}\"]{{stroke-dasharray:{dash}}}");
        }
        let _ = writeln!(dark, "svg [stroke=\"{day}\"]{{stroke:{night}}}");
        let _ = writeln!(dark, "svg [fill=\"{day}\"]{{fill:{night}}}");
    }
    format!("{dashes}@media screen and (prefers-color-scheme:dark){{\n{dark}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_colour_of_its_own() {
        let mut colours = ALL.map(|role| hex(role.style().0)).to_vec();
        colours.sort();
        colours.dedup();
        assert_eq!(colours.len(), ALL.len());
    }

    /// The relative luminance of the Web Content Accessibility Guidelines 2.2.
    fn luminance(colour: [u8; 3]) -> f64 {
        let [r, g, b] = colour.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn lines_and_texts_stand_out_by_day_and_by_night() {
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        for role in ALL.into_iter().filter(|role| *role != Role::Grid) {
            let (day, night, _) = role.style();
            assert!(contrast(luminance(day), 1.0) >= 4.5, "{role:?} by day");
            let dark = luminance([0x0D, 0x11, 0x17]);
            assert!(contrast(luminance(night), dark) >= 4.5, "{role:?} by night");
        }
    }
}
