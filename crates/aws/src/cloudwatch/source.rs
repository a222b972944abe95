//! Where the metrics of a version are: `AWS/Lambda`, or the service's own namespace.

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use perch_app::ports::Ask;
use perch_core::names::Version;

use super::dimensions;

/// A namespace, the names of its metrics, and the dimensions of one series.
#[derive(Debug)]
pub(super) struct Source<'a> {
    ask: Ask<'a>,
    dimensions: Vec<Dimension>,
}

impl<'a> Source<'a> {
    /// What a version answers behind the alias while it splits.
    pub(super) fn of_version(ask: Ask<'a>, version: &Version) -> Self {
        let own = own_dimensions(ask, version);
        let dimensions = own.unwrap_or_else(|| of_alias(ask, Some(version)));
        Self { ask, dimensions }
    }

    /// What the version that serves alone answered: `AWS/Lambda` has the alias's series for it.
    pub(super) fn before_release(ask: Ask<'a>, version: &Version) -> Self {
        let own = own_dimensions(ask, version);
        Self { ask, dimensions: own.unwrap_or_else(|| of_alias(ask, None)) }
    }

    pub(super) fn requests(&self) -> &'a str {
        self.ask.rule.metrics.as_ref().map_or("Invocations", |own| &own.requests)
    }

    pub(super) fn errors(&self) -> &'a str {
        self.ask.rule.metrics.as_ref().map_or("Errors", |own| &own.errors)
    }

    pub(super) fn latency(&self) -> &'a str {
        self.ask.rule.metrics.as_ref().map_or("Duration", |own| &own.latency)
    }

    /// A query of one statistic of one metric.
    pub(super) fn query(&self, id: &str, metric: &str, period: u32, stat: &str) -> MetricDataQuery {
        let own = self.ask.rule.metrics.as_ref();
        let metric = Metric::builder()
            .namespace(own.map_or("AWS/Lambda", |own| &own.namespace))
            .metric_name(metric)
            .set_dimensions(Some(self.dimensions.clone()))
            .build();
        let period = i32::try_from(period).unwrap_or(60);
        let stat = MetricStat::builder().metric(metric).period(period).stat(stat).build();
        MetricDataQuery::builder().id(id).metric_stat(stat).build()
    }
}

/// Only an alias has metrics without the service's doing.
fn of_alias(ask: Ask<'_>, version: Option<&Version>) -> Vec<Dimension> {
    ask.driver.alias().map(|lambda| dimensions(lambda, version)).unwrap_or_default()
}

/// `Service` and `Version`, as the snippets of docs/metrics.md publish them.
fn own_dimensions(ask: Ask<'_>, version: &Version) -> Option<Vec<Dimension>> {
    let own = ask.rule.metrics.as_ref()?;
    let service = own.service.clone().unwrap_or_else(|| ask.driver.name().to_owned());
    let dimension =
        |name: &str, value: String| Dimension::builder().name(name).value(value).build();
    Some(vec![dimension("Service", service), dimension("Version", version.to_string())])
}
