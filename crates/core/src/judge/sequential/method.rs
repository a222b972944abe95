//! The numbers of the method, and its presets.

use super::corroborate::{Bursts, DropRule};

/// Every number that the judge decides by. docs/judge.md, sections 1 to 5 and 7.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Method {
    /// The null ratio of error rates; above it the evidence grows.
    pub error_ratio: f64,
    /// How many thresholds up the canary's slow requests begin.
    pub slow_from: usize,
    /// The estimate of the error rate must reach this ratio to the baseline's ...
    pub gate_ratio: f64,
    /// ... and this much more, before errors may roll back.
    pub gate_margin: f64,
    /// How many thresholds up the canary must have as many slow requests as the baseline at its own.
    pub gate_slow: usize,
    /// The estimate must be beyond its gate at this one-sided level; 1 is the estimate alone.
    pub gate_level: f64,
    /// The same of the slow requests.
    pub gate_level_latency: f64,
    /// The absolute limit on the error rate.
    pub error_limit: f64,
    /// The weight of the errors in the combined evidence.
    pub weight_errors: f64,
    /// The weight of the absolute limit.
    pub weight_limit: f64,
    /// The weight of each latency quantile.
    pub weight_latency: f64,
    /// The share of weights and levels that custom signals get, where there are any.
    pub custom_share: f64,
    /// The shares of the evidence that is counted from the beginning, from the second third of the
    /// planned time on, and from the last; latency is counted from the beginning alone.
    pub starts: [f64; 3],
    /// Blocks before the first rollback, unless the canary is beyond the absolute limit or a catastrophe.
    pub least_blocks_back: usize,
    /// The level of the looks.
    pub alpha_looks: f64,
    /// The level of the last look for errors.
    pub alpha_end_errors: f64,
    /// The level of the last look for each latency quantile.
    pub alpha_end_latency: f64,
    /// The evidence that must be left without the dropped blocks.
    pub corroboration: f64,
    /// The same of latency, whose first blocks are always dropped.
    pub corroboration_latency: f64,
    /// Whether slow requests must be beyond their gate without the dropped blocks, too; and whether the
    /// promotion's guard leaves their dropped blocks out.
    pub latency_lasts: bool,
    /// The level of the last look that must be left without the dropped blocks.
    pub corroboration_end: f64,
    /// Which blocks are dropped of errors.
    pub drop_errors: DropRule,
    /// Which blocks are dropped of latency.
    pub drop_latency: DropRule,
    /// Minute-to-minute jitter of error rates that is never evidence, as a coefficient of variation.
    pub jitter_errors: f64,
    /// The same of the shares of slow requests.
    pub jitter_latency: f64,
    /// The most that the history's dispersion counts.
    pub dispersion_cap: f64,
    /// The level of each early test of the promotion.
    pub beta_looks: f64,
    /// The level of the last tests of the promotion.
    pub beta_end: f64,
    /// The part of it that bounds the baseline's error rate.
    pub beta_baseline: f64,
    /// A promoted canary has at most this many times the baseline's errors ...
    pub promise_ratio: f64,
    /// ... and this much more: the least of it,
    pub promise_least: f64,
    /// the most of it,
    pub promise_most: f64,
    /// and what it grows by with few planned requests: a constant number of errors,
    pub promise_errors: f64,
    /// and a number of standard deviations.
    pub promise_deviations: f64,
    /// How many thresholds up a promoted canary may be slower: 2 are 1.2 times.
    pub promise_slow: usize,
    /// Slow requests to be planned for before a quantile above p90 is tested for the promotion.
    pub promise_events: f64,
    /// Blocks at the beginning that say nothing for the promotion.
    pub warm_up: usize,
    /// Blocks before the first promotion.
    pub least_blocks: usize,
    /// No gated signal may have this much evidence against the canary at the promotion.
    pub guard: f64,
}

/// The method as published, normal.
const PUBLISHED: Method = Method {
    error_ratio: 1.0,
    slow_from: 0,
    gate_ratio: 1.25,
    gate_margin: 1e-4,
    gate_slow: 1,
    gate_level: 1.0,
    gate_level_latency: 1.0,
    error_limit: 0.05,
    weight_errors: 0.40,
    weight_limit: 0.08,
    weight_latency: 0.13,
    custom_share: 0.2,
    starts: [1.0, 0.0, 0.0],
    least_blocks_back: 1,
    alpha_looks: 0.005,
    alpha_end_errors: 0.003,
    alpha_end_latency: 0.0005,
    corroboration: 20.0,
    corroboration_latency: 20.0,
    latency_lasts: false,
    corroboration_end: 0.05,
    drop_errors: DropRule { first: 0, always: 1, most: 2, bursts: None, outlier: 0.01 },
    drop_latency: DropRule { first: 0, always: 2, most: 3, bursts: None, outlier: 0.01 },
    jitter_errors: 0.10,
    jitter_latency: 0.20,
    dispersion_cap: 16.0,
    beta_looks: 0.01,
    beta_end: 0.04,
    beta_baseline: 0.002,
    promise_ratio: 2.0,
    promise_least: 0.002,
    promise_most: 0.01,
    promise_errors: 4.6,
    promise_deviations: 2.0,
    promise_slow: 2,
    promise_events: 20.0,
    warm_up: 2,
    least_blocks: 3,
    guard: 2.0,
};

impl Method {
    /// Whether this highest ln E of a gated signal keeps a canary from going on.
    pub fn leans_against(&self, guard: Option<f64>) -> bool {
        guard.is_some_and(|guard| guard >= self.guard.ln())
    }

    /// The method as published, with its normal preset.
    pub const fn published() -> Self {
        PUBLISHED
    }

    /// Rolls back any proven slowdown or increase; promotes within 1.5 times the errors and 0.1 points.
    pub const fn strict() -> Self {
        Self {
            gate_ratio: 1.0,
            gate_margin: 0.0,
            gate_slow: 0,
            promise_ratio: 1.5,
            promise_least: 0.001,
            promise_errors: 0.0,
            promise_deviations: 0.0,
            ..Self::normal()
        }
    }

    /// Rolls back what is proven and beyond 1.25 times the errors or 9.5 % slower.
    ///
    /// The published method, and what goes beyond it (docs/judge.md, section 7).
    pub const fn normal() -> Self {
        Self {
            gate_level: 0.2,
            gate_level_latency: 0.2,
            starts: [0.8, 0.1, 0.1],
            least_blocks_back: 3,
            corroboration_latency: 2.0,
            latency_lasts: true,
            drop_errors: DropRule {
                bursts: Some(Bursts { most: 2, longest: 2 }),
                outlier: 0.03,
                ..PUBLISHED.drop_errors
            },
            drop_latency: DropRule { first: 3, always: 1, ..PUBLISHED.drop_latency },
            ..PUBLISHED
        }
    }

    /// Holds its level for anything up to 1.25 times the errors and 1.2 times the latency.
    pub const fn lenient() -> Self {
        Self {
            error_ratio: 1.25,
            slow_from: 2,
            gate_slow: 2,
            promise_errors: 7.0,
            promise_most: 0.02,
            ..Self::normal()
        }
    }
}
