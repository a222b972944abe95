//! The counts that evidence is made of: sums, and counts of slow requests, per version and period.

use aws_sdk_cloudwatch::types::{MetricDataQuery, MetricDataResult};
use jiff::Timestamp;
use perch_app::ports::{Ask, History, PortError, ReadEvidence, Taken, Window};
use perch_core::judge::sequential::{Bucket, Counts, GROWTH, Pair, QUANTILES, Slow, Tally};
use perch_core::names::FunctionVersion;
use perch_core::target::JudgeRule;

use super::CloudWatch;
use super::source::Source;

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
        serving: &FunctionVersion,
        until: Timestamp,
        period_seconds: u32,
    ) -> Result<History, PortError> {
        let source = Source::before_release(ask, serving);
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
            errors: series("errors"),
            custom,
            latency_ms: percentiles(&results, to),
        })
    }

    async fn buckets(
        &self,
        ask: Ask<'_>,
        versions: [&FunctionVersion; 2],
        window: Window,
    ) -> Result<Vec<Taken>, PortError> {
        let period = window.period_seconds;
        let queries = bucket_queries(ask, versions, period);
        let (from, to) = (window.from.as_second(), window.to.as_second());
        let results = self.read(queries, (from, to)).await?;
        let starts = (from..to).step_by(usize::try_from(period).unwrap_or(60).max(1));
        Ok(starts.filter_map(|at| taken(&results, ask, at)).collect())
    }

    fn queries(&self, ask: Ask<'_>, versions: [&FunctionVersion; 2]) -> Vec<String> {
        let queries = bucket_queries(ask, versions, 60);
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
        source.query("errors", source.errors(), period, "Sum"),
        source.query("hourly", source.requests(), 3600, "Sum"),
    ];
    for (place, quantile) in QUANTILES.iter().enumerate() {
        let stat = format!("p{:.0}", quantile * 100.0);
        queries.push(source.query(&format!("latency_{place}"), source.latency(), 3600, &stat));
    }
    for (place, signal) in ask.rule.signals.iter().enumerate() {
        queries.push(source.query(&format!("total_{place}"), &signal.total, period, "Sum"));
        queries.push(source.query(&format!("count_{place}"), &signal.count, period, "Sum"));
    }
    queries
}

/// Per arm: requests, errors, the latency for people, slow requests, custom signals. Of the canary, slow
/// requests are counted at three thresholds per quantile.
fn bucket_queries(
    ask: Ask<'_>,
    versions: [&FunctionVersion; 2],
    period: u32,
) -> Vec<MetricDataQuery> {
    let mut queries = Vec::new();
    for (arm, version) in ["canary", "baseline"].into_iter().zip(versions) {
        let source = Source::of_version(ask, version);
        let mut add = |id: String, metric: &str, stat: &str| {
            queries.push(source.query(&id, metric, period, stat));
        };
        add(format!("{arm}_requests"), source.requests(), "Sum");
        add(format!("{arm}_errors"), source.errors(), "Sum");
        let quantile = ask.rule.latency.quantile.to_string();
        add(format!("{arm}_latency"), source.latency(), &quantile);
        for (place, threshold) in ask.thresholds_ms.iter().enumerate() {
            for (step, limit) in limits(arm, *threshold, ask.rule) {
                let stat = format!("TC({limit:.3}:)");
                add(format!("{arm}_slow_{place}_{step}"), source.latency(), &stat);
            }
        }
        for (place, signal) in ask.rule.signals.iter().enumerate() {
            add(format!("{arm}_total_{place}"), &signal.total, "Sum");
            add(format!("{arm}_count_{place}"), &signal.count, "Sum");
        }
    }
    queries
}

/// From which latencies on a request of an arm is slow, by the steps of `Slow`. A difference within the
/// rule's tolerance is none: it lifts the limits of the canary's gate and of its promise.
fn limits(arm: &str, threshold: f64, rule: &JudgeRule) -> impl Iterator<Item = (usize, f64)> {
    let tolerated = threshold + rule.latency.tolerance.as_millis();
    let grown = |growth: f64| (threshold * growth).max(tolerated);
    let all = [threshold, grown(GROWTH), grown(GROWTH * GROWTH)];
    all.into_iter().enumerate().take(if arm == "canary" { 3 } else { 1 })
}

/// The bucket that starts then.
fn taken(results: &[MetricDataResult], ask: Ask<'_>, at: i64) -> Option<Taken> {
    let value = |id: &str| value(results, id, at);
    let counts = |arm: &str| {
        let mut slow = [Slow::default(); 4];
        for (place, slow) in slow.iter_mut().enumerate().take(ask.thresholds_ms.len()) {
            let count = |step: usize| value(&format!("{arm}_slow_{place}_{step}")).unwrap_or(0.0);
            *slow = if arm == "canary" { [0, 1, 2].map(count) } else { [count(0); 3] };
        }
        Counts {
            requests: value(&format!("{arm}_requests")).unwrap_or(0.0),
            errors: value(&format!("{arm}_errors")).unwrap_or(0.0),
            slow,
        }
    };
    let tally = |arm: &str, place: usize| Tally {
        count: value(&format!("{arm}_count_{place}")).unwrap_or(0.0),
        total: value(&format!("{arm}_total_{place}")).unwrap_or(0.0),
    };
    let pair = |place| Pair { canary: tally("canary", place), baseline: tally("baseline", place) };
    Some(Taken {
        at: Timestamp::from_second(at).ok()?,
        latency_ms: [value("canary_latency"), value("baseline_latency")],
        bucket: Bucket {
            canary: counts("canary"),
            baseline: counts("baseline"),
            custom: (0..ask.rule.signals.len()).map(pair).collect(),
        },
    })
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
fn percentiles(results: &[MetricDataResult], to: i64) -> Vec<f64> {
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
    sums.map(|sum| sum / requests).to_vec()
}
