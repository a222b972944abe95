//! Releases replayed under their own plan and under others.

use super::*;
use crate::judge::sequential::{Bucket, Counts, Series};
use crate::release::Driver;
use crate::span::Span;
use crate::target::{ErrorRule, JudgeRule, Lambda, Step};

fn plan(steps: &[(u8, u64)]) -> Plan {
    let step = |(percent, minutes): &(u8, u64)| Step {
        weight: Weight::new(*percent).unwrap(),
        bake: Span::minutes(*minutes),
    };
    Plan {
        driver: Driver::Alias(Lambda {
            function: "news".parse().unwrap(),
            alias: "live".parse().unwrap(),
            code_deploy: None,
        }),
        cache: None,
        smoke: None,
        steps: steps.iter().map(step).collect(),
        judge: JudgeRule::default(),
        guards: Vec::new(),
        alarm_at_start: Default::default(),
        watch: Span::minutes(1),
    }
}

/// Minutes at these weights in percent, of 6,000 requests in all, of which the canary fails this share.
fn recorded(weights: &[u8], failing: f64) -> Judging {
    let (n, e) = ([6000.0; 60], [6.0; 60]);
    let series = Series { requests: &n, events: &e, of_traffic: 1.0 };
    let mut basis = Basis::new(60, 15, f64::from(weights[0]) / 100.0, &series);
    basis.thresholds_ms = vec![90.0, 120.0, 160.0, 200.0];
    let arm = |requests: f64, failing: f64| {
        let slow = [0.10, 0.05, 0.02, 0.01].map(|share| [share * requests; 3]);
        Counts { requests, errors: (requests * failing).round(), slow }
    };
    let minute = |(place, percent): (usize, &u8)| {
        let canary = 60.0 * f64::from(*percent);
        let mut canary = arm(canary, failing);
        canary.slow.iter_mut().for_each(|slow| (slow[1], slow[2]) = (slow[1] * 0.8, slow[2] * 0.6));
        let baseline = arm(6000.0 - canary.requests, 0.001);
        Observed {
            at: Timestamp::from_second(60 * i64::try_from(place).unwrap()).unwrap(),
            weight: Weight::new(*percent).unwrap(),
            latency_ms: [Some(100.0), Some(90.0)],
            bucket: Bucket { canary, baseline, custom: Vec::new() },
        }
    };
    let observed = weights.iter().enumerate().map(minute).collect();
    Judging { basis, settle_seconds: 30, observed }
}

#[test]
fn a_replay_ends_with_the_first_rollback_at_the_end_of_its_minute() {
    let replayed = replay(&plan(&[(10, 15)]), &recorded(&[10; 15], 0.02));
    let last = replayed.last().unwrap();
    assert_eq!(last.verdict.outcome, Outcome::Fail);
    assert!(replayed.len() < 15 && last.look.is_some());
    assert_eq!(last.at.as_second(), 60 * i64::try_from(replayed.len()).unwrap());
    assert!(replayed[..replayed.len() - 1].iter().all(|r| r.verdict.outcome != Outcome::Fail));
}

#[test]
fn steps_begin_where_the_weight_changed() {
    let weights = [[10; 5], [50; 5]].concat();
    let replayed = replay(&plan(&[(10, 5), (50, 5)]), &recorded(&weights, 0.001));
    assert_eq!(replayed.len(), 10);
    let lasts: Vec<bool> = replayed.iter().map(|one| one.is_last).collect();
    assert_eq!(lasts, [[false; 5], [true; 5]].concat());
    assert_eq!(replayed.last().unwrap().verdict.outcome, Outcome::Pass);
}

#[test]
fn another_plan_decides_otherwise_on_the_same_traffic() {
    let recorded = recorded(&[10; 15], 0.004);
    let sequential = replay(&plan(&[(10, 15)]), &recorded);
    assert_eq!(sequential.last().unwrap().verdict.outcome, Outcome::Fail);
    let mut limits = plan(&[(10, 15)]);
    limits.judge.rule = Rule::Thresholds;
    limits.judge.error_rate = ErrorRule { max: "1%".parse().unwrap() };
    let replayed = replay(&limits, &recorded);
    assert_eq!(replayed.len(), 15);
    assert!(replayed[..14].iter().all(|one| one.verdict.pending && one.look.is_none()));
    assert_eq!(replayed[14].verdict.outcome, Outcome::Pass, "0.4 % are below the limit of 1 %");
    limits.judge.error_rate = ErrorRule { max: "0.2%".parse().unwrap() };
    assert_eq!(replay(&limits, &recorded)[0].verdict.outcome, Outcome::Fail);
}

#[test]
fn a_shorter_plan_has_its_last_look_sooner() {
    let replayed = replay(&plan(&[(10, 5)]), &recorded(&[10; 15], 0.0015));
    let said = &replayed[4].verdict;
    assert!(!said.pending, "{said}");
    assert!(replayed[3].verdict.pending);
}
