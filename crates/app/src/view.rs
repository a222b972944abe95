//! A release as people and programs see it: one shape for the command line's tables and JSON.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::journal::JournalEntry;
use perch_core::judge::{Outcome, Readings};
use perch_core::names::{AlarmName, ReleaseId, TargetName, Version};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Cause, Order, Release};
use perch_core::weight::Weight;
use serde::Serialize;

/// A release, flat.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    /// Its id.
    pub id: ReleaseId,
    /// Its target.
    pub target: TargetName,
    /// What is released.
    pub artifact: Artifact,
    /// The name of its phase.
    pub phase: &'static str,
    /// The canary's share of traffic in whole percent, as last read back.
    pub weight: Weight,
    /// The version that served before.
    pub baseline: Option<Version>,
    /// The version under test.
    pub canary: Option<Version>,
    /// What started it.
    pub cause: Cause,
    /// When it started.
    pub started_at: Timestamp,
    /// When it is rolled back unless it was promoted.
    pub deadline: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// A person's decision that stands.
    pub order: Option<Order>,
    /// Guards that were in ALARM at the start and do not count until they were seen OK.
    pub ignored_guards: Vec<AlarmName>,
    /// Why it is where it is.
    pub verdict: Option<VerdictView>,
    /// What happened, oldest first; empty in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub journal: Vec<JournalEntry>,
}

/// An outcome and its reasons as sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictView {
    /// Pass, Fail or Inconclusive.
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<String>,
}

impl ReleaseView {
    /// The view of a release with its journal, or without.
    pub fn of(release: &Release, journal: Vec<JournalEntry>) -> Self {
        Self {
            id: release.id.clone(),
            target: release.target.clone(),
            artifact: release.artifact.clone(),
            phase: release.phase.name(),
            weight: release.weight(),
            baseline: release.ledger.as_ref().map(|ledger| ledger.baseline.clone()),
            canary: release.canary.clone(),
            cause: release.cause.clone(),
            started_at: release.started_at,
            deadline: release.deadline,
            ended_at: release.ended_at,
            order: release.order.clone(),
            ignored_guards: release.ignored_guards.clone(),
            verdict: verdict(release),
            journal,
        }
    }

    /// The readings of the newest look in the journal.
    pub fn readings(&self) -> Option<&Readings> {
        let looks = self.journal.iter().rev().filter_map(|entry| entry.evidence.as_ref());
        looks.map(|evidence| &evidence.readings).next()
    }
}

/// What decided the release, or the newest look while nothing has.
fn verdict(release: &Release) -> Option<VerdictView> {
    let failed = |reasons| Some(VerdictView { outcome: Outcome::Fail, reasons });
    match &release.phase {
        Phase::RollingBack { cause, .. } | Phase::RolledBack { cause } => match cause {
            RollbackCause::NoData { reasons } => {
                Some(VerdictView { outcome: Outcome::Inconclusive, reasons: reasons.clone() })
            }
            RollbackCause::Judge { reasons } => failed(reasons.clone()),
            RollbackCause::Golden { differences, .. } => failed(differences.clone()),
            RollbackCause::Smoke { failures } => failed(failures.clone()),
            RollbackCause::Alarm { .. }
            | RollbackCause::Abort { .. }
            | RollbackCause::Deadline { .. }
            | RollbackCause::Replaced { .. }
            | RollbackCause::Error { .. }
            | RollbackCause::Platform { .. } => failed(vec![cause.to_string()]),
        },
        Phase::Rejected { why } | Phase::Stuck { why, .. } => failed(vec![why.clone()]),
        Phase::Pending
        | Phase::Preparing
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Promoting { .. }
        | Phase::Watching { .. }
        | Phase::Promoted
        | Phase::Superseded { .. } => release
            .verdict
            .as_ref()
            .map(|verdict| VerdictView { outcome: verdict.outcome, reasons: verdict.texts() }),
    }
}
