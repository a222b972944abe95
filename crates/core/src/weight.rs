//! The share of traffic on the canary, in whole percent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whole percent of traffic on the canary, 0 to 100.
///
/// Written `10%` or `10` in a target file, stored as the number. Lambda takes it as a fraction from
/// 0.0 to 1.0; the adapter converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "u8")]
pub struct Weight(u8);

/// A weight outside 0 to 100, or not a whole number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a weight: write whole percent from 0 to 100, such as 10%")]
pub struct InvalidWeight(pub String);

impl Weight {
    /// All traffic on the baseline.
    pub const ZERO: Weight = Weight(0);
    /// All traffic on the canary.
    pub const FULL: Weight = Weight(100);

    /// A weight of `percent`; above 100 is an error.
    pub fn new(percent: u8) -> Result<Self, InvalidWeight> {
        if percent <= 100 { Ok(Self(percent)) } else { Err(InvalidWeight(percent.to_string())) }
    }

    /// The weight in percent.
    pub fn percent(self) -> u8 {
        self.0
    }

    /// The weight as a fraction from 0.0 to 1.0.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a weight is whole percent from 0 to 100, such as 10%")]
enum Written {
    Number(f64),
    Text(String),
}

impl TryFrom<Written> for Weight {
    type Error = InvalidWeight;
    fn try_from(written: Written) -> Result<Self, InvalidWeight> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Weight {
    type Err = InvalidWeight;
    fn from_str(text: &str) -> Result<Self, InvalidWeight> {
        let number = text.strip_suffix('%').unwrap_or(text).trim();
        let percent = number.parse().map_err(|_| InvalidWeight(text.to_owned()))?;
        Self::new(percent).map_err(|_| InvalidWeight(text.to_owned()))
    }
}

impl From<Weight> for u8 {
    fn from(weight: Weight) -> u8 {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}%", self.0))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Weight {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Weight".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Whole percent of traffic on the canary: 10% or 10.",
            "oneOf": [
                { "type": "integer", "minimum": 0, "maximum": 100 },
                { "type": "string", "pattern": "^(100|[1-9]?[0-9])%$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_whole_percent() {
        for (text, percent) in [("10%", 10), ("0", 0), ("100%", 100), ("7 %", 7)] {
            assert_eq!(text.parse::<Weight>().unwrap().percent(), percent);
        }
        for bad in ["101", "-1", "1.5%", "ten", "", "%"] {
            assert!(bad.parse::<Weight>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_weight_is_read_from_number_and_text() {
        assert_eq!(serde_json::from_str::<Weight>("10").unwrap().percent(), 10);
        assert_eq!(serde_json::from_str::<Weight>("\"10%\"").unwrap().percent(), 10);
        assert!(serde_json::from_str::<Weight>("10.5").is_err());
        assert_eq!(serde_json::to_string(&Weight::FULL).unwrap(), "100");
    }
}
