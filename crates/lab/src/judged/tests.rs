//! The judge on the published cases, and the counts that it gets.

use super::*;
use crate::case::{self, Answer, Case};
use crate::grid::Set;
use crate::latency::BINS;

fn published() -> Vec<Case> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/judge/cases_public2.json");
    case::read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The first minute of a rollback and of a promotion.
fn first(looks: &[Look]) -> (Option<usize>, Option<usize>) {
    let minute = |is: fn(&Say) -> bool| looks.iter().position(|l| is(&l.say)).map(|at| at + 1);
    let back = minute(|say| matches!(say, Say::Rollback { .. }));
    (back, minute(|say| matches!(say, Say::Promote { .. })))
}

#[test]
fn the_published_method_answers_the_cases_as_the_reference_does() {
    let judge = Judged::new("published", Method::published());
    for case in published() {
        let looks = judge.looks(&case.trace);
        let (rollback, promote) = first(&looks);
        let reference = case.reference.unwrap();
        assert_eq!((rollback, promote), (reference.rollback, reference.promote), "{}", case.id);
        let verdict = match (rollback, promote) {
            (Some(_), _) => Answer::Rollback,
            (None, Some(_)) => Answer::Promote,
            (None, None) => Answer::Inconclusive,
        };
        assert_eq!(verdict, reference.verdict, "{}", case.id);
        assert_eq!(looks.len(), reference.log_evidence.len());
        for (look, expected) in looks.iter().zip(reference.log_evidence) {
            let distance = (look.evidence - expected).abs();
            assert!(distance < 1e-3, "{}: {} for {expected}", case.id, look.evidence);
        }
    }
}

#[test]
fn the_shipped_default_answers_every_case_as_allowed_and_in_time() {
    let judge = Judged::new("normal", Method::normal());
    for case in published() {
        let End { rollback, promote } = judge.end(&case.trace);
        let answer = match (rollback, promote) {
            (Some(_), _) => Answer::Rollback,
            (None, Some(_)) => Answer::Promote,
            (None, None) => Answer::Inconclusive,
        };
        assert!(case.accepts(answer, rollback), "{}: {answer:?} {rollback:?}", case.id);
    }
}

#[test]
fn the_first_slow_bin_follows_the_one_with_the_quantile() {
    let mut history = [0.0; BINS];
    (history[10], history[20], history[30]) = (90.0, 9.0, 1.0);
    assert_eq!(first_slow_bin(&history, 0.5), 11);
    assert_eq!(first_slow_bin(&history, 0.9), 11, "nine tenths are reached in bin 10");
    assert_eq!(first_slow_bin(&history, 0.95), 21);
    assert_eq!(first_slow_bin(&history, 0.99), 21);
    assert_eq!(first_slow_bin(&history, 0.995), 31);
    assert_eq!(first_slow_bin(&[0.0; BINS], 0.9), 1, "without a history");
}

#[test]
fn slow_requests_are_counted_from_higher_thresholds_on_the_canary_only() {
    let mut trace = published().swap_remove(0).trace;
    trace.history.latency = [0.0; BINS];
    trace.history.latency[9] = 100.0;
    let mut latency = [0.0; BINS];
    (latency[9], latency[10], latency[11], latency[12]) = (1000.0, 100.0, 10.0, 1.0);
    trace.minutes[0].canary.latency = latency;
    trace.minutes[0].baseline.latency = latency;
    let bucket = buckets(&trace).swap_remove(0);
    assert_eq!(bucket.canary.slow, [[111.0, 11.0, 1.0]; 4]);
    assert_eq!(bucket.baseline.slow, [[111.0; 3]; 4]);
}

/// 4,000 canaries that are like their baseline, from 1 to 1,000 requests a second: the evidence of all
/// signals, without gates and without corroboration, reaches 200 in at most 1 of 200, within chance.
#[test]
fn evidence_against_equal_canaries_rarely_reaches_its_threshold() {
    let healthy = Set::Tuned.rows().into_iter().take(8);
    let threshold = (1.0 / Method::published().alpha_looks).ln();
    for judge in
        [Judged::new("published", Method::published()), Judged::new("normal", Method::normal())]
    {
        let mut crossed = 0;
        for row in healthy.clone() {
            let traces = (0..500).map(|number| row.trace(4711, number));
            let reaches =
                |trace: Trace| judge.looks(&trace).iter().any(|look| look.evidence >= threshold);
            crossed += traces.filter(|trace| reaches(trace.clone())).count();
        }
        // 20 are the bound; three standard deviations are 13.
        assert!(crossed <= 33, "{}: {crossed} of 4,000", judge.name);
    }
}
