//! Whether the evidence against a canary is enough, and what is missing if it is not. METHOD, section 5.

use super::corroborate::{Dropped, drop_blocks, drop_blocks_above};
use super::judge::{Judge, Watched};
use super::look::{Look, Missing, RollbackSignal, Say, Signal, SignalLook};
use super::method::Method;
use super::mixture::Cell;
use super::plan::needed_requests;
use super::tails::upper_tail;

/// One signal at a look.
pub(super) fn signal(judge: &Judge<'_>, watched: &Watched) -> SignalLook {
    let (method, track) = (judge.method, &watched.track);
    let dropped = dropped(method, watched);
    let mut sum = Cell::default();
    track.blocks.iter().for_each(|block| sum.add(block));
    let tail =
        (judge.is_end() && watched.alpha_end.is_some()).then(|| end_tail(watched, &|_| true));
    SignalLook {
        signal: watched.signal.clone(),
        weight: watched.weight,
        canary: (sum.canary, sum.canary_of),
        baseline: (sum.baseline, sum.baseline_of),
        evidence: track.evidence(),
        corroborated: track.evidence_without(&dropped),
        gate: is_gated(method, &watched.signal, &watched.gate),
        dispersion: track.dispersion,
        dropped: dropped.places().to_vec(),
        tail,
    }
}

fn dropped(method: &Method, watched: &Watched) -> Dropped {
    let blocks = &watched.track.blocks;
    match watched.signal {
        Signal::Limit => drop_blocks_above(blocks, method.error_limit),
        Signal::Latency(_) => drop_blocks(blocks, &method.drop_latency),
        Signal::Errors | Signal::Custom(_) => drop_blocks(blocks, &method.drop_errors),
    }
}

/// Whether the estimate is beyond the practical margin; for the absolute limit, whether the baseline is
/// well itself.
fn is_gated(method: &Method, signal: &Signal, sum: &Cell) -> bool {
    let canary = sum.canary / sum.canary_of.max(1.0);
    let baseline = sum.baseline / sum.baseline_of.max(1.0);
    match signal {
        Signal::Errors | Signal::Custom(_) => {
            canary >= method.gate_ratio * baseline + method.gate_margin
        }
        Signal::Limit => baseline <= 0.5 * method.error_limit,
        Signal::Latency(_) => canary >= baseline,
    }
}

/// Whether a signal other than the absolute limit is beyond its gate after the warm-up.
pub(super) fn is_gated_warm(method: &Method, watched: &Watched) -> bool {
    watched.signal != Signal::Limit && is_gated(method, &watched.signal, &watched.warm_gate)
}

/// The tail probability of the last look over the kept blocks.
fn end_tail(watched: &Watched, keep: &dyn Fn(usize) -> bool) -> f64 {
    let (canary, events, share) = watched.track.split(keep);
    upper_tail(canary, events, share, watched.track.end_dispersion())
}

/// A rollback, if there is one.
pub(super) fn say(judge: &Judge<'_>, look: &Look) -> Option<Say> {
    let method = judge.method;
    let gated = look.gated.unwrap_or(f64::NEG_INFINITY);
    let corroborated = look.corroborated.is_some_and(|z| z >= method.corroboration.ln());
    let catastrophe = is_catastrophe(look);
    let mut back = gated >= (1.0 / method.alpha_looks).ln() && (corroborated || catastrophe);
    let carries = |signal: &&SignalLook| {
        signal.gate && signal.weight.ln() + signal.evidence >= gated - std::f64::consts::LN_2
    };
    let cause =
        |signal: &SignalLook| RollbackSignal { signal: signal.signal.clone(), at_end: false };
    let mut causes: Vec<_> = look.signals.iter().filter(carries).map(cause).collect();
    if !back {
        causes.clear();
    }
    let at_end = judge
        .watched
        .iter()
        .zip(&look.signals)
        .filter(|(watched, signal)| fails_at_end(method, watched, signal));
    for (_, signal) in at_end {
        back = true;
        causes.push(RollbackSignal { signal: signal.signal.clone(), at_end: true });
    }
    back.then_some(Say::Rollback { causes, catastrophe: catastrophe && !corroborated })
}

/// Whether a signal fails the test of the last look, with and without the dropped blocks.
fn fails_at_end(method: &Method, watched: &Watched, signal: &SignalLook) -> bool {
    let (Some(tail), Some(alpha)) = (signal.tail, watched.alpha_end) else { return false };
    let keep = |at| !signal.dropped.contains(&at);
    signal.gate && tail <= alpha && end_tail(watched, &keep) <= method.corroboration_end
}

/// Half of the canary's requests failed, at least ten, and the baseline is well: no minute is waited for.
fn is_catastrophe(look: &Look) -> bool {
    look.signals.iter().filter(|signal| signal.signal == Signal::Errors).any(|errors| {
        let rate = |(events, of): (f64, f64)| events / of.max(1.0);
        errors.canary.0 >= 10.0 && rate(errors.canary) >= 0.5 && rate(errors.baseline) < 0.1
    })
}

/// What is missing for a verdict at the last look. METHOD, section 9.
pub(super) fn inconclusive(judge: &Judge<'_>) -> Say {
    let errors = &judge.watched[0].track;
    let mut sum = Cell::default();
    errors.blocks.iter().for_each(|block| sum.add(block));
    let lonely = errors.blocks.iter().filter(|b| b.canary_of <= 0.0 && b.baseline_of > 0.0).count();
    let needed = needed_requests(judge.basis.error_rate, 2.0, judge.basis.share);
    let missing = if sum.canary_of <= 0.0 && lonely >= 3 {
        Missing::NoCanaryData
    } else if sum.canary_of <= 0.0 && sum.baseline_of <= 0.0 {
        Missing::NoTraffic
    } else if errors.dispersion > 4.0 {
        Missing::Noisy
    } else if sum.canary_of < needed {
        Missing::LowTraffic
    } else {
        Missing::Borderline
    };
    Say::Inconclusive { missing }
}
