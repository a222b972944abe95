//! Times that a condition of the table compares: always nine digits behind the second, so that they
//! sort as texts the way they sort as times.
//!
//! For `#[serde(with = "stamp")]`; `stamp::optional` for a time that may be missing.

use jiff::Timestamp;
use serde::{Deserialize as _, Deserializer, Serializer};

/// The time as text, such as `2026-11-21T04:58:12.000000000Z`.
pub fn text(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// Writes the text.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*at))
}

/// Reads any RFC 3339 time.
///
/// # Errors
/// When the text is no time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Timestamp::deserialize(deserializer)
}

/// The same for a time that may be missing.
pub mod optional {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Writes the text, or nothing.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads any RFC 3339 time, or nothing.
    ///
    /// # Errors
    /// When the text is no time.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Option::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_as_times_do() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let times = ["2026-11-21T04:58:12Z", "2026-11-21T04:58:12.5Z", "2026-11-21T04:58:13Z"];
        let texts: Vec<String> = times.iter().map(|time| text(at(time))).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts[1], "2026-11-21T04:58:12.500000000Z");
    }
}
