//! The rule by which a canary is judged.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence_rule::{CustomSignal, LowTraffic, Overrides, OwnMetrics, Strictness};
use crate::judge::sequential::Method;
use crate::percent::Percent;
use crate::span::Span;

/// How a canary is judged: by evidence as it comes in (`sequential`), or by fixed limits at the end of
/// each bake (`thresholds`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JudgeRule {
    /// Which rule decides during the bakes.
    pub rule: Rule,
    /// How strict `rule: sequential` is.
    pub preset: Strictness,
    /// Single numbers of the preset, given otherwise. Only for `rule: sequential`.
    #[serde(skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
    /// Whether a release goes on as soon as the evidence is there, or at the end of each bake only.
    /// A rollback never waits. Only for `rule: sequential`.
    pub early: bool,
    /// What is done about too few requests, before `noData`. Only for `rule: sequential`.
    #[serde(skip_serializing_if = "LowTraffic::is_empty")]
    pub low_traffic: LowTraffic,
    /// How long after the end of a minute its counts are taken as complete. Without it: the function's
    /// time-out and half an interval, because Lambda counts a request when it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<Span>,
    /// Metrics that the service publishes itself, instead of AWS/Lambda's. Only for `rule: sequential`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<OwnMetrics>,
    /// More signals, each a count and a total per version. Only for `rule: sequential`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<CustomSignal>,
    /// The limit on failed requests: of `rule: thresholds`, and of the watch under both rules.
    pub error_rate: ErrorRule,
    /// The limit on latency against the baseline's: `maxIncrease` of `rule: thresholds` only.
    pub latency: LatencyRule,
    /// Canary requests at the current weight before a bake can pass, and before latency is
    /// compared. Errors fail a canary sooner, once they exceed the limit for this many requests. Of
    /// `rule: thresholds`, and of the watch under both rules.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub min_requests: u64,
    /// The share of the canary's targets that has to be healthy, of an ECS service behind a load balancer.
    /// A look that finds less rolls back. Under both rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_targets: Option<Percent>,
    /// How often the judge looks: a whole number of minutes, or 5s, 10s, 20s or 30s where the
    /// metrics have a resolution of one second.
    pub interval: Span,
    /// What happens at the end of a bake without enough requests. Never a promotion.
    pub no_data: NoData,
}

impl JudgeRule {
    /// The numbers of the rule `sequential`: those of the preset, and what is given otherwise.
    pub fn method(&self) -> Method {
        self.preset.method(&self.overrides)
    }
}

impl Default for JudgeRule {
    fn default() -> Self {
        Self {
            rule: Rule::Sequential,
            preset: Strictness::Normal,
            overrides: Overrides::default(),
            early: true,
            low_traffic: LowTraffic::default(),
            settle: None,
            metrics: None,
            signals: Vec::new(),
            error_rate: ErrorRule::default(),
            latency: LatencyRule::default(),
            min_requests: 100,
            healthy_targets: None,
            interval: Span::seconds(60),
            no_data: NoData::Hold,
        }
    }
}

/// A rule of the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// Evidence against the baseline, weighed at each look with a bound on false alarms.
    Sequential,
    /// Fixed limits on errors and on one latency quantile.
    Thresholds,
}

/// The limit on failed requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorRule {
    /// The canary fails when more than this share of its requests fail.
    pub max: Percent,
}

impl Default for ErrorRule {
    fn default() -> Self {
        Self { max: Percent::whole(1) }
    }
}

/// The limit on latency against the baseline's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LatencyRule {
    /// Which quantile of the requests' duration is compared.
    pub quantile: Quantile,
    /// The canary fails when its quantile is more than this above the baseline's.
    pub max_increase: Percent,
    /// Differences up to this many milliseconds never fail a canary, whatever their percentage; a canary
    /// that is slower by no more keeps its promise, too. Under both rules.
    pub tolerance: Span,
    /// The time from the first shift in which latency is not compared: a new version starts cold.
    /// Without it: one judge interval, or none where the first bake is not longer than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Span>,
}

impl Default for LatencyRule {
    fn default() -> Self {
        Self {
            quantile: Quantile::P99,
            max_increase: Percent::whole(20),
            tolerance: Span::seconds(0),
            warm_up: None,
        }
    }
}

/// A latency quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Quantile {
    /// The median.
    P50,
    /// 90 of 100 requests are faster.
    P90,
    /// 95 of 100 requests are faster.
    P95,
    /// 99 of 100 requests are faster.
    P99,
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Quantile::P50 => "p50",
            Quantile::P90 => "p90",
            Quantile::P95 => "p95",
            Quantile::P99 => "p99",
        })
    }
}

/// What happens at the end of a bake without enough requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum NoData {
    /// Stay at this weight until there are enough requests, or the deadline rolls back.
    Hold,
    /// Roll back.
    Fail,
}
