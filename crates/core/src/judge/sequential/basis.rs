//! What is fixed before the canary gets traffic, from the baseline's history.

use serde::{Deserialize, Serialize};

use super::dispersion::history_dispersion;
use super::method::Method;

/// The prior and the plan of a release's judgement. Predictable: nothing of it depends on the canary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The length of a bucket in seconds.
    pub bucket_seconds: u32,
    /// The length of a block in seconds: bursts and jitter are thought of by the block. A minute, or a
    /// bucket where that is longer.
    pub block_seconds: u32,
    /// Blocks until the last look.
    pub blocks: u32,
    /// The canary's share of traffic at the first weight, 0 to 1.
    pub share: f64,
    /// Canary requests that are expected in a block at that weight.
    pub requests: f64,
    /// The baseline's share of failed requests in its history.
    pub error_rate: f64,
    /// How much the baseline's errors varied beyond chance, scaled to the share; 1 is chance alone.
    pub dispersion: f64,
    /// Blocks of history that were there.
    pub history: u32,
    /// Blocks at the beginning in which latency is not judged.
    #[serde(default)]
    pub latency_warm_up: u32,
    /// The latencies of the baseline's history at the quantiles, in milliseconds; empty where there are
    /// too few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds_ms: Vec<f64>,
    /// A canary that is slower by this many milliseconds at most is not slower.
    #[serde(default)]
    pub tolerance_ms: f64,
    /// The custom signals' history, in the order of the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<Prior>,
}

/// What the history says of a custom signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prior {
    /// The signal's name.
    pub name: String,
    /// What is counted of in a block of the canary, expected.
    pub total: f64,
    /// The baseline's share of events.
    pub rate: f64,
    /// As of the errors.
    pub dispersion: f64,
}

/// The baseline's history: requests and events by block, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// What could have been an event.
    pub requests: &'a [f64],
    /// Events.
    pub events: &'a [f64],
    /// The share of all traffic that these requests are: 1 before a release.
    pub of_traffic: f64,
}

impl Series<'_> {
    /// The share of events of all.
    fn rate(&self) -> f64 {
        self.events.iter().sum::<f64>() / self.requests.iter().sum::<f64>().max(1.0)
    }

    /// Requests of the canary in a block, expected at a share of traffic.
    fn planned(&self, share: f64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "an hour has 60 blocks")]
        let blocks = self.requests.len().max(1) as f64;
        self.requests.iter().sum::<f64>() / blocks / self.of_traffic * share
    }
}

impl Basis {
    /// Fixes the basis from the history of errors.
    pub fn new(bucket_seconds: u32, blocks: u32, share: f64, errors: &Series<'_>) -> Self {
        Self {
            bucket_seconds,
            block_seconds: bucket_seconds.max(60),
            blocks,
            share,
            requests: errors.planned(share),
            error_rate: errors.rate(),
            dispersion: history_dispersion(errors.requests, errors.events, share, f64::INFINITY),
            history: u32::try_from(errors.requests.len()).unwrap_or(u32::MAX),
            latency_warm_up: 0,
            thresholds_ms: Vec::new(),
            tolerance_ms: 0.0,
            custom: Vec::new(),
        }
    }

    /// Adds the history of a custom signal.
    #[must_use]
    pub fn with_custom(mut self, name: &str, series: &Series<'_>) -> Self {
        self.custom.push(Prior {
            name: name.to_owned(),
            total: series.planned(self.share),
            rate: series.rate(),
            dispersion: history_dispersion(
                series.requests,
                series.events,
                self.share,
                f64::INFINITY,
            ),
        });
        self
    }

    /// Buckets in a block, such as six of 10 seconds in a minute.
    pub fn buckets_per_block(&self) -> usize {
        (self.block_seconds / self.bucket_seconds.max(1)).max(1) as usize
    }

    /// Canary requests that are planned for the promotion, without the warm-up.
    pub fn plan(&self, method: &Method) -> f64 {
        self.requests * self.blocks_after_warm_up(method)
    }

    fn blocks_after_warm_up(&self, method: &Method) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a warm-up has a few blocks")]
        let warm_up = method.warm_up as f64;
        (f64::from(self.blocks) - warm_up).max(1.0)
    }

    /// What a promoted canary may have more than twice the baseline's error rate: wider with fewer
    /// planned requests, and said in the verdict.
    pub fn tolerance(&self, method: &Method) -> f64 {
        tolerance(method, self.plan(method), self.error_rate)
    }

    /// The same of a custom signal.
    pub fn custom_tolerance(&self, method: &Method, prior: &Prior) -> f64 {
        tolerance(method, prior.total * self.blocks_after_warm_up(method), prior.rate)
    }

    /// Whether a quantile above p90 has enough planned slow requests to be tested for the promotion.
    pub fn tests_quantile(&self, method: &Method, quantile: f64) -> bool {
        quantile <= 0.9 || self.plan(method) * (1.0 - quantile) >= method.promise_events
    }

    /// The prior dispersion of errors.
    pub fn error_prior(&self, method: &Method) -> f64 {
        prior(method, self.dispersion, self.requests * self.error_rate)
    }

    /// The prior dispersion of a custom signal.
    pub fn custom_prior(method: &Method, custom: &Prior) -> f64 {
        prior(method, custom.dispersion, custom.total * custom.rate)
    }

    /// The prior dispersion of slow requests at a quantile.
    pub fn latency_prior(&self, method: &Method, quantile: f64) -> f64 {
        1.0 + method.jitter_latency.powi(2) * self.requests * (1.0 - quantile)
    }
}

fn tolerance(method: &Method, plan: f64, rate: f64) -> f64 {
    let errors = method.promise_errors + method.promise_deviations * (plan * rate).sqrt();
    (errors / plan.max(1.0)).max(method.promise_least).min(method.promise_most)
}

fn prior(method: &Method, dispersion: f64, events: f64) -> f64 {
    dispersion.min(method.dispersion_cap).max(1.0 + method.jitter_errors.powi(2) * events)
}
