//! Where the metrics of an arm are: `AWS/Lambda`, `AWS/ApplicationELB`, or the service's own namespace.

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use perch_app::ports::{Ask, PortError};
use perch_core::names::Version;
use perch_core::release::Driver;

use super::latency::Arm;
use super::{dimensions, of_alias};

/// A namespace, the names of its metrics, and the dimensions of one series.
#[derive(Debug)]
pub(super) struct Source<'a> {
    namespace: &'a str,
    requests: &'a str,
    errors: Vec<&'a str>,
    latency: &'a str,
    dimensions: Vec<Dimension>,
}

impl<'a> Source<'a> {
    /// What an arm answers while traffic splits.
    pub(super) fn of_arm(ask: Ask<'a>, arm: Arm, version: &Version) -> Result<Self, PortError> {
        Self::of(ask, arm, version, Some(version))
    }

    /// What the version that serves alone answered: `AWS/Lambda` has the alias's series for it.
    pub(super) fn before_release(ask: Ask<'a>, version: &Version) -> Result<Self, PortError> {
        Self::of(ask, Arm::Baseline, version, None)
    }

    fn of(
        ask: Ask<'a>,
        arm: Arm,
        version: &Version,
        executed: Option<&Version>,
    ) -> Result<Self, PortError> {
        if let Some(own) = &ask.rule.metrics {
            // As the snippets of docs/metrics.md publish them.
            let service = own.service.clone().unwrap_or_else(|| ask.driver.name().to_owned());
            return Ok(Self {
                namespace: &own.namespace,
                requests: &own.requests,
                errors: vec![&own.errors],
                latency: &own.latency,
                dimensions: dimensions([("Service", service), ("Version", version.to_string())]),
            });
        }
        match ask.driver {
            Driver::Alias(lambda) => Ok(Self {
                namespace: "AWS/Lambda",
                requests: "Invocations",
                errors: vec!["Errors"],
                latency: "Duration",
                dimensions: of_alias(lambda, executed),
            }),
            Driver::Service(_) => Self::of_balancer(ask, arm),
            Driver::Servers(_) => {
                Err(unknown(ask, "model servers publish metrics of their own: name them"))
            }
        }
    }

    /// What a load balancer counted for one of its target groups ("CloudWatch metrics for your Application
    /// Load Balancer"): responses of 5xx, and connections that no target took; latency in seconds.
    fn of_balancer(ask: Ask<'a>, arm: Arm) -> Result<Self, PortError> {
        let groups = ask.groups.ok_or_else(|| unknown(ask, "its target groups are not known"))?;
        let group = match arm {
            Arm::Canary => &groups.canary,
            Arm::Baseline => &groups.baseline,
        };
        let of = [("TargetGroup", group.clone()), ("LoadBalancer", groups.balancer.clone())];
        Ok(Self {
            namespace: "AWS/ApplicationELB",
            requests: "RequestCount",
            errors: vec!["HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount"],
            latency: "TargetResponseTime",
            dimensions: dimensions(of),
        })
    }

    pub(super) fn requests(&self) -> &'a str {
        self.requests
    }

    /// The metrics of failed requests with ids for their queries: `id`, then `id_1`.
    pub(super) fn errors(&self, id: &str) -> impl Iterator<Item = (String, &'a str)> {
        let id = id.to_owned();
        let id_of = move |place| if place == 0 { id.clone() } else { format!("{id}_{place}") };
        self.errors.iter().enumerate().map(move |(place, metric)| (id_of(place), *metric))
    }

    pub(super) fn latency(&self) -> &'a str {
        self.latency
    }

    /// A query of one statistic of one metric.
    pub(super) fn query(&self, id: &str, metric: &str, period: u32, stat: &str) -> MetricDataQuery {
        let metric = Metric::builder()
            .namespace(self.namespace)
            .metric_name(metric)
            .set_dimensions(Some(self.dimensions.clone()))
            .build();
        let period = i32::try_from(period).unwrap_or(60);
        let stat = MetricStat::builder().metric(metric).period(period).stat(stat).build();
        MetricDataQuery::builder().id(id).metric_stat(stat).build()
    }
}

/// How many milliseconds a latency of 1 is: a load balancer tells seconds.
pub(super) fn unit_ms(ask: Ask<'_>) -> f64 {
    match (&ask.rule.metrics, ask.driver) {
        (None, Driver::Service(_)) => 1000.0,
        _ => 1.0,
    }
}

fn unknown(ask: Ask<'_>, message: &str) -> PortError {
    PortError::Invalid { what: format!("the metrics of {}", ask.driver), message: message.into() }
}
