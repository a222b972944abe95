//! What a model has to measure before it is released: `accuracy >= baseline - 0.01`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A comparison of one of the model's metrics with a number or with the baseline's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement {
    metric: String,
    relation: Relation,
    limit: Limit,
}

/// Its numbers are finite.
impl Eq for Requirement {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtLeast,
    Above,
    AtMost,
    Below,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Number(f64),
    /// The baseline's value times the first, plus the second.
    Baseline(f64, f64),
}

/// A text that is not a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a requirement: write METRIC >= NUMBER or METRIC >= baseline - NUMBER, such as \
     `accuracy >= baseline - 0.01` or `latency_ms <= baseline * 1.1`; with >=, >, <= or <"
)]
pub struct InvalidRequirement(pub String);

/// Why a requirement is not met.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Missed {
    /// The model does not say what it measures.
    #[error("`{requirement}`: the manifest has no metric `{metric}`")]
    NotStated {
        /// The requirement.
        requirement: Requirement,
        /// The metric.
        metric: String,
    },
    /// The baseline does not say what it measures.
    #[error(
        "`{requirement}`: the baseline's manifest has no metric `{metric}` to compare with; give a \
         number instead of the baseline in the target file until a model that has it serves"
    )]
    NothingToCompare {
        /// The requirement.
        requirement: Requirement,
        /// The metric.
        metric: String,
    },
    /// The value is on the wrong side.
    #[error("`{requirement}`: {metric} is {value}, the limit is {limit}{baseline}")]
    Value {
        /// The requirement.
        requirement: Requirement,
        /// The metric.
        metric: String,
        /// The model's value.
        value: f64,
        /// What it was compared with.
        limit: Rounded,
        /// The baseline's value, where it counts, as the end of the sentence.
        baseline: String,
    },
}

/// A computed number without the digits that floating point adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounded(pub f64);

/// Sums such as 0.92 - 0.01 are off by the last bits; a difference this small is none.
const SLACK: f64 = 1e-9;

impl Requirement {
    /// Whether the metrics meet it; `baseline` is `None` while no model serves, where only the metric
    /// itself has to be there.
    ///
    /// # Errors
    /// [`Missed`], with the numbers.
    pub fn check(
        &self,
        metrics: &BTreeMap<String, f64>,
        baseline: Option<&BTreeMap<String, f64>>,
    ) -> Result<(), Missed> {
        let (requirement, metric) = (self.clone(), self.metric.clone());
        let Some(&value) = metrics.get(&metric) else {
            return Err(Missed::NotStated { requirement, metric });
        };
        let (limit, before) = match (self.limit, baseline) {
            (Limit::Number(limit), _) => (limit, None),
            (Limit::Baseline(..), None) => return Ok(()),
            (Limit::Baseline(times, plus), Some(baseline)) => match baseline.get(&metric) {
                Some(&before) => (before * times + plus, Some(before)),
                None => return Err(Missed::NothingToCompare { requirement, metric }),
            },
        };
        if self.relation.holds(value, limit) {
            return Ok(());
        }
        let baseline = before.map_or_else(String::new, |before| format!(" (baseline {before})"));
        Err(Missed::Value { requirement, metric, value, limit: Rounded(limit), baseline })
    }

    /// Whether it compares with the baseline.
    pub fn needs_baseline(&self) -> bool {
        matches!(self.limit, Limit::Baseline(..))
    }
}

impl Relation {
    fn holds(self, value: f64, limit: f64) -> bool {
        let slack = SLACK * limit.abs().max(1.0);
        match self {
            Relation::AtLeast => value >= limit - slack,
            Relation::Above => value > limit + slack,
            Relation::AtMost => value <= limit + slack,
            Relation::Below => value < limit - slack,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Relation::AtLeast => ">=",
            Relation::Above => ">",
            Relation::AtMost => "<=",
            Relation::Below => "<",
        }
    }
}

impl FromStr for Requirement {
    type Err = InvalidRequirement;
    fn from_str(text: &str) -> Result<Self, InvalidRequirement> {
        parse(text).ok_or_else(|| InvalidRequirement(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Requirement> {
    let (metric, rest) = text.split_at(text.find(['<', '>'])?);
    let (relation, limit) = match (rest.strip_prefix(">="), rest.strip_prefix("<=")) {
        (Some(limit), _) => (Relation::AtLeast, limit),
        (_, Some(limit)) => (Relation::AtMost, limit),
        _ => match rest.strip_prefix('>') {
            Some(limit) => (Relation::Above, limit),
            None => (Relation::Below, rest.strip_prefix('<')?),
        },
    };
    let (metric, limit) = (metric.trim(), limit.trim());
    let named = !metric.is_empty() && !metric.contains(char::is_whitespace);
    let limit = match limit.strip_prefix("baseline") {
        None => Limit::Number(number(limit)?),
        Some("") => Limit::Baseline(1.0, 0.0),
        Some(rest) => {
            let rest = rest.trim_start();
            let amount = number(rest.get(1..)?)?;
            match rest.chars().next()? {
                '+' => Limit::Baseline(1.0, amount),
                '-' => Limit::Baseline(1.0, -amount),
                '*' => Limit::Baseline(amount, 0.0),
                _ => return None,
            }
        }
    };
    named.then(|| Requirement { metric: metric.to_owned(), relation, limit })
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

impl TryFrom<String> for Requirement {
    type Error = InvalidRequirement;
    fn try_from(text: String) -> Result<Self, InvalidRequirement> {
        text.parse()
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> String {
        requirement.to_string()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, relation, limit } = self;
        write!(f, "{metric} {} ", relation.sign())?;
        match limit {
            Limit::Number(number) => write!(f, "{number}"),
            Limit::Baseline(1.0, 0.0) => write!(f, "baseline"),
            Limit::Baseline(1.0, plus) if *plus < 0.0 => write!(f, "baseline - {}", -plus),
            Limit::Baseline(1.0, plus) => write!(f, "baseline + {plus}"),
            Limit::Baseline(times, _) => write!(f, "baseline * {times}"),
        }
    }
}

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 1e9).round() / 1e9)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Requirement {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Requirement".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What a metric of the manifest has to be, such as accuracy >= 0.9, \
                            accuracy >= baseline - 0.01 or latency_ms <= baseline * 1.1.",
            "type": "string",
            "pattern": "^ *[^ <>]+ *(>=|<=|>|<) *(baseline( *[-+*] *[0-9.eE+-]+)?|[0-9.eE+-]+) *$"
        })
    }
}
