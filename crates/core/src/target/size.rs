//! A number of bytes as people write it: `500MB`, `2GB`, `1.5GiB`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

/// A text that is not a number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a size: write a number with B, KB, MB, GB or TB, or KiB, MiB, GiB or TiB, such as 2GB"
)]
pub struct InvalidSize(pub String);

/// The units, the larger first; `Display` uses those of ten.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// This many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidSize;
    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let parsed = UNITS.iter().find_map(|&(unit, bytes)| {
            let number = text.strip_suffix(unit)?.trim_end();
            match number.parse::<u64>() {
                Ok(whole) => whole.checked_mul(bytes),
                Err(_) => {
                    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                    let value: f64 = number.parse().ok().filter(|_| plain)?;
                    // Far below 2^53, where a double is exact.
                    let value = value * bytes as f64;
                    (value.fract() == 0.0 && value < 9e15).then_some(value as u64)
                }
            }
        });
        parsed.filter(|bytes| *bytes > 0).map(Self).ok_or_else(|| InvalidSize(text.to_owned()))
    }
}

impl TryFrom<String> for ByteSize {
    type Error = InvalidSize;
    fn try_from(text: String) -> Result<Self, InvalidSize> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    /// The exact number, which reads back as the same.
    fn from(size: ByteSize) -> String {
        let whole = UNITS.iter().filter(|(_, bytes)| size.0.is_multiple_of(*bytes));
        let (name, bytes) = whole.min_by_key(|(_, bytes)| size.0 / bytes).unwrap_or(&("B", 1));
        format!("{}{name}", size.0 / bytes)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = UNITS.iter().filter(|(name, _)| !name.contains('i'));
        let (name, bytes) =
            decimal.clone().find(|(_, bytes)| self.0 >= *bytes).unwrap_or(&("B", 1));
        let value = self.0 as f64 / *bytes as f64;
        match value.fract() == 0.0 || *bytes == 1 {
            true => f.pad(&format!("{value:.0} {name}")),
            false => f.pad(&format!("{value:.1} {name}")),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number of bytes: 500MB, 2GB or 1.5GiB.",
            "type": "string",
            "pattern": "^[0-9]+([.][0-9]+)? *([KMGT]i?)?B$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes, shown, written) in [
            ("2GB", 2_000_000_000, "2 GB", "2GB"),
            ("1.5GiB", 1_610_612_736, "1.6 GB", "1536MiB"),
            ("500 MB", 500_000_000, "500 MB", "500MB"),
            ("17B", 17, "17 B", "17B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(String::from(size), written);
            assert_eq!(written.parse::<ByteSize>().unwrap(), size);
        }
        for bad in ["", "2", "GB", "-1GB", "0GB", "1e9GB", "2 gigabytes", "99999999TB", "inf B"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }
}
