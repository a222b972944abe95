//! The judge: buckets in, looks out.
//!
//! A [`Judge`] is made anew at each look and gets every settled bucket in order, so a look depends on
//! nothing but the basis, the method and the buckets.

use super::basis::Basis;
use super::bucket::{Bucket, Counts, QUANTILES};
use super::look::{Look, Say, Signal, SignalLook};
use super::method::Method;
use super::mixture::{ABOVE_RATE, Cell, DOWN, Factors, Null, UP, log_add};
use super::promise::{self, Promise};
use super::rollback;
use super::track::Track;

/// The quantiles that a promotion promises something of, by their places in [`QUANTILES`].
const PROMISED: [usize; 3] = [0, 1, 3];

/// A signal with everything that its gate, its last look and its promise need.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) signal: Signal,
    pub(super) weight: f64,
    /// The level of the last look; none for the absolute limit.
    pub(super) alpha_end: Option<f64>,
    pub(super) track: Track,
    /// What the gate compares, by block.
    pub(super) gate_blocks: Vec<Cell>,
    /// The test of the promotion.
    pub(super) promise: Option<Promise>,
}

/// The judge of one release.
#[derive(Debug, Clone)]
pub struct Judge<'a> {
    pub(super) basis: &'a Basis,
    pub(super) method: &'a Method,
    pub(super) watched: Vec<Watched>,
    buckets: usize,
    factors: Factors,
}

impl<'a> Judge<'a> {
    /// A judge that has seen nothing.
    pub fn new(basis: &'a Basis, method: &'a Method) -> Self {
        Self {
            basis,
            method,
            watched: signals(basis, method),
            buckets: 0,
            factors: Factors::default(),
        }
    }

    /// The look at the end of these buckets.
    pub fn at_end_of(basis: &'a Basis, method: &'a Method, buckets: &[Bucket]) -> Look {
        let mut judge = Self::new(basis, method);
        buckets.iter().for_each(|bucket| judge.push(bucket));
        judge.look()
    }

    /// A look after each of these buckets.
    pub fn at_each_of(basis: &'a Basis, method: &'a Method, buckets: &[Bucket]) -> Vec<Look> {
        let mut judge = Self::new(basis, method);
        let look = |bucket| {
            judge.push(bucket);
            judge.look()
        };
        buckets.iter().map(look).collect()
    }

    /// Adds the next settled bucket.
    pub fn push(&mut self, bucket: &Bucket) {
        let per_block = self.basis.buckets_per_block();
        let begins = self.buckets.is_multiple_of(per_block);
        self.buckets += 1;
        let ends = self.buckets.is_multiple_of(per_block);
        let block = self.blocks();
        let warm = block > self.method.warm_up;
        let hides_latency = block <= self.basis.latency_warm_up as usize;
        for (index, watched) in self.watched.iter_mut().enumerate() {
            let cells = if hides_latency && matches!(watched.signal, Signal::Latency(_)) {
                Cells::of(&watched.signal, self.method, &without_latency(bucket), index)
            } else {
                Cells::of(&watched.signal, self.method, bucket, index)
            };
            if let (Some(promise), true) = (&mut watched.promise, warm) {
                let dispersion = watched.track.dispersion;
                promise.push(&cells.promise, dispersion, begins, &mut self.factors);
            }
            watched.track.push(&cells.evidence, (begins, ends, warm), &mut self.factors);
            if begins {
                watched.gate_blocks.push(Cell::default());
            }
            if let Some(block) = watched.gate_blocks.last_mut() {
                block.add(&cells.gate);
            }
        }
    }

    /// Blocks so far; the last may be under way.
    pub(super) fn blocks(&self) -> usize {
        self.buckets.div_ceil(self.basis.buckets_per_block())
    }

    /// Whether this is the last look that was declared at the start.
    pub fn is_end(&self) -> bool {
        self.buckets == self.basis.blocks as usize * self.basis.buckets_per_block()
    }

    /// What the buckets so far say.
    pub fn look(&self) -> Look {
        let signals: Vec<SignalLook> =
            self.watched.iter().map(|watched| rollback::signal(self, watched)).collect();
        let combined = |pick: &dyn Fn(&SignalLook) -> Option<f64>| {
            let weighed = |signal| pick(signal).map(|x| signal.weight.ln() + x);
            signals.iter().filter_map(weighed).reduce(log_add)
        };
        let mut look = Look {
            blocks: u32::try_from(self.blocks()).unwrap_or(u32::MAX),
            buckets: u32::try_from(self.buckets).unwrap_or(u32::MAX),
            evidence: combined(&|signal| Some(signal.evidence)).unwrap_or_default(),
            gated: combined(&|signal| signal.gated),
            corroborated: combined(&|signal| {
                signal.gate.then(|| signal.corroborated + rollback::scale(self.method, signal))
            }),
            promises: self.watched.iter().filter_map(|w| promise::look(self, w)).collect(),
            guard: self.guard(),
            tolerance: self.basis.tolerance(self.method),
            say: Say::Wait,
            signals,
        };
        look.say = rollback::say(self, &look)
            .or_else(|| promise::say(self, &look.promises, look.guard))
            .or_else(|| self.is_end().then(|| rollback::inconclusive(self)))
            .unwrap_or(Say::Wait);
        look
    }

    /// The highest evidence of a signal that is beyond its gate after the warm-up.
    fn guard(&self) -> Option<f64> {
        let gated = self.watched.iter().filter(|w| rollback::is_gated_warm(self.method, w));
        gated.map(|watched| rollback::warm_evidence(self, watched)).reduce(f64::max)
    }
}

/// Errors, the absolute limit, four quantiles of latency, then the custom signals.
fn signals(basis: &Basis, method: &Method) -> Vec<Watched> {
    let custom = if basis.custom.is_empty() { 0.0 } else { method.custom_share };
    let watch = |signal: Signal, weight, alpha_end: Option<f64>, null, prior, promise| Watched {
        weight: weight * (1.0 - custom),
        alpha_end: alpha_end.map(|alpha| alpha * (1.0 - custom)),
        track: Track::new(null, prior, starts(basis, method, &signal)),
        signal,
        gate_blocks: Vec::new(),
        promise,
    };
    let worse = Null { ratio: method.error_ratio, margin: 0.0, grid: &UP };
    let above = Null { ratio: 0.0, margin: method.error_limit, grid: &ABOVE_RATE };
    let slower = Null { ratio: 1.0, margin: 0.0, grid: &UP };
    let promised = |margin| Null { ratio: method.promise_ratio, margin, grid: &DOWN };
    let (prior, level) = (basis.error_prior(method), method.alpha_end_errors);
    let errors = Some(Promise::of(promised(basis.tolerance(method)), true));
    let mut all = vec![
        watch(Signal::Errors, method.weight_errors, Some(level), worse, prior, errors),
        watch(Signal::Limit, method.weight_limit, None, above, prior, None),
    ];
    for (place, quantile) in QUANTILES.into_iter().enumerate() {
        let promise = PROMISED.contains(&place).then(|| {
            let as_slow = Null { ratio: 1.0, margin: 0.0, grid: &DOWN };
            Promise::of(as_slow, basis.tests_quantile(method, quantile))
        });
        let (prior, level) = (basis.latency_prior(method, quantile), method.alpha_end_latency);
        let (signal, weight) = (Signal::Latency(place), method.weight_latency);
        all.push(watch(signal, weight, Some(level), slower, prior, promise));
    }
    #[allow(clippy::cast_precision_loss, reason = "a rule has a few custom signals")]
    let each = custom / basis.custom.len().max(1) as f64;
    for custom in &basis.custom {
        let promise = Promise::of(promised(basis.custom_tolerance(method, custom)), true);
        let signal = Signal::Custom(custom.name.clone());
        let prior = Basis::custom_prior(method, custom);
        let level = method.alpha_end_errors + 4.0 * method.alpha_end_latency;
        let watched = watch(signal, 0.0, None, worse, prior, Some(promise));
        all.push(Watched { weight: each, alpha_end: Some(level * each), ..watched });
    }
    all
}

/// Where a signal's evidence begins to be counted, and the share of each.
fn starts(basis: &Basis, method: &Method, signal: &Signal) -> [(usize, f64); 3] {
    let shares = match signal {
        Signal::Latency(_) => [1.0, 0.0, 0.0],
        Signal::Errors | Signal::Limit | Signal::Custom(_) => method.starts,
    };
    let third = (basis.blocks / 3) as usize;
    std::array::from_fn(|k| (k * third, shares[k]))
}

fn without_latency(bucket: &Bucket) -> Bucket {
    let hidden = |counts: Counts| Counts { slow: Default::default(), ..counts };
    Bucket { canary: hidden(bucket.canary), baseline: hidden(bucket.baseline), custom: Vec::new() }
}

/// One bucket as the parts of a signal see it.
struct Cells {
    evidence: Cell,
    gate: Cell,
    promise: Cell,
}

impl Cells {
    fn of(signal: &Signal, method: &Method, bucket: &Bucket, index: usize) -> Self {
        let Bucket { canary, baseline, custom } = bucket;
        let cell = |events: f64, baseline_events: f64| Cell {
            canary: events,
            canary_of: canary.requests,
            baseline: baseline_events,
            baseline_of: baseline.requests,
        };
        match signal {
            Signal::Errors | Signal::Limit => Self::same(cell(canary.errors, baseline.errors)),
            Signal::Latency(place) => {
                let (slow, usual) = (&canary.slow[*place], &baseline.slow[*place]);
                Self {
                    evidence: cell(slow[method.slow_from], usual[0]),
                    gate: cell(slow[method.gate_slow], usual[0]),
                    promise: cell(slow[method.promise_slow], usual[2]),
                }
            }
            Signal::Custom(_) => {
                let pair = custom.get(index - 2 - QUANTILES.len()).copied().unwrap_or_default();
                Self::same(Cell {
                    canary: pair.canary.count,
                    canary_of: pair.canary.total,
                    baseline: pair.baseline.count,
                    baseline_of: pair.baseline.total,
                })
            }
        }
    }

    fn same(cell: Cell) -> Self {
        Self { evidence: cell, gate: cell, promise: cell }
    }
}
