//! The settings of `rule: sequential`: how strict it is, and what it reads.

use serde::{Deserialize, Serialize};

use crate::judge::sequential::Method;
use crate::percent::Percent;
use crate::span::Span;
use crate::weight::Weight;

/// How strict the judge is. The numbers are in docs/judge.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Strictness {
    /// Rolls back any proven increase; promises at most 1.5 times the errors.
    Strict,
    /// Rolls back what is proven and beyond 1.25 times the errors or 9.5 % slower.
    Normal,
    /// Accepts up to 1.25 times the errors and 1.2 times the latency.
    Lenient,
    /// The method as published, without the shipped improvements: to compare with.
    Published,
}

/// Numbers of the preset, given otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Overrides {
    /// The absolute limit on the canary's error rate, 5% in every preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_limit: Option<Percent>,
    /// How much more errors than the baseline the estimate must show before they roll back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_increase: Option<Percent>,
    /// The chance of a false rollback of a canary that is not worse, 1% in every preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarms: Option<Percent>,
}

impl Overrides {
    /// Whether nothing is given otherwise.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Strictness {
    /// The numbers of the preset, with those given otherwise.
    pub fn method(self, overrides: &Overrides) -> Method {
        let mut method = match self {
            Strictness::Strict => Method::strict(),
            Strictness::Normal => Method::normal(),
            Strictness::Lenient => Method::lenient(),
            Strictness::Published => Method::published(),
        };
        if let Some(limit) = overrides.error_limit {
            method.error_limit = limit.fraction();
        }
        if let Some(increase) = overrides.error_increase {
            method.gate_ratio = 1.0 + increase.fraction();
        }
        if let Some(alarms) = overrides.false_alarms {
            // All levels together are 1 %.
            let times = alarms.fraction() / 0.01;
            method.alpha_looks *= times;
            method.alpha_end_errors *= times;
            method.alpha_end_latency *= times;
        }
        method
    }
}

/// What is done about too few requests: during the bakes, and when they ended without a verdict for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LowTraffic {
    /// The last bake goes on for this long; the evidence that comes in still decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend: Option<Span>,
    /// The canary gets this weight meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raise_weight: Option<Weight>,
    /// Requests that Perch sends to the alias itself during the bakes, while callers send too few.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
}

impl LowTraffic {
    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Requests that Perch sends to the alias itself, asynchronously. They are split between both versions
/// as the callers' are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Synthetic {
    /// The alias's requests are filled up to this many a minute, at most 300. A look sends at most 50.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 300)))]
    pub per_minute: u32,
    /// The events to send, in turn: at most 20, each at most 6 KB as JSON. They must do no harm when they
    /// are processed, also more than once.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 20)))]
    pub events: Vec<serde_json::Value>,
}

/// Metrics that the service publishes itself, in the embedded metric format, with one value per request
/// and dimensions that end with the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnMetrics {
    /// The namespace.
    pub namespace: String,
    /// The value of the dimension `Service`; the function's name without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How long a bucket is: 60s, or 10s where the metrics have a storage resolution of one second.
    #[serde(default = "one_minute")]
    pub bucket: Span,
    /// The metric whose sum is the number of requests.
    #[serde(default = "requests")]
    pub requests: String,
    /// The metric whose sum is the number of failed requests.
    #[serde(default = "errors")]
    pub errors: String,
    /// The metric with the duration of each request in milliseconds.
    #[serde(default = "latency")]
    pub latency: String,
    /// Metrics that are percentiles of a period already, instead of `latency`. Only for a service that
    /// has no value per request: they prove less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentiles: Option<PercentileMetrics>,
}

/// Metrics with one value per version and period, each a percentile of the requests' durations in
/// milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PercentileMetrics {
    /// 90 of 100 requests are faster.
    pub p90: String,
    /// 95 of 100 requests are faster.
    pub p95: String,
    /// 98 of 100 requests are faster.
    pub p98: String,
    /// 99 of 100 requests are faster.
    pub p99: String,
}

impl PercentileMetrics {
    /// The metrics in the order of the judge's quantiles.
    pub fn names(&self) -> [&str; 4] {
        [&self.p90, &self.p95, &self.p98, &self.p99]
    }
}

/// The name of the latency metric where none is given.
pub(super) const LATENCY: &str = "Latency";

fn one_minute() -> Span {
    Span::seconds(60)
}

fn requests() -> String {
    "Requests".to_owned()
}

fn errors() -> String {
    "Errors".to_owned()
}

fn latency() -> String {
    LATENCY.to_owned()
}

/// A count and a total per version, for example unsure answers of all answers: the canary may not have
/// a larger share than the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomSignal {
    /// What people see.
    pub name: String,
    /// The metric whose sum is the count, in the namespace and with the dimensions of `metrics`.
    pub count: String,
    /// The metric whose sum is the total.
    pub total: String,
}
