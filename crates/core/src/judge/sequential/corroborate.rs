//! Which blocks a rollback has to stand without: the worst one, and further ones that do not fit.
//!
//! One host that hiccups for a minute is not a regression. If at most the dropped blocks are spoiled by
//! such bursts, the evidence of the rest is clean (METHOD, sections 5 and 8).

use super::mixture::Cell;
use super::tails::upper_tail;

/// The most blocks that are ever dropped.
pub(super) const MOST_DROPPED: usize = 4;

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

    fn push(&mut self, place: usize) {
        self.at[self.count] = place;
        self.count += 1;
    }
}

/// How blocks are dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropRule {
    /// Always this many, once there are two blocks.
    pub always: usize,
    /// At most this many, while each further one is an outlier.
    pub most: usize,
    /// An outlier is less likely than this under the fit on the others.
    pub outlier: f64,
}

/// The blocks to leave out of a comparison of both arms.
pub fn drop_blocks(blocks: &[Cell], rule: &DropRule) -> Dropped {
    let mut dropped = Dropped::default();
    let worst = worst_places(blocks, excess);
    let Some(first) = worst.places().first() else { return dropped };
    dropped.push(*first);
    if blocks.len() < 2 {
        return dropped;
    }
    for place in worst.places().iter().take(rule.always).skip(1) {
        dropped.push(*place);
    }
    if blocks.len() < 3 {
        return dropped;
    }
    let most = rule.most.min(blocks.len() - 1).min(MOST_DROPPED);
    for k in rule.always..most {
        let place = worst.places()[k];
        if !is_outlier(blocks, &dropped, place, rule.outlier) {
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
