//! Which blocks a rollback has to stand without: the worst one, and further ones that do not fit.
//!
//! One host that hiccups for a minute is not a regression. If at most the dropped blocks are spoiled by
//! such bursts, the evidence of the rest is clean (docs/judge.md, sections 3 and 6).

use super::mixture::Cell;
use super::tails::upper_tail;

/// The most blocks that are ever dropped.
pub(super) const MOST_DROPPED: usize = 8;

/// Blocks that are left out, the worst first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    at: [usize; MOST_DROPPED],
    count: usize,
}

impl Dropped {
    /// Their places.
    pub fn places(&self) -> &[usize] {
        &self.at[..self.count]
    }

    /// Whether the block at this place is left out.
    pub fn contains(&self, place: usize) -> bool {
        self.places().contains(&place)
    }

    /// Whether the dropped blocks from `first` on would still look like bursts with this one.
    fn fits_with(&self, place: usize, first: usize, bursts: &Bursts) -> bool {
        let mut places = [place; MOST_DROPPED + 1];
        let mut held = 1;
        for at in self.places().iter().filter(|at| **at >= first) {
            places[held] = *at;
            held += 1;
        }
        let places = &mut places[..held];
        places.sort_unstable();
        let (mut count, mut length) = (1, 1);
        for pair in places.windows(2) {
            let gap = pair[1] - pair[0] - 1;
            (count, length) = if gap == 0 { (count, length + 1) } else { (count + 1, 1) };
            if length > bursts.longest || (1..=bursts.longest).contains(&gap) {
                return false;
            }
        }
        count <= bursts.most
    }

    fn push(&mut self, place: usize) {
        self.at[self.count] = place;
        self.count += 1;
    }
}

/// How blocks are dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropRule {
    /// Always this many at the beginning, beside the others.
    pub first: usize,
    /// Always this many, once there are two blocks.
    pub always: usize,
    /// At most this many, while each further one is an outlier.
    pub most: usize,
    /// Further outliers, while all that is dropped looks like bursts.
    pub bursts: Option<Bursts>,
    /// An outlier is less likely than this under the fit on the others.
    pub outlier: f64,
}

/// Bursts are few, short and apart: what is none of it is a regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// At most this many.
    pub most: usize,
    /// At most this many blocks long, and further than that apart.
    pub longest: usize,
}

/// The blocks to leave out of a comparison of both arms.
pub fn drop_blocks(blocks: &[Cell], rule: &DropRule) -> Dropped {
    let first = rule.first.min(blocks.len());
    let mut dropped = Dropped::default();
    (0..first).for_each(|place| dropped.push(place));
    let left = blocks.len() - first;
    let worst = worst_places(&blocks[first..], excess);
    for (rank, place) in worst.places().iter().map(|at| at + first).enumerate() {
        let anyway = rank == 0 || (rank < rule.always && left >= 2);
        let may = rank < rule.most
            || rule.bursts.is_some_and(|bursts| dropped.fits_with(place, first, &bursts));
        let outlier = left >= 3
            && rank < left - 1
            && may
            && is_outlier(blocks, &dropped, place, rule.outlier);
        if !anyway && !outlier {
            break;
        }
        dropped.push(place);
    }
    dropped
}

/// The blocks to leave out of a comparison with a fixed rate: the worst two, or all but one of fewer.
pub fn drop_blocks_above(blocks: &[Cell], rate: f64) -> Dropped {
    let worst = worst_places(blocks, |block| block.canary - block.canary_of * rate);
    let count = 2.min(blocks.len().saturating_sub(1).max(1)).min(worst.count);
    Dropped { count, ..worst }
}

/// Events of the canary beyond its share of the requests.
fn excess(block: &Cell) -> f64 {
    if block.is_shared() { block.canary - block.events() * block.share(1.0, 0.0) } else { -1e18 }
}

/// The places with the largest excess, the largest first; of equal ones the earlier.
fn worst_places(blocks: &[Cell], excess: impl Fn(&Cell) -> f64) -> Dropped {
    let mut top = [(f64::NEG_INFINITY, 0); MOST_DROPPED];
    for (place, block) in blocks.iter().enumerate() {
        let value = excess(block);
        if let Some(rank) = top.iter().position(|(other, _)| value > *other) {
            top[rank..].rotate_right(1);
            top[rank] = (value, place);
        }
    }
    Dropped { at: top.map(|(_, place)| place), count: blocks.len().min(MOST_DROPPED) }
}

/// Whether a block has more canary events than the fit on the other kept blocks explains.
fn is_outlier(blocks: &[Cell], dropped: &Dropped, place: usize, level: f64) -> bool {
    let mut rest = Cell::default();
    let mut any = false;
    for (other, block) in blocks.iter().enumerate() {
        if other != place && !dropped.contains(other) && block.is_shared() {
            rest.add(block);
            any = true;
        }
    }
    if !any {
        return false;
    }
    let ratio = (rest.canary + 0.5) / rest.canary_of / ((rest.baseline + 0.5) / rest.baseline_of);
    let block = &blocks[place];
    let events = if block.is_shared() { block.events() } else { 0.0 };
    upper_tail(block.canary, events, block.share(ratio, 1e-9), 1.0) < level
}
