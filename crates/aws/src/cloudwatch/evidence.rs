//! The counts that evidence is made of: sums, and counts of slow requests, per version and period.

use aws_sdk_cloudwatch::types::{MetricDataQuery, MetricDataResult};
use jiff::Timestamp;
use perch_app::ports::{Ask, History, PortError, ReadEvidence, Taken, Window};
use perch_core::judge::sequential::{Bucket, Counts, Pair, QUANTILES, Tally};
use perch_core::names::Version;

use super::CloudWatch;
use super::latency::{self, Arm};
use super::source::{Source, unit_ms};

/// Periods of history: an hour of minutes.
const PERIODS: i64 = 60;

/// Percentiles are read by the hour. `CloudWatch` can't combine the percentiles of several periods, and
/// thresholds need not be exact.
const HOUR: i64 = 3600;

/// How far back percentiles are looked for where the last hour has too few requests.
const DAY: i64 = 24 * HOUR;

/// Requests that percentiles have to come from, at least.
const LEAST_REQUESTS: f64 = 100.0;

/// Requests of the last hours from which the percentiles of those hours are taken alone.
const ENOUGH_REQUESTS: f64 = 500.0;

impl ReadEvidence for CloudWatch {
    async fn history(
        &self,
        ask: Ask<'_>,
        serving: &Version,
        until: Timestamp,
        period_seconds: u32,
    ) -> Result<History, PortError> {
        let source = Source::before_release(ask, serving)?;
        let period = i64::from(period_seconds);
        let to = until.as_second().div_euclid(period) * period;
        let from = to - DAY;
        let results = self.read(history_queries(&source, ask, period_seconds), (from, to)).await?;
        let periods: Vec<i64> = (-PERIODS..0).map(|i| to + i * period).collect();
        let series = |id: &str| dense(&results, id, &periods);
        let custom = (0..ask.rule.signals.len())
            .map(|i| (series(&format!("total_{i}")), series(&format!("count_{i}"))))
            .collect();
        Ok(History {
            requests: series("requests"),
            errors: all_failed(&series("requests"), [series("errors"), series("errors_1")]),
            custom,
            latency_ms: percentiles(&results, to, unit_ms(ask)),
        })
    }

    async fn buckets(
        &self,
        ask: Ask<'_>,
        versions: [&Version; 2],
        window: Window,
    ) -> Result<Vec<Taken>, PortError> {
        let period = window.period_seconds;
        let queries = bucket_queries(ask, versions, period)?;
        let (from, to) = (window.from.as_second(), window.to.as_second());
        let results = self.read(queries, (from, to)).await?;
        let starts = (from..to).step_by(usize::try_from(period).unwrap_or(60).max(1));
        Ok(starts.filter_map(|at| taken(&results, ask, at)).collect())
    }

    fn queries(&self, ask: Ask<'_>, versions: [&Version; 2]) -> Vec<String> {
        let queries = bucket_queries(ask, versions, 60).unwrap_or_default();
        queries.iter().filter_map(query_text).collect()
    }
}

/// A query as people read it: its id, metric, statistic and dimensions.
fn query_text(query: &MetricDataQuery) -> Option<String> {
    let stat = query.metric_stat()?;
    let metric = stat.metric()?;
    let dimensions: Vec<String> = metric
        .dimensions()
        .iter()
        .map(|d| format!("{}={}", d.name().unwrap_or_default(), d.value().unwrap_or_default()))
        .collect();
    Some(format!(
        "{}: {} of {} {} {{{}}}",
        query.id()?,
        stat.stat()?,
        metric.namespace()?,
        metric.metric_name()?,
        dimensions.join(", ")
    ))
}

fn history_queries(source: &Source<'_>, ask: Ask<'_>, period: u32) -> Vec<MetricDataQuery> {
    let mut queries = vec![
        source.query("requests", source.requests(), period, "Sum"),
        source.query("hourly", source.requests(), 3600, "Sum"),
    ];
    for (id, metric) in source.errors("errors") {
        queries.push(source.query(&id, metric, period, "Sum"));
    }
    for (id, metric, stat) in latency::history_queries(ask, source.latency()) {
        queries.push(source.query(&id, &metric, 3600, &stat));
    }
    for (place, signal) in ask.rule.signals.iter().enumerate() {
        queries.push(source.query(&format!("total_{place}"), &signal.total, period, "Sum"));
        queries.push(source.query(&format!("count_{place}"), &signal.count, period, "Sum"));
    }
    queries
}

/// Per arm: requests, errors, what says how slow they were, custom signals.
fn bucket_queries(
    ask: Ask<'_>,
    versions: [&Version; 2],
    period: u32,
) -> Result<Vec<MetricDataQuery>, PortError> {
    let mut queries = Vec::new();
    for (arm, version) in [Arm::Canary, Arm::Baseline].into_iter().zip(versions) {
        let (source, name) = (Source::of_arm(ask, arm, version)?, arm.name());
        let mut add = |id: String, metric: &str, stat: &str| {
            queries.push(source.query(&id, metric, period, stat));
        };
        add(format!("{name}_requests"), source.requests(), "Sum");
        for (id, metric) in source.errors(&format!("{name}_errors")) {
            add(id, metric, "Sum");
        }
        for (id, metric, stat) in latency::queries(ask, arm, source.latency()) {
            add(id, &metric, &stat);
        }
        for (place, signal) in ask.rule.signals.iter().enumerate() {
            add(format!("{name}_total_{place}"), &signal.total, "Sum");
            add(format!("{name}_count_{place}"), &signal.count, "Sum");
        }
    }
    Ok(queries)
}

/// The bucket that starts then.
fn taken(results: &[MetricDataResult], ask: Ask<'_>, at: i64) -> Option<Taken> {
    let value = |id: &str| value(results, id, at);
    let counts = |arm: Arm| {
        let of_arm = |what: &str| value(&format!("{}_{what}", arm.name())).unwrap_or(0.0);
        let requests = of_arm("requests");
        let slow = latency::slow(ask, arm, requests, value);
        let errors = failed(requests, [of_arm("errors"), of_arm("errors_1")]);
        Counts { requests, errors, slow }
    };
    let tally = |arm: Arm, place: usize| Tally {
        count: value(&format!("{}_count_{place}", arm.name())).unwrap_or(0.0),
        total: value(&format!("{}_total_{place}", arm.name())).unwrap_or(0.0),
    };
    let pair =
        |place| Pair { canary: tally(Arm::Canary, place), baseline: tally(Arm::Baseline, place) };
    Some(Taken {
        at: Timestamp::from_second(at).ok()?,
        latency_ms: [Arm::Canary, Arm::Baseline].map(|arm| latency::for_people(ask, arm, value)),
        bucket: Bucket {
            canary: counts(Arm::Canary),
            baseline: counts(Arm::Baseline),
            custom: (0..ask.rule.signals.len()).map(pair).collect(),
        },
    })
}

/// Failed requests from what answered with an error and from connections that failed: one request may try
/// more than once.
fn failed(requests: f64, [answered, unconnected]: [f64; 2]) -> f64 {
    answered + unconnected.min((requests - answered).max(0.0))
}

fn all_failed(requests: &[f64], [answered, unconnected]: [Vec<f64>; 2]) -> Vec<f64> {
    let both = answered.into_iter().zip(unconnected);
    requests.iter().zip(both).map(|(of, (one, other))| failed(*of, [one, other])).collect()
}

/// One value of a series; a period without a value has none.
fn value(results: &[MetricDataResult], id: &str, at: i64) -> Option<f64> {
    let of = results.iter().filter(|result| result.id() == Some(id));
    of.flat_map(|result| result.timestamps().iter().zip(result.values()))
        .find(|(stamp, _)| stamp.secs() == at)
        .map(|(_, value)| *value)
}

/// A series at these periods, 0 where it has no value.
fn dense(results: &[MetricDataResult], id: &str, periods: &[i64]) -> Vec<f64> {
    periods.iter().map(|at| value(results, id, *at).unwrap_or(0.0)).collect()
}

/// The percentiles of the last hours with enough requests, weighed by requests; none below 100 requests
/// in a day.
fn percentiles(results: &[MetricDataResult], to: i64, unit_ms: f64) -> Vec<f64> {
    let hours = (0..=24).map(|back| to.div_euclid(HOUR) * HOUR - back * HOUR);
    let (mut requests, mut sums) = (0.0, [0.0; QUANTILES.len()]);
    for hour in hours {
        let weight = value(results, "hourly", hour).unwrap_or(0.0);
        let latencies: Vec<f64> = (0..QUANTILES.len())
            .filter_map(|place| value(results, &format!("latency_{place}"), hour))
            .collect();
        if weight > 0.0 && latencies.len() == QUANTILES.len() {
            requests += weight;
            sums.iter_mut().zip(latencies).for_each(|(sum, latency)| *sum += latency * weight);
        }
        if requests >= ENOUGH_REQUESTS {
            break;
        }
    }
    if requests < LEAST_REQUESTS {
        return Vec::new();
    }
    sums.map(|sum| unit_ms * sum / requests).to_vec()
}
