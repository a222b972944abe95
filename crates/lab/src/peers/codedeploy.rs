//! CodeDeploy-like: an alarm on errors above 5% for five minutes running.

use super::{error_rates, held_for};
use crate::trace::Trace;

/// The alarm's periods.
const MINUTES: usize = 5;
/// The alarm's threshold.
const ERRORS: f64 = 0.05;

pub(super) fn rolls_back_at(trace: &Trace) -> Option<usize> {
    held_for(MINUTES, error_rates(trace).map(|rate| rate > ERRORS))
}
