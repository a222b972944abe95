//! Whether a canary is as good as a promotion promises: not more than about twice the errors, and not
//! more than 1.2 times slower. docs/judge.md, section 4.

use super::judge::{Judge, Watched};
use super::look::{PromiseLook, Say, Signal};
use super::method::Method;
use super::mixture::{Cell, Factors, Grid, Null, POINTS, log_mean};
use super::tails::{lower_tail, proportion_lower};
use super::track::split;

/// The test of one signal against "worse than promised".
#[derive(Debug, Clone)]
pub(super) struct Promise {
    null: Null,
    /// Whether the promotion rests on it.
    required: bool,
    /// Blocks after the warm-up.
    blocks: Vec<Cell>,
    sums: Grid,
    /// The highest evidence at any bucket so far: once shown is shown.
    highest: f64,
}

impl Promise {
    /// A test against this null.
    pub(super) fn of(null: Null, required: bool) -> Self {
        Self { null, required, blocks: Vec::new(), sums: [0.0; POINTS], highest: f64::NEG_INFINITY }
    }

    /// Adds a bucket after the warm-up, divided by the signal's dispersion.
    pub(super) fn push(&mut self, cell: &Cell, dispersion: f64, begins: bool, known: &mut Factors) {
        if begins || self.blocks.is_empty() {
            self.blocks.push(Cell::default());
        }
        if let Some(block) = self.blocks.last_mut() {
            block.add(cell);
        }
        self.null.add_from(known, cell, dispersion, &mut self.sums);
        self.highest = self.highest.max(log_mean(&self.sums));
    }

    /// The probability of so few events if the canary were worse than promised.
    fn tail(&self, signal: &Signal, method: &Method, dispersion: f64) -> f64 {
        if matches!(signal, Signal::Latency(_)) {
            let (canary, events, share) = split(&self.blocks, 1.0, |_| true);
            return lower_tail(canary, events, share, dispersion);
        }
        let sum = Cell::sum(&self.blocks);
        let limit =
            self.null.ratio * self.lowest_split(&sum) * baseline_limit(&sum, method, dispersion)
                + self.null.margin;
        let tail = lower_tail(sum.canary, sum.canary_of, limit.min(0.999), dispersion);
        (tail + method.beta_baseline).min(1.0)
    }

    /// The lowest split of a block relative to that of the whole, at most 1: with a ramp the blocks with
    /// little canary traffic could have had all of the baseline's good times.
    fn lowest_split(&self, sum: &Cell) -> f64 {
        let splits = self.blocks.iter().filter(|block| block.is_shared());
        let lowest = splits.map(|block| block.canary_of / block.baseline_of).reduce(f64::min);
        lowest.map_or(0.0, |low| (low * sum.baseline_of / sum.canary_of.max(1.0)).min(1.0))
    }
}

/// A lower limit of the baseline's rate, the smaller with and without its dispersion.
fn baseline_limit(sum: &Cell, method: &Method, dispersion: f64) -> f64 {
    let limit = |phi| proportion_lower(sum.baseline, sum.baseline_of, method.beta_baseline, phi);
    limit(1.0).min(limit(dispersion))
}

/// The test of a signal at a look.
pub(super) fn look(judge: &Judge<'_>, watched: &Watched) -> Option<PromiseLook> {
    let promise = watched.promise.as_ref()?;
    let dispersion = watched.track.dispersion;
    Some(PromiseLook {
        signal: watched.signal.clone(),
        evidence: promise.highest.max(0.0),
        required: promise.required,
        tail: judge.is_end().then(|| promise.tail(&watched.signal, judge.method, dispersion)),
    })
}

/// A promotion, if every required test passes and nothing speaks against it.
pub(super) fn say(judge: &Judge<'_>, looks: &[PromiseLook], guard: Option<f64>) -> Option<Say> {
    let method = judge.method;
    if method.leans_against(guard) {
        return None;
    }
    let all = |passes: &dyn Fn(&PromiseLook) -> bool| {
        looks.iter().filter(|look| look.required).all(passes)
    };
    let needed = (1.0 / method.beta_looks).ln();
    let shown = judge.blocks() >= method.least_blocks && all(&|look| look.evidence >= needed);
    let at_end = || all(&|look| look.tail.is_some_and(|tail| tail <= method.beta_end));
    (shown || at_end()).then_some(Say::Promote { at_end: !shown })
}
