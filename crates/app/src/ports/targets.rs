//! Targets, and what leads to them.

use std::future::Future;

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::names::{AlarmName, TargetName};
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
    /// Writes `target`, and takes away index items that only `before` had. A new target gets its
    /// head, due for the sweep now; what was pushed before now is no missed event.
    fn save_target(
        &self,
        target: &Target,
        before: Option<&Target>,
        now: Timestamp,
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
