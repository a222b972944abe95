//! The sign test, where a service publishes percentiles and nothing else.

/// Chances of the canary's percentile being the higher one, under the alternatives.
const CHANCES: [f64; 5] = [0.6, 0.7, 0.8, 0.9, 0.99];

/// ln E of `higher` of `of` buckets in which the canary's percentile was above the baseline's, against
/// a fair coin. Approximate: percentiles of a small arm are biased. docs/judge.md, section 4.
pub fn sign_evidence(higher: f64, of: f64) -> f64 {
    let two = std::f64::consts::LN_2;
    let logs = CHANCES.map(|q: f64| of * two + higher * q.ln() + (of - higher) * (1.0 - q).ln());
    let top = logs.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let mean = logs.iter().map(|log| (log - top).exp()).sum::<f64>() / 5.0;
    top + mean.ln()
}
