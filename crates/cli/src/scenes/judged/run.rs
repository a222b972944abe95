//! The journal of a release that is judged bucket by bucket.

use jiff::{SignedDuration, Timestamp};
use perch_core::journal::{Evidence, JournalEntry, What};
use perch_core::judge::sequential::{Bucket, Counts, Look};
use perch_core::judge::{Arm, Judging, Observed, Outcome, Readings, Verdict};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_testkit::at;

/// A journal under way.
pub(super) struct Run {
    pub(super) release: Release,
    pub(super) journal: Vec<JournalEntry>,
}

impl Run {
    pub(super) fn write(
        &mut self,
        at: Timestamp,
        what: What,
        cause: &str,
        evidence: Option<Evidence>,
    ) {
        self.journal.push(JournalEntry {
            release: self.release.id.clone(),
            target: self.release.target.clone(),
            seq: self.journal.len() as u64 + 1,
            at,
            what,
            cause: cause.to_owned(),
            evidence,
            smoke: Vec::new(),
            moment: None,
        });
    }

    pub(super) fn begin(&mut self) {
        let planned = format!("{} by {}", self.release.artifact, self.release.cause);
        self.write(at(0), What::ReleasePlanned, &planned, None);
        self.write(at(2), What::LedgerTaken, "version 1 has all traffic of live", None);
        self.write(at(3), What::CodeSet, "news:v2 (bbbbbbbbbbbb) is code bbbbbbbb", None);
        self.write(at(9), What::CanaryPublished, "version 2 is published from news:v2", None);
        self.write(at(10), What::WeightShifted, "10% of traffic on the canary", None);
    }

    pub(super) fn look(
        &mut self,
        at: Timestamp,
        judging: &Judging,
        seen: Observed,
        verdict: &Verdict,
        look: Look,
    ) {
        let sum = |of: &dyn Fn(&Observed) -> f64| {
            let sum: f64 = judging.observed.iter().map(of).sum();
            format!("{sum:.0}").parse::<u64>().unwrap()
        };
        let arm = |of: fn(&Bucket) -> &Counts, latency_ms| Arm {
            requests: sum(&|o| of(&o.bucket).requests),
            errors: sum(&|o| of(&o.bucket).errors),
            latency_ms,
        };
        let readings = Readings {
            from: judging.observed[0].at,
            to: at,
            canary: arm(|b| &b.canary, seen.latency_ms[0]),
            baseline: arm(|b| &b.baseline, seen.latency_ms[1]),
            alarms: Vec::new(),
            missing_guards: Vec::new(),
        };
        let evidence = Evidence {
            readings,
            verdict: verdict.clone(),
            look: Some(Box::new(look)),
            observed: vec![seen],
            queries: vec![
                "AWS/Lambda Errors Sum 60 s ExecutedVersion 2".to_owned(),
                "AWS/Lambda Duration TC(121:) 60 s ExecutedVersion 2".to_owned(),
            ],
            synthetic: 0,
        };
        let cause = format!("at {}: {verdict}", seen_weight(&evidence));
        self.write(at, What::BakeJudged, &cause, Some(evidence));
    }

    pub(super) fn end(&mut self, at: Timestamp, verdict: &Verdict) -> Phase {
        let after = |seconds| at + SignedDuration::from_secs(seconds);
        if verdict.outcome == Outcome::Fail {
            let cause = RollbackCause::Judge { reasons: verdict.texts() };
            self.write(at, What::RollbackDecided, &cause.to_string(), None);
            self.write(after(3), What::ReleaseRolledBack, &cause.to_string(), None);
            return Phase::RolledBack { cause };
        }
        self.write(at, What::PromotionDecided, "every step of the plan is done", None);
        self.write(
            after(3),
            What::CanaryPromoted,
            "all traffic on the canary; watched for 5m",
            None,
        );
        self.write(after(303), What::ReleasePromoted, "the watch of 5m ended", None);
        Phase::Promoted
    }
}

fn seen_weight(evidence: &Evidence) -> String {
    evidence.observed.last().map_or_else(String::new, |seen| seen.weight.to_string())
}
