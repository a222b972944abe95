//! Whether the canary gets the share of traffic that it should.

use super::mixture::{DOWN, log_mean};

/// ln E against "the canary's share of requests is at least `least`", 0 to 1.
///
/// `least` is half the configured weight: an alias that was meant to send 10 % and sends 1 % would
/// promote on a tenth of the evidence. docs/judge.md, section 4.
pub fn share_evidence(canary_requests: f64, baseline_requests: f64, least: f64) -> f64 {
    log_mean(&DOWN.map(|g| {
        let other: f64 = (1.0 - least * g) / (1.0 - least);
        canary_requests * g.ln() + baseline_requests * other.ln()
    }))
}
