//! Kayenta-like: at minutes 5, 10 and 15, a Mann-Whitney test on the minutes' error rates and p99s.
//! A metric fails when the lower 98% confidence limit of the shift between the arms is above a quarter
//! of the shift's own size. Minutes without requests count as free of errors.

use crate::latency::quantile;
use crate::trace::Trace;

/// When the analysis looks.
const LOOKS: [usize; 3] = [5, 10, 15];
/// The normal quantile of the lower limit.
const CONFIDENCE: f64 = 2.326;
/// The part of the median shift that the lower limit must exceed.
const TOLERANCE: f64 = 0.25;

pub(super) fn rolls_back_at(trace: &Trace) -> Option<usize> {
    let minutes = &trace.minutes;
    let errors = (
        minutes.iter().map(|minute| minute.canary.error_rate()).collect(),
        minutes.iter().map(|minute| minute.baseline.error_rate()).collect(),
    );
    let metrics: Vec<(Vec<f64>, Vec<f64>)> =
        [Some(errors), latency(trace)].into_iter().flatten().collect();
    let fails = |look: usize| metrics.iter().any(|(c, b)| is_high(&c[..look], &b[..look]));
    LOOKS.into_iter().filter(|look| *look <= minutes.len()).find(|look| fails(*look))
}

/// The p99 of every minute of the canary and of the baseline. Minutes without requests count as the
/// baseline's median; none if the baseline never had any.
fn latency(trace: &Trace) -> Option<(Vec<f64>, Vec<f64>)> {
    let p99 = |latency| quantile(latency, 0.99);
    let baseline: Vec<_> = trace.minutes.iter().map(|m| p99(&m.baseline.latency)).collect();
    let canary: Vec<_> = trace.minutes.iter().map(|m| p99(&m.canary.latency)).collect();
    let usual = median(baseline.iter().flatten().copied().collect())?;
    let filled = |arm: Vec<Option<f64>>| arm.into_iter().map(|v| v.unwrap_or(usual)).collect();
    Some((filled(canary), filled(baseline)))
}

/// Whether the canary's values are higher: the lower confidence limit of the Hodges-Lehmann shift,
/// with the rank from the normal approximation, against the tolerance.
fn is_high(canary: &[f64], baseline: &[f64]) -> bool {
    let mut shifts: Vec<f64> =
        canary.iter().flat_map(|c| baseline.iter().map(move |b| c - b)).collect();
    shifts.sort_by(f64::total_cmp);
    let pairs = shifts.len() as f64;
    let deviation = (pairs * (canary.len() + baseline.len() + 1) as f64 / 12.0).sqrt();
    let rank = (pairs / 2.0 - CONFIDENCE * deviation).round().max(1.0) as usize;
    let lower = shifts.get(rank - 1).copied();
    lower.zip(median(shifts)).is_some_and(|(lower, shift)| lower > TOLERANCE * shift.abs())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}
