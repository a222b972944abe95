//! A share or an increase in percent, such as an error limit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A non-negative percentage, written `1%` or `0.5%`; may exceed 100 where it is an increase.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(f64);

/// A text that is not a percentage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a percentage: write a number and a percent sign, such as 1% or 0.5%")]
pub struct InvalidPercent(pub String);

impl Percent {
    /// A whole percentage.
    pub const fn whole(percent: u8) -> Self {
        Self(percent as f64)
    }

    /// The number before the percent sign.
    pub fn percent(self) -> f64 {
        self.0
    }

    /// The percentage as a fraction: 1% is 0.01.
    pub fn fraction(self) -> f64 {
        self.0 / 100.0
    }
}

impl FromStr for Percent {
    type Err = InvalidPercent;
    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse::<f64>().ok())
            .filter(|number| number.is_finite() && *number >= 0.0 && *number <= 1e6)
            .map(Self)
            .ok_or_else(|| InvalidPercent(text.to_owned()))
    }
}

impl TryFrom<String> for Percent {
    type Error = InvalidPercent;
    fn try_from(text: String) -> Result<Self, InvalidPercent> {
        text.parse()
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> String {
        percent.to_string()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A percentage with its sign: 1% or 0.5%.",
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]+)?%$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_needs_its_sign() {
        assert_eq!("0.5%".parse::<Percent>().unwrap().fraction(), 0.005);
        assert_eq!("120%".parse::<Percent>().unwrap().to_string(), "120%");
        for bad in ["1", "0.01", "-1%", "NaN%", "inf%", "%", ""] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
    }
}
