//! Whether the evidence against a canary is enough, and what is missing if it is not. docs/judge.md, section 3.

use super::corroborate::{DropRule, Dropped, drop_blocks, drop_blocks_above};
use super::judge::{Judge, Watched};
use super::look::{Look, Missing, RollbackSignal, Say, Signal, SignalLook};
use super::method::Method;
use super::mixture::Cell;
use super::plan::needed_requests;
use super::tails::upper_tail;

/// One signal at a look.
pub(super) fn signal(judge: &Judge<'_>, watched: &Watched) -> SignalLook {
    let (method, track) = (judge.method, &watched.track);
    let dropped = dropped(judge, watched);
    let sum = Cell::sum(&track.blocks);
    let tail =
        (judge.is_end() && watched.alpha_end.is_some()).then(|| end_tail(watched, &|_| true));
    let gates = gates(method, watched, &dropped);
    let gate = gates.contains(&true);
    SignalLook {
        signal: watched.signal.clone(),
        weight: watched.weight,
        canary: (sum.canary, sum.canary_of),
        baseline: (sum.baseline, sum.baseline_of),
        evidence: track.evidence(),
        gated: gate.then(|| track.evidence_of(gates)),
        corroborated: track.evidence_without(&dropped, if gate { gates } else { [true; 3] }),
        gate,
        dispersion: track.dispersion,
        dropped: dropped.places().to_vec(),
        tail,
    }
}

/// The blocks that a rollback has to stand without. A short plan has a short warm-up: a fifth of it.
fn dropped(judge: &Judge<'_>, watched: &Watched) -> Dropped {
    let (method, blocks) = (judge.method, &watched.track.blocks);
    let planned = |rule: &DropRule| DropRule {
        first: rule.first.min(judge.basis.blocks as usize / 5),
        ..*rule
    };
    match watched.signal {
        Signal::Limit => drop_blocks_above(blocks, method.error_limit),
        Signal::Latency(_) => drop_blocks(blocks, &planned(&method.drop_latency)),
        Signal::Errors | Signal::Custom(_) => drop_blocks(blocks, &planned(&method.drop_errors)),
    }
}

/// Since which starts the estimate is beyond the practical margin by more than chance.
fn gates(method: &Method, watched: &Watched, dropped: &Dropped) -> [bool; 3] {
    let lasts = !lasts(method, &watched.signal) || {
        let kept = watched.gate_blocks.iter().enumerate().filter(|(at, _)| !dropped.contains(*at));
        is_beyond(method, &watched.signal, &Cell::sum(kept.map(|(_, block)| block)))
    };
    let begun = watched.track.begun();
    begun.map(|start| lasts && start.is_some_and(|start| is_gated(method, watched, start)))
}

/// Whether what is left without the dropped blocks counts for the gate and for the guard.
fn lasts(method: &Method, signal: &Signal) -> bool {
    method.latency_lasts && matches!(signal, Signal::Latency(_))
}

/// Whether the estimate since this block is beyond the practical margin, and by more than chance.
fn is_gated(method: &Method, watched: &Watched, start: usize) -> bool {
    let sum = Cell::sum(watched.gate_blocks.iter().skip(start));
    if !is_beyond(method, &watched.signal, &sum) {
        return false;
    }
    let (ratio, level) = match watched.signal {
        Signal::Limit => return true,
        Signal::Latency(_) => (1.0, method.gate_level_latency),
        Signal::Errors | Signal::Custom(_) => {
            let per_error = sum.baseline_of / (sum.baseline + 0.5);
            (method.gate_ratio + method.gate_margin * per_error, method.gate_level)
        }
    };
    let (events, share) = (sum.events(), sum.share(ratio, 1e-9));
    level >= 1.0 || upper_tail(sum.canary, events, share, watched.track.dispersion) <= level
}

/// Whether the estimate is beyond the practical margin; for the absolute limit, whether the baseline is
/// well itself.
fn is_beyond(method: &Method, signal: &Signal, sum: &Cell) -> bool {
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
    let sum = Cell::sum(watched.gate_blocks.iter().skip(method.warm_up));
    watched.signal != Signal::Limit && is_beyond(method, &watched.signal, &sum)
}

/// The evidence after the warm-up that the guard of a promotion sees. Blocks are left out once as many
/// others are there: before, a canary may be slow because it is bad.
pub(super) fn warm_evidence(judge: &Judge<'_>, watched: &Watched) -> f64 {
    let evidence = watched.track.warm_evidence();
    let dropped = dropped(judge, watched);
    let kept = watched.track.blocks.len() - dropped.places().len();
    if !lasts(judge.method, &watched.signal) || kept < dropped.places().len() {
        return evidence;
    }
    evidence.min(watched.track.evidence_without(&dropped, [true; 3]))
}

/// What a signal's corroborated evidence is lifted by, where less is asked of it.
pub(super) fn scale(method: &Method, signal: &SignalLook) -> f64 {
    match signal.signal {
        Signal::Latency(_) => (method.corroboration / method.corroboration_latency).ln(),
        Signal::Errors | Signal::Limit | Signal::Custom(_) => 0.0,
    }
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
    let least = method.least_blocks_back.min(judge.basis.blocks as usize);
    let lasting = corroborated && (judge.blocks() >= least || is_beyond_limit(method, look));
    let mut back = gated >= (1.0 / method.alpha_looks).ln() && (lasting || catastrophe);
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
    is_gated(method, watched, 0)
        && tail <= alpha
        && end_tail(watched, &keep) <= method.corroboration_end
}

/// Whether the absolute limit alone is corroborated: what is that bad is not waited for.
fn is_beyond_limit(method: &Method, look: &Look) -> bool {
    let limit = look.signals.iter().find(|signal| signal.signal == Signal::Limit);
    limit.is_some_and(|limit| {
        limit.gate && limit.weight.ln() + limit.corroborated >= method.corroboration.ln()
    })
}

/// Half of the canary's requests failed, at least ten, and the baseline is well: no minute is waited for.
fn is_catastrophe(look: &Look) -> bool {
    look.signals.iter().filter(|signal| signal.signal == Signal::Errors).any(|errors| {
        let rate = |(events, of): (f64, f64)| events / of.max(1.0);
        errors.canary.0 >= 10.0 && rate(errors.canary) >= 0.5 && rate(errors.baseline) < 0.1
    })
}

/// What is missing for a verdict at the last look. docs/judge.md, section 4.
pub(super) fn inconclusive(judge: &Judge<'_>) -> Say {
    let errors = &judge.watched[0].track;
    let sum = Cell::sum(&errors.blocks);
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
