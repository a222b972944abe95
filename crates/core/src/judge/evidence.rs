//! From looks to verdicts about the steps of a release.
//!
//! The evidence is one for the whole release: it is never reset between steps. Proven harm is a Fail at any
//! step. The last step passes when the promise is shown, the others also at the end of their bake while
//! nothing speaks against the canary: exposure grows, the promotion rests on evidence.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::reason::{Reason, odds};
use super::sequential::{Basis, Bucket, Judge, Look, Method, Missing, RollbackSignal, Say, Signal};
use super::verdict::{Outcome, Verdict};
use crate::weight::Weight;

/// One settled bucket of a release. Once written down it is never read again, so late data change
/// nothing that was decided on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Its start.
    pub at: Timestamp,
    /// The canary's weight.
    pub weight: Weight,
    /// The rule's latency quantile of both arms in milliseconds, for people: canary, baseline.
    #[serde(default)]
    pub latency_ms: [Option<f64>; 2],
    /// The counts.
    pub bucket: Bucket,
}

/// What a release is judged by: fixed before its first shift, and the buckets since then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judging {
    /// What was fixed before the start.
    pub basis: Basis,
    /// How long after its end a bucket is settled, in seconds.
    pub settle_seconds: u32,
    /// The settled buckets, oldest first.
    #[serde(default)]
    pub observed: Vec<Observed>,
}

impl Judging {
    /// What can be expected of the judge, before anything was sent.
    pub fn plan(&self, method: &Method) -> String {
        let planned = format!("{:.0} canary requests are planned", self.basis.plan(method));
        if self.basis.thresholds_ms.is_empty() {
            return format!("{planned}; the history is too small to promise anything of latency");
        }
        let (ratio, points) = (method.promise_ratio, 100.0 * self.basis.tolerance(method));
        format!(
            "{planned}, and a promotion promises at most {ratio} times the errors + {points:.2} points"
        )
    }
}

/// Where in its plan a release is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Buckets that were seen by an earlier look.
    pub seen: usize,
    /// Buckets from before this step.
    pub before: usize,
    /// Buckets that the step's bake has.
    pub planned: usize,
    /// Whether the promotion follows the step.
    pub is_last: bool,
    /// Whether a step goes on before the end of its bake once the promise is shown.
    pub early: bool,
}

/// Judges a release at a place of its plan; also the look that the verdict rests on.
pub fn judge_evidence(method: &Method, judging: &Judging, place: &Place) -> (Verdict, Look) {
    let basis = &judging.basis;
    let look = deciding_look(method, basis, &judging.observed, place.seen);
    let verdict = verdict(method, judging, place, &look);
    (verdict, look)
}

/// The first look since the last one that decides, or the newest.
///
/// A function that comes late sees several buckets at once; the look that was declared as the last one at
/// the start must not be skipped then.
fn deciding_look(method: &Method, basis: &Basis, observed: &[Observed], seen: usize) -> Look {
    let mut judge = Judge::new(basis, method);
    let mut promised_at_end = false;
    for (index, observed) in observed.iter().enumerate() {
        judge.push(&observed.bucket);
        let is_end = judge.is_end();
        if index < seen && !is_end {
            continue;
        }
        let look = judge.look();
        match look.say {
            Say::Rollback { .. } if index >= seen => return look,
            Say::Promote { .. } if index >= seen => return look,
            Say::Promote { at_end: true } => promised_at_end = true,
            Say::Rollback { .. } | Say::Promote { .. } | Say::Wait | Say::Inconclusive { .. } => {}
        }
    }
    let mut look = judge.look();
    // What was shown at the last look holds while nothing speaks against it, for example behind a hold.
    if promised_at_end && !method.leans_against(look.guard) && matches!(look.say, Say::Wait) {
        look.say = Say::Promote { at_end: true };
    }
    look
}

fn verdict(method: &Method, judging: &Judging, place: &Place, look: &Look) -> Verdict {
    let observed = &judging.observed;
    let in_step = observed.len().saturating_sub(place.before);
    let step_is_over = in_step >= place.planned;
    let settled = Reason::Settled {
        settled: u32::try_from(in_step).unwrap_or(u32::MAX),
        planned: u32::try_from(place.planned).unwrap_or(u32::MAX),
        bucket_seconds: judging.basis.bucket_seconds,
        against: odds(look.gated.unwrap_or(0.0)),
        promise: odds(weakest_promise(look)),
    };
    match &look.say {
        Say::Rollback { causes, catastrophe } => {
            let of = |cause: &RollbackSignal| {
                look.signals.iter().find(|signal| signal.signal == cause.signal)
            };
            let mut reasons: Vec<Reason> = once_each(causes)
                .filter_map(|cause| Some(Reason::proven(of(cause)?, judging, cause.at_end)))
                .collect();
            if *catastrophe {
                reasons.push(Reason::Catastrophe);
            }
            Verdict::new(Outcome::Fail, reasons)
        }
        Say::Promote { .. } if place.early || step_is_over => Verdict {
            early: place.early && !step_is_over,
            ..Verdict::new(Outcome::Pass, vec![promised(judging, look)])
        },
        Say::Promote { .. } => pending(vec![settled, promised(judging, look)]),
        Say::Wait | Say::Inconclusive { .. } if !step_is_over => pending(vec![settled]),
        Say::Wait | Say::Inconclusive { .. } if !place.is_last => {
            between_steps(method, observed, place, look)
        }
        Say::Inconclusive { missing } => undecided(*missing, method, judging, look),
        Say::Wait => undecided(Missing::Borderline, method, judging, look),
    }
}

/// The causes, each signal once: where its evidence is enough at any look, the last look's word adds nothing.
fn once_each(causes: &[RollbackSignal]) -> impl Iterator<Item = &RollbackSignal> {
    let shown = |of: &Signal| causes.iter().any(|cause| cause.signal == *of && !cause.at_end);
    causes.iter().filter(move |cause| !cause.at_end || !shown(&cause.signal))
}

/// The lowest evidence of a required test of the promise.
fn weakest_promise(look: &Look) -> f64 {
    let required = look.promises.iter().filter(|promise| promise.required);
    required.map(|promise| promise.evidence).reduce(f64::min).unwrap_or(0.0)
}

fn pending(reasons: Vec<Reason>) -> Verdict {
    Verdict { pending: true, ..Verdict::new(Outcome::Inconclusive, reasons) }
}

/// At the end of a bake that another step follows: on, with requests of the canary and nothing against it.
fn between_steps(method: &Method, observed: &[Observed], place: &Place, look: &Look) -> Verdict {
    let requests: f64 = observed[place.before..].iter().map(|o| o.bucket.canary.requests).sum();
    if requests <= 0.0 {
        let reason = Reason::Undecided { missing: Missing::NoCanaryData };
        return Verdict { low_traffic: true, ..Verdict::new(Outcome::Inconclusive, vec![reason]) };
    }
    // A step that ends with the warm-up has no other evidence than that of the warm-up.
    let is_warm = look.blocks as usize > method.warm_up;
    let against = if is_warm { look.guard } else { look.gated };
    match against.filter(|_| method.leans_against(against)) {
        Some(guard) => {
            let reason = Reason::LeansAgainst { odds: odds(guard) };
            Verdict::new(Outcome::Inconclusive, vec![reason])
        }
        None => Verdict::new(Outcome::Pass, vec![Reason::NothingAgainst { requests }]),
    }
}

fn undecided(missing: Missing, method: &Method, judging: &Judging, look: &Look) -> Verdict {
    let low_traffic =
        matches!(missing, Missing::NoCanaryData | Missing::NoTraffic | Missing::LowTraffic);
    let errors = look.signals.first();
    let found = errors.map_or(0.0, |errors| errors.canary.1);
    let planned = judging.basis.plan(method);
    if judging.basis.thresholds_ms.is_empty() {
        return Verdict::new(Outcome::Inconclusive, vec![Reason::NoHistory]);
    }
    let reasons = vec![Reason::Undecided { missing }, Reason::Planned { found, planned }];
    Verdict { low_traffic, ..Verdict::new(Outcome::Inconclusive, reasons) }
}

fn promised(judging: &Judging, look: &Look) -> Reason {
    let required = look.promises.iter().filter(|promise| promise.required);
    let quantiles = required
        .map(|promise| promise.signal.clone())
        .filter(|signal| matches!(signal, super::sequential::Signal::Latency(_)))
        .map(|signal| signal.to_string())
        .collect();
    let (errors, requests) = look.signals.first().map_or((0.0, 0.0), |errors| errors.canary);
    Reason::Promised {
        errors,
        requests,
        tolerance: look.tolerance,
        quantiles,
        tolerance_ms: judging.basis.tolerance_ms,
        minutes: f64::from(look.buckets) * f64::from(judging.basis.bucket_seconds) / 60.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::sequential::{Counts, Series};

    #[test]
    fn a_step_that_ends_with_the_warm_up_is_not_passed_against_the_evidence() {
        let (requests, events) = ([600.0; 60], [0.0; 60]);
        let history = Series { requests: &requests, events: &events, of_traffic: 1.0 };
        let (method, basis) = (Method::published(), Basis::new(10, 4, 0.25, &history));
        let counts = |requests, errors| Counts { requests, errors, ..Counts::default() };
        for (errors, expected) in [(43.0, Outcome::Inconclusive), (0.0, Outcome::Pass)] {
            let (canary, baseline) = (counts(145.0, errors), counts(455.0, 0.0));
            let bucket = Bucket { canary, baseline, ..Bucket::default() };
            let look = Judge::at_end_of(&basis, &method, std::slice::from_ref(&bucket));
            let (at, latency_ms, weight) = (Timestamp::UNIX_EPOCH, [None; 2], Weight::FULL);
            let observed = [Observed { at, weight, latency_ms, bucket }];
            let place = Place { seen: 0, before: 0, planned: 1, is_last: false, early: true };
            let verdict = between_steps(&method, &observed, &place, &look);
            assert_eq!(verdict.outcome, expected, "{errors}: {:?}", verdict.texts());
        }
    }

    #[test]
    fn a_signal_is_a_reason_once() {
        let cause = |signal, at_end| RollbackSignal { signal, at_end };
        let unsure = || Signal::Custom("unsure answers".to_owned());
        let causes = [cause(unsure(), false), cause(unsure(), true), cause(Signal::Errors, true)];
        let said: Vec<_> = once_each(&causes).cloned().collect();
        assert_eq!(said, [cause(unsure(), false), cause(Signal::Errors, true)]);
    }
}
