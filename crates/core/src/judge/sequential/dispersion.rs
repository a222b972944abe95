//! How much more the split of events between the arms varies than chance alone makes it.
//!
//! A shared burst scales both arms together and leaves the split alone; a lasting regression moves it
//! once. So the dispersion is measured on successive differences of the split (docs/judge.md, section 2),
//! from blocks before the one it is applied to: fixed before, it can't break the bound.

use super::mixture::Cell;

/// How many pairs at most may be left out.
const MOST_DROPPED: usize = 2;

/// The weight of the prior, in blocks.
const PRIOR: f64 = 3.0;

/// The dispersion from these blocks, at least 1; the prior below two blocks.
///
/// `drop` pairs of neighbours with the largest excess are left out, at most 2.
pub fn dispersion(blocks: &[Cell], prior: f64, drop: usize) -> f64 {
    if blocks.len() < 2 {
        return prior;
    }
    let ratio = rate_ratio(blocks);
    let mut kept = (0.0, 0.0, 0u32);
    let mut top: [Option<(f64, f64)>; MOST_DROPPED] = [None; MOST_DROPPED];
    let top = &mut top[..drop.min(MOST_DROPPED)];
    let mut before = deviation(&blocks[0], ratio);
    for block in &blocks[1..] {
        let now = deviation(block, ratio);
        let mut pair = Some(((now.0 - before.0).powi(2), now.1 + before.1));
        before = now;
        let excess = |pair: &Option<(f64, f64)>| pair.map_or(f64::NEG_INFINITY, |(d, v)| d - v);
        if let Some(rank) = top.iter().position(|other| excess(&pair) > excess(other)) {
            top[rank..].rotate_right(1);
            std::mem::swap(&mut top[rank], &mut pair);
        }
        if let Some((difference, variance)) = pair {
            kept = (kept.0 + difference, kept.1 + variance, kept.2 + 1);
        }
    }
    let (difference, variance, pairs) = kept;
    let usual = if variance > 0.0 { variance / f64::from(pairs) } else { 1.0 };
    let weight = PRIOR * usual;
    ((weight * prior + difference) / (weight + variance)).max(1.0)
}

/// The canary's rate of events over the baseline's, each lifted by half an event.
fn rate_ratio(blocks: &[Cell]) -> f64 {
    let sum = Cell::sum(blocks);
    ((sum.canary + 0.5) / sum.canary_of.max(1.0))
        / ((sum.baseline + 0.5) / sum.baseline_of.max(1.0))
}

/// The canary's events beyond their share, and the variance that chance gives them.
fn deviation(block: &Cell, ratio: f64) -> (f64, f64) {
    let (share, events) = (block.share(ratio, 1e-12), block.events());
    (block.canary - share * events, events * share * (1.0 - share))
}

/// The prior for errors from the baseline's history: how much its counts vary beyond chance, scaled
/// to the canary's share `w`, between 1 and `cap`.
///
/// History is cut into blocks with at least 5 expected events, the latest ones; the median of squared
/// successive differences is robust against bursts. Fewer than 8 blocks say nothing: 1.
pub fn history_dispersion(requests: &[f64], events: &[f64], w: f64, cap: f64) -> f64 {
    let (total, of): (f64, f64) = (events.iter().sum(), requests.iter().sum());
    let minutes = requests.len().min(events.len());
    if total <= 0.0 {
        return 1.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "an hour has 60 minutes")]
    let needed = (5.0 * minutes as f64 / total).ceil().max(1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above 0, and cut")]
    let length = needed.min(1e6) as usize;
    let count = minutes / length;
    if count < 8 {
        return 1.0;
    }
    let rate = total / of.max(1.0);
    let start = minutes - count * length;
    let sums = |series: &[f64]| -> Vec<f64> {
        series[start..minutes].chunks(length).map(|chunk| chunk.iter().sum()).collect()
    };
    let (requests, events) = (sums(requests), sums(events));
    let mut differences: Vec<f64> = (1..count)
        .map(|i| {
            let beyond = |i: usize| events[i] - requests[i] * rate;
            let chance = (rate * (requests[i] + requests[i - 1])).max(1e-12);
            (beyond(i) - beyond(i - 1)).powi(2) / chance
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    let middle = differences.len() / 2;
    let median = if differences.len() % 2 == 1 {
        differences[middle]
    } else {
        f64::midpoint(differences[middle - 1], differences[middle])
    };
    // 0.4549 is the median of a chi-squared variable with one degree of freedom.
    (1.0 + 2.0 * w * (median / 0.4549 - 1.0).max(0.0)).clamp(1.0, cap)
}
