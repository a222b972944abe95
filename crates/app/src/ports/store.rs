//! Targets, heads and releases: the state that decides who may do what.

use std::future::Future;

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::head::{Fence, Head, Waiting};
use perch_core::journal::JournalEntry;
use perch_core::names::{AlarmName, ReleaseId, TargetName};
use perch_core::release::Release;
use perch_core::target::Target;

use super::PortError;

/// Reads a target.
pub trait LoadTarget {
    /// The target of this name, if there is one.
    fn target(
        &self,
        name: &TargetName,
    ) -> impl Future<Output = Result<Option<Target>, PortError>> + Send;

    /// Every target, in the order of their names.
    fn targets(&self) -> impl Future<Output = Result<Vec<Target>, PortError>> + Send;
}

/// What `apply` would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetChange {
    /// There is no target of this name yet.
    Create,
    /// The target exists and differs.
    Update,
    /// The target is the same already.
    None,
}

/// Writes a target and its index items in one transaction.
pub trait SaveTarget {
    /// Writes `target`, and takes away index items that only `before` had.
    fn save_target(
        &self,
        target: &Target,
        before: Option<&Target>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// A target that takes artifacts from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMatch {
    /// The target.
    pub target: TargetName,
    /// Its globs over tags or keys.
    pub globs: Vec<String>,
}

/// Finds targets by what concerns them: one query each, however many targets there are.
pub trait FindTargets {
    /// The targets that take images of this repository or packages of this bucket.
    fn by_source(
        &self,
        artifact: &Artifact,
    ) -> impl Future<Output = Result<Vec<SourceMatch>, PortError>> + Send;

    /// The targets that this alarm guards.
    fn by_guard(
        &self,
        alarm: &AlarmName,
    ) -> impl Future<Output = Result<Vec<TargetName>, PortError>> + Send;
}

/// Reads the head of a target.
pub trait LoadHead {
    /// The head as last written, if the target ever had a release.
    fn head(
        &self,
        target: &TargetName,
    ) -> impl Future<Output = Result<Option<Head>, PortError>> + Send;
}

/// Takes a target's traffic away from whoever holds it.
pub trait TakeFence {
    /// Raises the fence of an exposed target by one and answers its head as it is then; `None` when
    /// no canary may be serving. With `holder`, only while that release is the active one, exposed
    /// or not.
    fn take_fence(
        &self,
        target: &TargetName,
        holder: Option<&ReleaseId>,
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
}

/// Records a new release and gives it the target, in one transaction.
pub trait PlanRelease {
    /// Writes the release, its first journal entry and the head with the release's fence; only if
    /// nothing holds the target and the head's fence is the one before.
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

/// Remembers the newest artifact that came while a release was active.
pub trait WaitForTurn {
    /// Keeps `waiting` unless a newer one waits already; whether it was kept.
    fn wait_for_turn(
        &self,
        target: &TargetName,
        waiting: &Waiting,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// Forgets the artifact that was pushed at this time, once it has its release.
    fn forget_waiting(
        &self,
        target: &TargetName,
        pushed_at: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
