//! Families of conditions with known truth, each a named [`Scenario`].
//!
//! `plain` has lasting regressions, `onset` those that come and go, `bursts` and `noise` trouble that
//! hits one arm by chance, `shared` trouble that both arms have, `start` canaries that begin badly.

mod autoregressive;
mod bursts;
mod noise;
mod onset;
mod plain;
mod shared;
mod start;
#[cfg(test)]
mod tests;

pub use bursts::{
    burst_both, burst_clean, burst_independent, clustered_errors, three_minute_burst,
    two_minute_burst, two_minute_burst_of,
};
pub use noise::{
    autocorrelated_errors, autocorrelated_latency, collection_pauses, gamma_errors, latency_jitter,
    latency_noise, lognormal_errors, noisy_neighbour, pareto_errors,
};
pub use onset::{doubling, flapping, late_slowdown, leak, slow_leak, slow_ramp, step};
pub use plain::{
    all_errors, better, doubled_traffic, errors, hanging, healthy, heavy_tail, latency, retrying,
    slow_few, tail, tolerated,
};
pub use shared::{diurnal, outage, sawtooth, shared_drop, spike};
pub use start::{
    cold_start, fading_start, linear_fading, retry_storm, slow_after_warm_up, varied_warm_up,
    warm_up,
};

use std::fmt;
use std::sync::Arc;

use crate::conditions::{Conditions, Volume};
use crate::trace::Trace;
use crate::{Random, random};

type Change = dyn Fn(&mut Conditions, &mut Random) + Send + Sync;

/// A family of canaries: what differs from two equal arms under steady traffic.
#[derive(Clone)]
pub struct Scenario {
    name: String,
    bad: bool,
    change: Arc<Change>,
}

impl Scenario {
    /// A family whose canaries no rule should roll back.
    pub fn good(
        name: impl Into<String>,
        change: impl Fn(&mut Conditions, &mut Random) + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), bad: false, change: Arc::new(change) }
    }

    /// A family whose canaries every rule should roll back.
    pub fn bad(
        name: impl Into<String>,
        change: impl Fn(&mut Conditions, &mut Random) + Send + Sync + 'static,
    ) -> Self {
        Self { bad: true, ..Self::good(name, change) }
    }

    fn bad_if(self, bad: bool) -> Self {
        Self { bad, ..self }
    }

    /// The name in the tables.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its canaries should be rolled back.
    pub fn is_bad(&self) -> bool {
        self.bad
    }

    /// The conditions of one canary.
    pub fn conditions(&self, base: f64, random: &mut Random) -> Conditions {
        let mut conditions = Conditions::steady(base);
        (self.change)(&mut conditions, random);
        conditions
    }

    /// The canary with this number: the same for the same seed, whatever was drawn before.
    pub fn trace(&self, volume: Volume, base: f64, seed: u64, number: u64) -> Trace {
        let mut random = random(seed, number);
        self.conditions(base, &mut random).draw(volume, self.bad, &mut random)
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).field("bad", &self.bad).finish()
    }
}
