//! Slow requests and latency percentiles: counted by `CloudWatch` from one value per request, or bracketed
//! by percentiles that the service publishes.

use perch_app::ports::Ask;
use perch_core::judge::brackets::{Percentiles, baseline_slow, canary_slow, slow_from};
use perch_core::judge::sequential::{QUANTILES, Slow};
use perch_core::target::{PercentileMetrics, Quantile};

use super::source::unit_ms;

/// Which arm a series is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    Canary,
    Baseline,
}

impl Arm {
    /// Its name in the ids of queries.
    pub(super) fn name(self) -> &'static str {
        match self {
            Arm::Canary => "canary",
            Arm::Baseline => "baseline",
        }
    }
}

fn published<'a>(ask: Ask<'a>) -> Option<&'a PercentileMetrics> {
    ask.rule.metrics.as_ref()?.percentiles.as_ref()
}

/// The queries of the history, as id, metric and statistic: a percentile of each quantile.
pub(super) fn history_queries(ask: Ask<'_>, metric: &str) -> [(String, String, String); 4] {
    std::array::from_fn(|place| {
        let id = format!("latency_{place}");
        match published(ask) {
            Some(own) => (id, own.names()[place].to_owned(), "Average".to_owned()),
            None => (id, metric.to_owned(), format!("p{:.0}", QUANTILES[place] * 100.0)),
        }
    })
}

/// The queries of an arm, as id, metric and statistic. Where there is a value per request: the latency for
/// people, and slow requests; of the canary these are counted at three thresholds per quantile.
pub(super) fn queries(ask: Ask<'_>, arm: Arm, metric: &str) -> Vec<(String, String, String)> {
    let name = arm.name();
    if let Some(own) = published(ask) {
        let of = |(place, metric): (usize, &str)| {
            (format!("{name}_percentile_{place}"), metric.to_owned(), "Average".to_owned())
        };
        return own.names().into_iter().enumerate().map(of).collect();
    }
    let quantile = ask.rule.latency.quantile.to_string();
    let mut queries = vec![(format!("{name}_latency"), metric.to_owned(), quantile)];
    for (place, threshold) in ask.thresholds_ms.iter().enumerate() {
        for (step, limit) in limits(ask, arm, *threshold) {
            let stat = counted_from(ask, limit);
            queries.push((format!("{name}_slow_{place}_{step}"), metric.to_owned(), stat));
        }
    }
    queries
}

/// The count of latencies from a limit in milliseconds on, to the microsecond.
fn counted_from(ask: Ask<'_>, limit: f64) -> String {
    let unit = unit_ms(ask);
    if unit > 1.0 { format!("TC({:.6}:)", limit / unit) } else { format!("TC({limit:.3}:)") }
}

/// The limits of an arm's slow requests; the baseline's is the threshold alone.
fn limits(ask: Ask<'_>, arm: Arm, threshold: f64) -> impl Iterator<Item = (usize, f64)> {
    let all = slow_from(threshold, ask.rule.latency.tolerance.as_millis());
    all.into_iter().enumerate().take(if arm == Arm::Canary { 3 } else { 1 })
}

/// An arm's slow requests in a bucket with this many requests, from the values of its queries.
pub(super) fn slow(
    ask: Ask<'_>,
    arm: Arm,
    requests: f64,
    value: impl Fn(&str) -> Option<f64>,
) -> [Slow; 4] {
    let mut slow = [Slow::default(); 4];
    for ((place, slow), threshold) in slow.iter_mut().enumerate().zip(ask.thresholds_ms) {
        let count =
            |step: usize| value(&format!("{}_slow_{place}_{step}", arm.name())).unwrap_or(0.0);
        *slow = match (published(ask), arm) {
            (None, Arm::Canary) => [0, 1, 2].map(count),
            (None, Arm::Baseline) => [count(0); 3],
            (Some(_), Arm::Canary) => {
                let limits = slow_from(*threshold, ask.rule.latency.tolerance.as_millis());
                canary_slow(limits, &percentiles(arm, &value), requests)
            }
            (Some(_), Arm::Baseline) => {
                baseline_slow(*threshold, &percentiles(arm, &value), requests)
            }
        };
    }
    slow
}

fn percentiles(arm: Arm, value: &impl Fn(&str) -> Option<f64>) -> Percentiles {
    std::array::from_fn(|place| value(&format!("{}_percentile_{place}", arm.name())))
}

/// The latency for people. No service publishes a median among its percentiles.
pub(super) fn for_people(
    ask: Ask<'_>,
    arm: Arm,
    value: impl Fn(&str) -> Option<f64>,
) -> Option<f64> {
    if published(ask).is_none() {
        return value(&format!("{}_latency", arm.name())).map(|latency| latency * unit_ms(ask));
    }
    let [p90, p95, _, p99] = percentiles(arm, &value);
    match ask.rule.latency.quantile {
        Quantile::P50 => None,
        Quantile::P90 => p90,
        Quantile::P95 => p95,
        Quantile::P99 => p99,
    }
}
