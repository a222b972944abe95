//! A length of time as people write it: `90s`, `15m`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A length of time in whole milliseconds, from 0 to 7 days.
///
/// The upper limit is a guard against typing errors; it is far below the one year of a Step
/// Functions execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a duration: write a number with ms, s, m, h or d, such as 90s or 15m, up to 7d"
)]
pub struct InvalidSpan(pub String);

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of whole minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(minutes * 60))
    }

    /// This long and then that long.
    pub fn and(self, then: Span) -> Span {
        Span(self.0.saturating_add(then.0))
    }

    /// The length of time.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The length in whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The length in milliseconds.
    pub fn as_millis(self) -> f64 {
        self.0.as_secs_f64() * 1000.0
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;
    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        // jiff's friendly format also knows ISO 8601 and signs; a target file uses neither.
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(InvalidSpan(text.to_owned()));
        }
        let days = text.strip_suffix('d').and_then(|n| n.parse::<u64>().ok());
        let parsed = match days {
            Some(days) => days.checked_mul(24 * 3600).map(Duration::from_secs),
            None => text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok()),
        };
        parsed
            .filter(|d| *d <= LONGEST && d.subsec_nanos() % 1_000_000 == 0)
            .map(Self)
            .ok_or_else(|| InvalidSpan(text.to_owned()))
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;
    fn try_from(text: String) -> Result<Self, InvalidSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_secs();
        let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
        let mut text = String::new();
        for (value, unit) in [
            (hours, "h"),
            (minutes, "m"),
            (seconds, "s"),
            (u64::from(self.0.subsec_millis()), "ms"),
        ] {
            if value > 0 {
                text += &format!("{value}{unit}");
            }
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A length of time: 500ms, 90s, 15m, 1h30m or 2d; at most 7d.",
            "type": "string",
            "pattern": "^([0-9]+d|([0-9]+h)? ?([0-9]+m)? ?([0-9]+s)? ?([0-9]+ms)?)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, secs, shown) in [
            ("90s", 90, "1m30s"),
            ("15m", 900, "15m"),
            ("1h30m", 5400, "1h30m"),
            ("1h 30m", 5400, "1h30m"),
            ("2d", 172_800, "48h"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.as_secs(), span.to_string().as_str()), (secs, shown), "{text}");
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        assert_eq!("250ms".parse::<Span>().unwrap().as_millis(), 250.0);
        for bad in ["", "15", "-5m", "soon", "PT5M", "8d", "1us"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
