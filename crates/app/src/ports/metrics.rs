//! What CloudWatch knows: requests, errors and latency of versions, and the state of alarms.

use std::future::Future;

use jiff::Timestamp;
use perch_core::judge::Arm;
use perch_core::names::{AlarmName, FunctionVersion};
use perch_core::target::{Lambda, Quantile};

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
        versions: [&FunctionVersion; 2],
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
