//! Heads and releases: the state that decides who may do what.

use std::future::Future;

use jiff::Timestamp;
use perch_core::artifact::{Artifact, Lane};
use perch_core::head::{Fence, Head, Waiting};
use perch_core::journal::JournalEntry;
use perch_core::journal::Notice;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use perch_core::stop::Stop;
use serde::Serialize;

use super::PortError;

/// Reads the head of a target.
pub trait LoadHead {
    /// The head as last written, if the target ever had a release.
    fn head(
        &self,
        target: &TargetName,
    ) -> impl Future<Output = Result<Option<Head>, PortError>> + Send;
}

/// Who a target's traffic stands under now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The head as last written, if the target ever had one.
    pub head: Option<Head>,
    /// The stop that holds for the target: its own, or that of the installation.
    pub stop: Option<Stop>,
}

impl Standing {
    /// Whether the release still has the fence.
    pub fn is_held_by(&self, release: &Release) -> bool {
        self.head.as_ref().is_some_and(|head| head.fence == release.fence)
    }
}

/// Reads the head of a target and the stop that holds for it.
pub trait LoadStanding {
    /// Both, with one call.
    fn standing(
        &self,
        target: &TargetName,
    ) -> impl Future<Output = Result<Standing, PortError>> + Send;
}

/// Who takes the fence.
#[derive(Debug, Clone, Copy)]
pub enum Claim<'a> {
    /// A guard that went into ALARM at this time: only while it may take the traffic back, and only
    /// from a release whose ledger is not younger.
    Guard {
        /// When it went into ALARM.
        at: Timestamp,
    },
    /// The rollback of this release: only while it is the active one, in whatever phase.
    Holder(&'a ReleaseId),
}

/// Takes a target's traffic away from whoever holds it.
pub trait TakeFence {
    /// Raises the fence by one and answers the head as it is then; `None` when the claim does not
    /// hold.
    fn take_fence(
        &self,
        target: &TargetName,
        claim: Claim<'_>,
    ) -> impl Future<Output = Result<Option<Head>, PortError>> + Send;
}

/// Reads a release.
pub trait LoadRelease {
    /// The release of this id, if there is one, as last written.
    fn release(
        &self,
        id: &ReleaseId,
    ) -> impl Future<Output = Result<Option<Release>, PortError>> + Send;
}

/// What became of a release that was to be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// It is recorded and holds its target.
    Created,
    /// The same event was seen before; this is its release already.
    Repeated,
    /// This artifact had its release already.
    AlreadyReleased {
        /// That release.
        by: ReleaseId,
        /// The phase it ended in, or that it has not ended.
        outcome: String,
    },
    /// Another release holds the target.
    Busy {
        /// That release.
        active: ReleaseId,
    },
    /// A person stopped the target, or all.
    Stopped(Stop),
}

/// Records a new release and gives it the target, in one transaction.
pub trait PlanRelease {
    /// Writes the release, its first journal entry and the head with the release's fence; only if
    /// nothing holds the target, no stop stands, and the head's fence is the one before. An artifact
    /// that had its release is admitted again after a rejection or a replacement, and by a person
    /// after any end.
    fn plan(
        &self,
        release: &Release,
        entry: &JournalEntry,
    ) -> impl Future<Output = Result<Planned, PortError>> + Send;
}

/// One step of a release, written as a whole or not at all.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The release as it is from now on.
    pub release: Release,
    /// The number of the last journal entry before.
    pub expected_seq: u64,
    /// The fence that the writer holds.
    pub fence: Fence,
    /// What to add to the journal.
    pub entries: Vec<JournalEntry>,
}

/// Writes a transition.
pub trait CommitRelease {
    /// Writes the release, its journal entries and what the head has to know of it (fence, way
    /// back, whether the canary may serve, whether the release still holds the target).
    ///
    /// # Errors
    /// [`PortError::Conflict`] when the fence or the sequence number is not the expected one.
    fn commit(&self, transition: &Transition)
    -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What an artifact waits for.
#[derive(Debug, Clone, Copy)]
pub enum Behind<'a> {
    /// The end of this release.
    Release(&'a ReleaseId),
    /// The end of a stop.
    Stop,
}

/// What became of an artifact that was to wait.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// It waits now, or did so already.
    Waits {
        /// The older artifact that had waited until then.
        instead_of: Option<Waiting>,
    },
    /// A newer one waits already.
    Overtaken {
        /// The newer one.
        by: Waiting,
    },
    /// The release that it was to wait for has ended meanwhile.
    Free,
}

/// Remembers the newest artifact that came while a release was active or the line was stopped.
pub trait WaitForTurn {
    /// Keeps `waiting` unless a newer one of its lane waits already.
    fn wait_for_turn(
        &self,
        target: &TargetName,
        waiting: &Waiting,
        behind: Behind<'_>,
    ) -> impl Future<Output = Result<Turn, PortError>> + Send;

    /// Forgets the artifact of a lane that was pushed at this time, once it has its release.
    fn forget_waiting(
        &self,
        target: &TargetName,
        lane: Lane,
        pushed_at: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Remembers that an artifact which was pushed at this time needs no look-back.
    fn mark_seen(
        &self,
        target: &TargetName,
        pushed_at: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What a target knows of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownArtifact {
    /// Its newest release.
    pub release: ReleaseId,
    /// The name of the phase in which that ended, if it did.
    pub outcome: Option<String>,
}

impl KnownArtifact {
    /// Whether it was rolled back and is not tried again unless a person says so.
    pub fn is_quarantined(&self) -> bool {
        self.outcome.as_deref() == Some("RolledBack")
    }

    /// Whether its release never touched traffic or made room for another: the artifact is open to one more.
    pub fn is_open(&self) -> bool {
        matches!(self.outcome.as_deref(), Some("Rejected" | "Superseded"))
    }
}

/// Reads what became of an artifact.
pub trait LoadArtifact {
    /// What the target knows of the artifact, if it ever had a release of it.
    fn artifact(
        &self,
        target: &TargetName,
        artifact: &Artifact,
    ) -> impl Future<Output = Result<Option<KnownArtifact>, PortError>> + Send;
}

/// Stops and resumes.
pub trait StopLine {
    /// Writes the stop of a target, or of all without one, and the notice of it; nothing where a
    /// stop stands already.
    fn stop(
        &self,
        target: Option<&TargetName>,
        stop: &Stop,
        notice: &Notice,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Ends the stop of a target, or that of all without one; whether there was one.
    fn resume(
        &self,
        target: Option<&TargetName>,
        notice: &Notice,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// The stop of the whole installation.
    fn stop_of_all(&self) -> impl Future<Output = Result<Option<Stop>, PortError>> + Send;
}
