//! One signal's counts, increments and sums, bucket by bucket.

use super::corroborate::Dropped;
use super::dispersion::dispersion;
use super::mixture::{Cell, Factors, Grid, Null, POINTS, log_add, log_mean};

/// Pairs of neighbouring blocks that the running dispersion leaves out: a lasting regression moves the
/// split once, and a burst of one arm twice.
const DROPPED_PAIRS: usize = 2;

/// One signal from its first bucket on.
#[derive(Debug, Clone)]
pub(super) struct Track {
    null: Null,
    prior: f64,
    /// Whole blocks, and the one under way at the end.
    pub(super) blocks: Vec<Cell>,
    /// Log-factors of each block, by the points of the grid.
    factors: Vec<Grid>,
    /// Where the evidence begins to be counted, and its share.
    starts: [(usize, f64); 3],
    /// Their sums from each start on, and from the end of the warm-up on.
    sums: [Grid; 3],
    warm_sums: Grid,
    /// The dispersion that the next bucket is divided by.
    pub(super) dispersion: f64,
}

impl Track {
    pub(super) fn new(null: Null, prior: f64, starts: [(usize, f64); 3]) -> Self {
        Self {
            null,
            prior,
            starts,
            blocks: Vec::new(),
            factors: Vec::new(),
            sums: [[0.0; POINTS]; 3],
            warm_sums: [0.0; POINTS],
            dispersion: prior,
        }
    }

    /// Adds a bucket; `begins` says that it is the first of its block, `ends` that it is the last.
    pub(super) fn push(
        &mut self,
        cell: &Cell,
        (begins, ends, warm): (bool, bool, bool),
        known: &mut Factors,
    ) {
        if begins {
            self.blocks.push(Cell::default());
            self.factors.push([0.0; POINTS]);
        }
        let (Some(block), Some(factors)) = (self.blocks.last_mut(), self.factors.last_mut()) else {
            return;
        };
        block.add(cell);
        let mut added = [0.0; POINTS];
        self.null.add_from(known, cell, self.dispersion, &mut added);
        for (k, x) in added.into_iter().enumerate() {
            factors[k] += x;
            for (sums, (start, _)) in self.sums.iter_mut().zip(self.starts) {
                if self.blocks.len() > start {
                    sums[k] += x;
                }
            }
            if warm {
                self.warm_sums[k] += x;
            }
        }
        if ends {
            self.dispersion = dispersion(&self.blocks, self.prior, DROPPED_PAIRS);
        }
    }

    /// The log-evidence of all buckets.
    pub(super) fn evidence(&self) -> f64 {
        self.mixed(&self.sums, [true; 3])
    }

    /// The same from these starts alone.
    pub(super) fn evidence_of(&self, starts: [bool; 3]) -> f64 {
        self.mixed(&self.sums, starts)
    }

    /// The log of the evidence from these starts, each with its share.
    fn mixed(&self, sums: &[Grid; 3], starts: [bool; 3]) -> f64 {
        let evidence = |k: usize| self.starts[k].1.ln() + log_mean(&sums[k]);
        (0..3).filter(|k| starts[*k]).map(evidence).fold(f64::NEG_INFINITY, log_add)
    }

    /// The starts that count now: their time has come, and they have a share.
    pub(super) fn begun(&self) -> [Option<usize>; 3] {
        let has_begun = |start: usize, share: f64| share > 0.0 && self.blocks.len() > start;
        self.starts.map(|(start, share)| has_begun(start, share).then_some(start))
    }

    /// The log-evidence after the warm-up.
    pub(super) fn warm_evidence(&self) -> f64 {
        log_mean(&self.warm_sums)
    }

    /// The log-evidence of the blocks that were not dropped.
    pub(super) fn evidence_without(&self, dropped: &Dropped, starts: [bool; 3]) -> f64 {
        let mut sums = [[0.0; POINTS]; 3];
        for (at, factors) in
            self.factors.iter().enumerate().filter(|(at, _)| !dropped.contains(*at))
        {
            for (sums, _) in sums.iter_mut().zip(self.starts).filter(|(_, (start, _))| at >= *start)
            {
                sums.iter_mut().zip(factors).for_each(|(sum, x)| *sum += x);
            }
        }
        self.mixed(&sums, starts)
    }

    /// The dispersion of all blocks, with no pair left out: for the last look.
    pub(super) fn end_dispersion(&self) -> f64 {
        dispersion(&self.blocks, self.prior, 0)
    }

    /// The canary's events, all events, and the canary's expected share of them, over the kept blocks
    /// in which both arms have requests.
    pub(super) fn split(&self, keep: impl Fn(usize) -> bool) -> (f64, f64, f64) {
        split(&self.blocks, self.null.ratio, keep)
    }
}

/// As [`Track::split`], under a null ratio.
pub(super) fn split(blocks: &[Cell], ratio: f64, keep: impl Fn(usize) -> bool) -> (f64, f64, f64) {
    let (mut canary, mut events, mut expected) = (0.0, 0.0, 0.0);
    for (at, block) in blocks.iter().enumerate() {
        if keep(at) && block.is_shared() {
            canary += block.canary;
            events += block.events();
            expected += block.events() * block.share(ratio, 0.0);
        }
    }
    (canary, events, expected / events.max(1e-9))
}
