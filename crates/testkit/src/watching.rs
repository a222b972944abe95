//! Metrics and alarms in memory: what versions answered, and the state of alarms, as the test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use perch_app::ports::{
    AlarmStates, Ask, History, PortError, ReadAlarms, ReadEvidence, ReadMetrics, Taken, Window,
};
use perch_core::judge::Arm;
use perch_core::judge::sequential::{Bucket, Counts};
use perch_core::names::{AlarmName, Version};
use perch_core::target::{Lambda, Quantile};

use crate::calls::Calls;

/// Metrics in memory: the same readings for every window, until the test sets others.
#[derive(Debug)]
pub struct MemoryMetrics {
    calls: Arc<Calls>,
    readings: Mutex<Readings>,
}

#[derive(Debug, Clone, Default)]
struct Readings {
    versions: BTreeMap<String, Arm>,
    total: Arm,
    of: BTreeMap<String, (BTreeMap<String, Arm>, Arm)>,
    asked: Vec<Window>,
    history: History,
    buckets: BTreeMap<Timestamp, Bucket>,
}

impl MemoryMetrics {
    /// Metrics without any data.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), readings: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        let readings = self.readings.lock().unwrap().clone();
        Self { calls: calls.clone(), readings: Mutex::new(readings) }
    }

    /// What a version answers behind a split alias from now on.
    pub fn set(&self, version: &str, arm: Arm) {
        self.readings.lock().unwrap().versions.insert(version.to_owned(), arm);
    }

    /// What the alias answers from now on.
    pub fn set_total(&self, arm: Arm) {
        self.readings.lock().unwrap().total = arm;
    }

    /// What the versions of one function or service answer from now on, and all of it, whatever others
    /// do.
    pub fn set_for(&self, name: &str, versions: BTreeMap<String, Arm>, total: Arm) {
        self.readings.lock().unwrap().of.insert(name.to_owned(), (versions, total));
    }

    /// What the version that serves answered in the last hour.
    pub fn set_history(&self, history: History) {
        self.readings.lock().unwrap().history = history;
    }

    /// What both versions answered in the bucket that starts then; empty without it.
    pub fn set_bucket(&self, at: Timestamp, bucket: Bucket) {
        self.readings.lock().unwrap().buckets.insert(at, bucket);
    }

    /// The windows that were asked for, oldest first.
    pub fn asked(&self) -> Vec<Window> {
        self.readings.lock().unwrap().asked.clone()
    }
}

impl ReadMetrics for MemoryMetrics {
    async fn versions(
        &self,
        lambda: &Lambda,
        versions: [&Version; 2],
        window: Window,
        _: Quantile,
    ) -> Result<[Arm; 2], PortError> {
        let look = || {
            let mut readings = self.readings.lock().unwrap();
            readings.asked.push(window);
            let own = readings.of.get(lambda.function.as_str()).map(|(versions, _)| versions);
            let known = own.unwrap_or(&readings.versions);
            Ok(versions.map(|version| known.get(version.as_str()).copied().unwrap_or_default()))
        };
        self.calls.port("versions", look).await
    }

    async fn alias_total(
        &self,
        lambda: &Lambda,
        window: Window,
        _: Quantile,
    ) -> Result<Arm, PortError> {
        let look = || {
            let mut readings = self.readings.lock().unwrap();
            readings.asked.push(window);
            let own = readings.of.get(lambda.function.as_str()).map(|(_, total)| *total);
            Ok(own.unwrap_or(readings.total))
        };
        self.calls.port("alias_total", look).await
    }
}

impl ReadEvidence for MemoryMetrics {
    async fn history(
        &self,
        _: Ask<'_>,
        _: &Version,
        _: Timestamp,
        _: u32,
    ) -> Result<History, PortError> {
        let look = || Ok(self.readings.lock().unwrap().history.clone());
        self.calls.port("history", look).await
    }

    async fn buckets(
        &self,
        ask: Ask<'_>,
        versions: [&Version; 2],
        window: Window,
    ) -> Result<Vec<Taken>, PortError> {
        let look = || {
            let mut readings = self.readings.lock().unwrap();
            readings.asked.push(window);
            let arms = ask.driver.service().map(|_| {
                let own = readings.of.get(ask.driver.name()).map(|(versions, _)| versions);
                let known = own.unwrap_or(&readings.versions);
                versions.map(|of| known.get(of.as_str()).copied().unwrap_or_default())
            });
            let starts = (window.from.as_second()..window.to.as_second())
                .step_by(window.period_seconds as usize)
                .map(|second| Timestamp::from_second(second).unwrap());
            let taken = |at| {
                if let Some([canary, baseline]) = arms {
                    return of_arms(at, canary, baseline);
                }
                let known = readings.buckets.get(&at).cloned();
                let latency_ms = [known.is_some().then_some(50.0); 2];
                Taken { at, latency_ms, bucket: known.unwrap_or_default() }
            };
            Ok(starts.map(taken).collect())
        };
        self.calls.port("buckets", look).await
    }

    fn queries(&self, _: Ask<'_>, versions: [&Version; 2]) -> Vec<String> {
        versions.map(|version| format!("requests of version {version}")).into()
    }
}

/// A bucket in which both arms answered as they do all the time.
fn of_arms(at: Timestamp, canary: Arm, baseline: Arm) -> Taken {
    #[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
    let counts = |arm: Arm| Counts {
        requests: arm.requests as f64,
        errors: arm.errors as f64,
        ..Counts::default()
    };
    let bucket = Bucket { canary: counts(canary), baseline: counts(baseline), ..Bucket::default() };
    Taken { at, latency_ms: [canary.latency_ms, baseline.latency_ms], bucket }
}

/// Many requests without an error, at 50 ms.
pub fn healthy() -> Arm {
    Arm { requests: 1000, errors: 0, latency_ms: Some(50.0) }
}

/// Every second request fails.
pub fn failing() -> Arm {
    Arm { requests: 1000, errors: 500, latency_ms: Some(50.0) }
}

/// Many requests without an error, at 500 ms.
pub fn slow() -> Arm {
    Arm { requests: 1000, errors: 0, latency_ms: Some(500.0) }
}

/// No requests.
pub fn silent() -> Arm {
    Arm::default()
}

/// Alarms in memory; one that was never set does not exist.
#[derive(Debug)]
pub struct MemoryAlarms {
    calls: Arc<Calls>,
    in_alarm: Mutex<BTreeMap<AlarmName, bool>>,
}

impl MemoryAlarms {
    /// No alarms.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), in_alarm: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        let in_alarm = self.in_alarm.lock().unwrap().clone();
        Self { calls: calls.clone(), in_alarm: Mutex::new(in_alarm) }
    }

    /// Puts an alarm into ALARM or OK; it exists from now on.
    pub fn set(&self, alarm: &str, in_alarm: bool) {
        self.in_alarm.lock().unwrap().insert(alarm.parse().unwrap(), in_alarm);
    }

    /// Whether the alarm is in ALARM.
    pub fn is_in_alarm(&self, alarm: &AlarmName) -> bool {
        self.in_alarm.lock().unwrap().get(alarm) == Some(&true)
    }

    /// Deletes an alarm.
    pub fn delete(&self, alarm: &str) {
        self.in_alarm.lock().unwrap().retain(|name, _| name.as_str() != alarm);
    }
}

impl ReadAlarms for MemoryAlarms {
    async fn alarms(&self, names: &[AlarmName]) -> Result<AlarmStates, PortError> {
        if names.is_empty() {
            return Ok(AlarmStates::default());
        }
        let look = || {
            let known = self.in_alarm.lock().unwrap();
            let with = |state: Option<bool>| -> Vec<AlarmName> {
                names.iter().filter(|name| known.get(*name).copied() == state).cloned().collect()
            };
            Ok(AlarmStates { in_alarm: with(Some(true)), missing: with(None) })
        };
        self.calls.port("alarms", look).await
    }
}
