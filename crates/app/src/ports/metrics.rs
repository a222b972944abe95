//! What CloudWatch knows: requests, errors and latency of versions, and the state of alarms.

use std::future::Future;

use jiff::Timestamp;
use perch_core::head::{Ledger, TargetGroups};
use perch_core::judge::Arm;
use perch_core::judge::sequential::Bucket;
use perch_core::names::{AlarmName, Version};
use perch_core::release::{Driver, Release};
use perch_core::target::{JudgeRule, Lambda, Quantile};

use super::PortError;

/// A stretch of settled periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its start, inclusive, on a period's boundary.
    pub from: Timestamp,
    /// Where latency begins to count: from then on, until the end.
    pub latency_from: Timestamp,
    /// Its end, exclusive, on a period's boundary.
    pub to: Timestamp,
    /// The length of a period in seconds: 5, 10, 20, 30 or 60.
    pub period_seconds: u32,
}

/// Reads what versions answered.
pub trait ReadMetrics {
    /// What each of these versions answered behind the alias, while it split; one call for all.
    fn versions(
        &self,
        lambda: &Lambda,
        versions: [&Version; 2],
        window: Window,
        quantile: Quantile,
    ) -> impl Future<Output = Result<[Arm; 2], PortError>> + Send;

    /// What the alias answered, whichever version it was.
    fn alias_total(
        &self,
        lambda: &Lambda,
        window: Window,
        quantile: Quantile,
    ) -> impl Future<Output = Result<Arm, PortError>> + Send;
}

/// What is read for the rule `sequential`, and where.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What moves: an alias has metrics of its own, model servers only those of the service.
    pub driver: &'a Driver,
    /// Where the load balancer of an ECS service sends the traffic of each arm, once that is known.
    pub groups: Option<&'a TargetGroups>,
    /// The rule, with the service's own metrics and signals.
    pub rule: &'a JudgeRule,
    /// From which latencies on a request is slow, in milliseconds; empty where that is not known.
    pub thresholds_ms: &'a [f64],
}

impl<'a> Ask<'a> {
    /// What is read for a release.
    pub fn of(release: &'a Release, thresholds_ms: &'a [f64]) -> Self {
        let of_service = release.ledger.as_ref().and_then(Ledger::service);
        Self {
            driver: &release.plan.driver,
            groups: of_service.map(|of| &of.groups),
            rule: &release.plan.judge,
            thresholds_ms,
        }
    }
}

/// What the baseline answered before a release.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Requests of each of the last 60 periods, oldest first.
    pub requests: Vec<f64>,
    /// Failed requests of the same periods.
    pub errors: Vec<f64>,
    /// Totals and counts of each custom signal in the same periods.
    pub custom: Vec<(Vec<f64>, Vec<f64>)>,
    /// The latencies at p90, p95, p98 and p99 in milliseconds; empty below 100 requests in a day.
    pub latency_ms: Vec<f64>,
}

/// One bucket as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Its start.
    pub at: Timestamp,
    /// The rule's latency quantile of the canary and of the baseline, in milliseconds.
    pub latency_ms: [Option<f64>; 2],
    /// The counts.
    pub bucket: Bucket,
}

/// Reads the counts that evidence is made of. Any store of metrics fits that gives sums, and counts of
/// values above a limit, per version and period: CloudWatch here, Prometheus' histograms as well.
pub trait ReadEvidence {
    /// The last 60 periods before `until` of the version that serves, and its latencies; one call.
    fn history(
        &self,
        ask: Ask<'_>,
        serving: &Version,
        until: Timestamp,
        period_seconds: u32,
    ) -> impl Future<Output = Result<History, PortError>> + Send;

    /// Every bucket of the window, of the canary and the baseline, empty ones too; one call.
    fn buckets(
        &self,
        ask: Ask<'_>,
        versions: [&Version; 2],
        window: Window,
    ) -> impl Future<Output = Result<Vec<Taken>, PortError>> + Send;

    /// What is asked for, for people.
    fn queries(&self, ask: Ask<'_>, versions: [&Version; 2]) -> Vec<String>;
}

/// The guards that matter now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmStates {
    /// In ALARM.
    pub in_alarm: Vec<AlarmName>,
    /// Not known to CloudWatch.
    pub missing: Vec<AlarmName>,
}

/// Reads alarms.
pub trait ReadAlarms {
    /// The state of these alarms; one call for up to 100, none for none.
    fn alarms(
        &self,
        names: &[AlarmName],
    ) -> impl Future<Output = Result<AlarmStates, PortError>> + Send;
}
