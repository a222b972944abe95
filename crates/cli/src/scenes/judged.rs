//! Releases judged by evidence: real looks of the core's judge on made-up traffic, with the journal that a
//! release of that kind has.

mod run;

use jiff::SignedDuration;
use perch_core::journal::{JournalEntry, What};
use perch_core::judge::sequential::{Basis, Bucket, Counts, Pair, Series, Tally};
use perch_core::judge::{Judging, Observed, Outcome, Place, judge_evidence};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::weight::Weight;
use perch_testkit::{at, release, target};

use run::Run;

/// Traffic and a canary's faults.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// Requests of both arms in a bucket.
    pub(crate) requests: f64,
    /// The baseline's error rate.
    pub(crate) error_rate: f64,
    /// The canary's over it.
    pub(crate) errors: f64,
    /// The canary's latency over the baseline's.
    pub(crate) latency: f64,
    /// Buckets at most, and their length.
    pub(crate) buckets: usize,
    pub(crate) bucket_seconds: u32,
    /// A custom signal: unsure answers, the canary's over the baseline's.
    pub(crate) unsure: Option<f64>,
}

/// 100 requests a second, of which 0.1 % fail.
pub(crate) fn traffic() -> Traffic {
    Traffic {
        requests: 6000.0,
        error_rate: 0.001,
        errors: 1.0,
        latency: 1.0,
        buckets: 15,
        bucket_seconds: 60,
        unsure: None,
    }
}

/// The record and its journal.
pub(crate) struct Judged {
    pub(crate) release: Release,
    pub(crate) journal: Vec<JournalEntry>,
}

/// Requests above each threshold, for a tail of latencies that falls by the fourth power.
fn slow(requests: f64, latency: f64, (wave, chance): (f64, f64)) -> [[f64; 3]; 4] {
    [0.10, 0.05, 0.02, 0.01].map(|share: f64| {
        let above = |times: f64| {
            let part = share * (latency / times).powi(4) * (1.0 + 0.05 * wave);
            whole(requests * part.min(1.0), chance)
        };
        [above(1.0), above(1.095), above(1.2)]
    })
}

/// A whole number that is `expected` on average; `chance` is from -1 to 1.
fn whole(expected: f64, chance: f64) -> f64 {
    (expected + 0.4999 * (chance + 1.0)).floor()
}

/// A number from -1 to 1 that looks like chance and is the same in every run.
fn wave(index: usize, salt: u32) -> f64 {
    let mixed = (u32::try_from(index).unwrap() + 1).wrapping_mul(2_654_435_761) ^ (salt * 97_003);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
    f64::from((mixed ^ (mixed >> 13)) % 2001) / 1000.0 - 1.0
}

impl Traffic {
    fn counts(&self, index: usize, share: f64, is_canary: bool) -> Counts {
        let salt = u32::from(is_canary);
        let requests = (self.requests * share * (1.0 + 0.03 * wave(index, 7))).round();
        let times = if is_canary { self.errors } else { 1.0 };
        let expected = requests * self.error_rate * times;
        let varied = expected + expected.sqrt() * wave(index, 11 + salt);
        let errors = whole(varied.max(0.0), wave(index, 31 + salt)).min(requests);
        let latency = if is_canary { self.latency } else { 1.0 };
        let chances = (wave(index, 23 + salt), wave(index, 41 + salt));
        let mut slow = slow(requests, latency, chances);
        if !is_canary {
            // Counts of the baseline are exact: both ends of the bracket are the same number.
            slow = slow.map(|at| [at[0]; 3]);
        }
        Counts { requests, errors, slow }
    }

    fn bucket(&self, index: usize, weight: Weight) -> Bucket {
        let share = weight.fraction();
        let canary = self.counts(index, share, true);
        let baseline = self.counts(index, 1.0 - share, false);
        let tally = |counts: &Counts, rate: f64| Tally {
            count: (counts.requests * rate).round(),
            total: counts.requests,
        };
        let custom = self.unsure.map(|times| Pair {
            canary: tally(&canary, 0.02 * times),
            baseline: tally(&baseline, 0.02),
        });
        Bucket { canary, baseline, custom: custom.into_iter().collect() }
    }

    fn basis(&self, share: f64) -> Basis {
        let history: Vec<Counts> = (100..160).map(|i| self.counts(i, 1.0, false)).collect();
        let pick = |of: fn(&Counts) -> f64| history.iter().map(of).collect::<Vec<f64>>();
        let (requests, events) = (pick(|c| c.requests), pick(|c| c.errors));
        let series = Series { requests: &requests, events: &events, of_traffic: 1.0 };
        let blocks = (self.buckets * self.bucket_seconds as usize).div_ceil(60);
        let blocks = u32::try_from(blocks).unwrap();
        let mut basis = Basis::new(self.bucket_seconds, blocks, share, &series);
        basis.thresholds_ms = vec![121.0, 154.0, 207.0, 262.0];
        match self.unsure {
            Some(_) => {
                let unsure: Vec<f64> = requests.iter().map(|n| (n * 0.02).round()).collect();
                basis.with_custom("unsure answers", &Series { events: &unsure, ..series })
            }
            None => basis,
        }
    }

    /// A look at the end of each bucket until one decides, and the end that follows from it. A third of
    /// the buckets are planned at 10 %, the others at 50 %.
    pub(crate) fn judged(&self) -> Judged {
        let planned = [self.buckets / 3, self.buckets - self.buckets / 3];
        let bake = |step: usize| planned[step] as u64 * u64::from(self.bucket_seconds);
        let usual = target()
            .named("news-classifier")
            .judged_by_evidence()
            .steps(&[(10, bake(0)), (50, bake(1))]);
        let mut release = release().to(&usual.build()).baking(0).build();
        let rule = &release.plan.judge;
        let method = rule.method();
        let basis = self.basis(release.weight().fraction());
        let mut run = Run { journal: Vec::new(), release: release.clone() };
        run.begin();
        let mut judging = Judging { basis, settle_seconds: 20, observed: Vec::new() };
        let (mut step, mut before) = (0, 0);
        for index in 0..self.buckets {
            let start = at(60 + i64::from(self.bucket_seconds) * i64::try_from(index).unwrap());
            let weight = release.plan.steps[step].weight;
            let seen = Observed {
                at: start,
                weight,
                latency_ms: [Some(262.0 * self.latency), Some(262.0)],
                bucket: self.bucket(index, weight),
            };
            judging.observed.push(seen.clone());
            let is_last = step == 1;
            let place =
                Place { seen: index, before, planned: planned[step], is_last, early: is_last };
            let (verdict, look) = judge_evidence(&method, &judging, &place);
            let end = start + SignedDuration::from_secs(i64::from(self.bucket_seconds) + 20);
            run.look(end, &judging, seen, &verdict, look);
            release.verdict = Some(verdict.clone());
            release.phase = Phase::Baking { step, weight, since: at(10) };
            if verdict.outcome == Outcome::Pass && !is_last {
                (step, before) = (1, index + 1);
                let shifted = end + SignedDuration::from_secs(3);
                run.write(shifted, What::WeightShifted, "50% of traffic on the canary", None);
            } else if verdict.outcome != Outcome::Inconclusive {
                release.phase = run.end(end, &verdict);
                release.ended_at = run.journal.last().map(|entry| entry.at);
                break;
            }
        }
        release.judging = Some(judging);
        Judged { release, journal: run.journal }
    }
}

/// As good as the baseline: promoted.
pub(crate) fn healthy() -> Judged {
    traffic().judged()
}

/// Eight times the errors: rolled back.
pub(crate) fn failing() -> Judged {
    Traffic { errors: 8.0, ..traffic() }.judged()
}

/// A third slower: rolled back.
pub(crate) fn slow_canary() -> Judged {
    Traffic { latency: 1.33, ..traffic() }.judged()
}

/// 40 requests a minute: no verdict by the end.
pub(crate) fn undecided() -> Judged {
    Traffic { requests: 40.0, error_rate: 0.02, ..traffic() }.judged()
}

/// Fast and without errors, but less sure of its answers.
pub(crate) fn unsure() -> Judged {
    Traffic { unsure: Some(1.6), ..traffic() }.judged()
}

/// Forty minutes in buckets of ten seconds, without a verdict.
pub(crate) fn long() -> Judged {
    let few = Traffic { requests: 8.0, error_rate: 0.03, ..traffic() };
    Traffic { errors: 1.3, buckets: 240, bucket_seconds: 10, ..few }.judged()
}
