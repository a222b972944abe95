//! The sequential rule: a verdict as soon as the evidence is there, with a bound on false alarms that
//! holds however often one looks.
//!
//! Pure functions over settled buckets. `basis` fixes what has to be known before the start, `mixture`
//! weighs counts against a null, `dispersion` and `corroborate` guard against noise, `rollback` and
//! `promise` decide, `judge` walks the buckets. docs/judge.md has the argument and the
//! measurements.

mod basis;
mod bucket;
mod corroborate;
mod dispersion;
mod interval;
mod judge;
mod look;
mod method;
mod mixture;
mod plan;
mod promise;
mod rollback;
mod share;
mod sign;
mod tails;
#[cfg(test)]
mod tests;
mod track;

pub use basis::{Basis, Prior, Series};
pub use bucket::{Bucket, Counts, GROWTH, Pair, QUANTILES, Slow, Tally};
pub use corroborate::{Bursts, DropRule, Dropped, drop_blocks, drop_blocks_above};
pub use dispersion::{dispersion, history_dispersion};
pub use interval::{Interval, Intervals};
pub use judge::Judge;
pub use look::{Look, Missing, PromiseLook, RollbackSignal, Say, Signal, SignalLook};
pub use method::Method;
pub use mixture::{ABOVE_RATE, Cell, DOWN, Grid, Null, POINTS, UP, log_add, log_mean};
pub use plan::needed_requests;
pub use share::share_evidence;
pub use sign::sign_evidence;
pub use tails::{beta_inc, lower_tail, proportion_lower, upper_tail};
