//! CloudWatch: what both arms answered, and the state of the guards.

mod evidence;
mod latency;
mod source;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StateValue,
    StatusCode,
};
use perch_app::ports::{AlarmStates, PortError, ReadAlarms, ReadMetrics, Window};
use perch_core::judge::Arm;
use perch_core::names::{AlarmName, Version};
use perch_core::target::{Lambda, Quantile};

use crate::error::port_error;

/// `DescribeAlarms` takes this many names at once (API Reference, `AlarmNames`).
const ALARMS_PER_CALL: usize = 100;

/// CloudWatch of the account and region.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    client: Client,
}

impl CloudWatch {
    /// CloudWatch under this configuration.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk) }
    }

    /// The results of `queries` over the window, in one call unless CloudWatch pages.
    async fn read(
        &self,
        queries: Vec<MetricDataQuery>,
        (from, to): (i64, i64),
    ) -> Result<Vec<MetricDataResult>, PortError> {
        let mut pages = self
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(DateTime::from_secs(from))
            .end_time(DateTime::from_secs(to))
            .into_paginator()
            .send();
        let mut results = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| port_error("metrics", e))?;
            results.extend(page.metric_data_results.unwrap_or_default());
        }
        results.iter().try_for_each(complete)?;
        Ok(results)
    }
}

fn seconds(window: Window) -> (i64, i64) {
    (window.from.as_second(), window.to.as_second())
}

/// A series that `CloudWatch` could not give is no series of zeros.
fn complete(result: &MetricDataResult) -> Result<(), PortError> {
    let what = format!("metric {}", result.id().unwrap_or_default());
    let message =
        || result.messages().iter().filter_map(|m| m.value()).collect::<Vec<_>>().join("; ");
    match result.status_code() {
        Some(StatusCode::InternalError) => {
            Err(PortError::Unavailable { what, source: message().into() })
        }
        Some(StatusCode::Forbidden) => Err(PortError::Denied { what, message: message() }),
        _ => Ok(()),
    }
}

impl ReadMetrics for CloudWatch {
    async fn versions(
        &self,
        lambda: &Lambda,
        versions: [&Version; 2],
        window: Window,
        quantile: Quantile,
    ) -> Result<[Arm; 2], PortError> {
        let mut queries = Vec::new();
        for (arm, version) in ["a", "b"].into_iter().zip(versions) {
            let dimensions = of_alias(lambda, Some(version));
            queries.extend(arm_queries(arm, &dimensions, window, quantile));
        }
        let results = self.read(queries, seconds(window)).await?;
        Ok([arm("a", &results, window), arm("b", &results, window)])
    }

    async fn alias_total(
        &self,
        lambda: &Lambda,
        window: Window,
        quantile: Quantile,
    ) -> Result<Arm, PortError> {
        let queries = arm_queries("a", &of_alias(lambda, None), window, quantile);
        Ok(arm("a", &self.read(queries, seconds(window)).await?, window))
    }
}

/// The series of an alias, or of one version behind it (Lambda Developer Guide, "Types of metrics
/// for Lambda functions": `FunctionName`, `Resource`, `ExecutedVersion`).
fn of_alias(lambda: &Lambda, version: Option<&Version>) -> Vec<Dimension> {
    let alias = [
        ("FunctionName", lambda.function.to_string()),
        ("Resource", format!("{}:{}", lambda.function, lambda.alias)),
    ];
    let version = version.map(|version| ("ExecutedVersion", version.to_string()));
    dimensions(alias.into_iter().chain(version))
}

fn dimensions(of: impl IntoIterator<Item = (&'static str, String)>) -> Vec<Dimension> {
    let dimension = |(name, value)| Dimension::builder().name(name).set_value(Some(value)).build();
    of.into_iter().map(dimension).collect()
}

fn arm_queries(
    arm: &str,
    dimensions: &[Dimension],
    window: Window,
    quantile: Quantile,
) -> Vec<MetricDataQuery> {
    let quantile = quantile.to_string();
    [
        ("requests", "Invocations", "Sum"),
        ("errors", "Errors", "Sum"),
        ("latency", "Duration", quantile.as_str()),
    ]
    .into_iter()
    .map(|(id, metric, stat)| {
        let metric = Metric::builder()
            .namespace("AWS/Lambda")
            .metric_name(metric)
            .set_dimensions(Some(dimensions.to_vec()))
            .build();
        let period = i32::try_from(window.period_seconds).unwrap_or(60);
        let stat = MetricStat::builder().metric(metric).period(period).stat(stat).build();
        MetricDataQuery::builder().id(format!("{arm}_{id}")).metric_stat(stat).build()
    })
    .collect()
}

/// One arm from the results of its queries. The latency is the mean of the periods' quantiles,
/// weighted by requests: CloudWatch can't combine quantiles of several periods. It counts from where
/// the window says; requests and errors count all the time.
fn arm(name: &str, results: &[MetricDataResult], window: Window) -> Arm {
    let requests = series(results, &format!("{name}_requests"));
    let errors = series(results, &format!("{name}_errors"));
    let latency = series(results, &format!("{name}_latency"));
    let weighted: Vec<(f64, f64)> = latency
        .iter()
        .filter(|(at, _)| *at >= window.latency_from.as_second())
        .filter_map(|(at, value)| {
            let weight = requests.iter().find(|(other, _)| other == at)?.1;
            (weight > 0.0).then_some((*value, weight))
        })
        .collect();
    let weights: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let latency_ms = (weights > 0.0)
        .then(|| weighted.iter().map(|(value, weight)| value * weight).sum::<f64>() / weights);
    Arm { requests: total(&requests), errors: total(&errors), latency_ms }
}

fn series(results: &[MetricDataResult], id: &str) -> Vec<(i64, f64)> {
    results
        .iter()
        .filter(|result| result.id() == Some(id))
        .flat_map(|result| {
            result.timestamps().iter().map(DateTime::secs).zip(result.values().iter().copied())
        })
        .collect()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of counts: whole, not negative, far below 2^53"
)]
fn total(series: &[(i64, f64)]) -> u64 {
    series.iter().map(|(_, value)| value).sum::<f64>().round().max(0.0) as u64
}

impl ReadAlarms for CloudWatch {
    async fn alarms(&self, names: &[AlarmName]) -> Result<AlarmStates, PortError> {
        let mut states = AlarmStates::default();
        for chunk in names.chunks(ALARMS_PER_CALL) {
            let found = self
                .client
                .describe_alarms()
                .set_alarm_names(Some(chunk.iter().map(ToString::to_string).collect()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .max_records(100)
                .send()
                .await
                .map_err(|e| port_error("the state of alarms", e))?;
            let metric = found.metric_alarms().iter().map(|a| (a.alarm_name(), a.state_value()));
            let composite =
                found.composite_alarms().iter().map(|a| (a.alarm_name(), a.state_value()));
            let known: Vec<_> = metric.chain(composite).collect();
            for name in chunk {
                match known.iter().find(|(found, _)| *found == Some(name.as_str())) {
                    None => states.missing.push(name.clone()),
                    Some((_, Some(StateValue::Alarm))) => states.in_alarm.push(name.clone()),
                    Some(_) => {}
                }
            }
        }
        Ok(states)
    }
}
