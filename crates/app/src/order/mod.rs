//! People's decisions. Each is recorded with who and why, and automation never moves past it.

mod going_back;
mod in_flight;
mod line;
mod model;

pub use going_back::{Start, Starts, go_back_to, start};
pub use in_flight::{active, continue_now, hold, promote, roll_back};
pub use line::{resume, stop};
pub use model::go_back_to_model;

use perch_core::names::{ReleaseId, TargetName, Version};
use perch_core::stop::Stop;

use crate::ports::PortError;

/// Why a person's decision can't be carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such target.
    #[error("target {0} does not exist; `perch targets` lists them")]
    UnknownTarget(TargetName),
    /// Nothing runs that could be promoted or rolled back.
    #[error("nothing is in flight for target {0}; `perch releases --target {0}` lists what was")]
    NothingInFlight(TargetName),
    /// The release is past the point.
    #[error("release {release} is in phase {phase} and can't be {what} now")]
    TooLate {
        /// The release.
        release: ReleaseId,
        /// Its phase.
        phase: &'static str,
        /// What it can't be.
        what: &'static str,
    },
    /// What moves the weights has a schedule of its own.
    #[error(
        "release {release} can't be {what}: its traffic moves by a schedule of its own, and {why}; \
         `perch rollback {target} --reason TEXT` stops it"
    )]
    MovesItself {
        /// The release.
        release: ReleaseId,
        /// Its target.
        target: TargetName,
        /// What it can't be.
        what: &'static str,
        /// Why.
        why: &'static str,
    },
    /// A stop stands.
    #[error("target {target} is {stop}; `perch resume` ends the stop")]
    Stopped {
        /// The target.
        target: TargetName,
        /// The stop.
        stop: Stop,
    },
    /// A release holds the target.
    #[error("release {active} holds target {target}; abort it or wait for its end")]
    Busy {
        /// The target.
        target: TargetName,
        /// The release.
        active: ReleaseId,
    },
    /// The artifact was rolled back before.
    #[error(
        "{artifact} is quarantined: release {by} of it was rolled back; \
         `perch release {by}` says why. To release it all the same: --allow-quarantined"
    )]
    Quarantined {
        /// The artifact.
        artifact: String,
        /// Its release.
        by: ReleaseId,
    },
    /// The artifact has a release that has not ended.
    #[error("{artifact} has a release that has not ended: {by}")]
    InFlight {
        /// The artifact.
        artifact: String,
        /// Its release.
        by: ReleaseId,
    },
    /// An alarm that does not guard the target.
    #[error("alarm {alarm} does not guard target {target}; its guards are: {guards}")]
    NoGuard {
        /// The alarm.
        alarm: String,
        /// The target.
        target: TargetName,
        /// The target's guards.
        guards: String,
    },
    /// The version serves already.
    #[error("version {version} has all traffic of target {target} already")]
    ServesAlready {
        /// The target.
        target: TargetName,
        /// The version.
        version: Version,
    },
    /// The target has no Lambda function.
    #[error(
        "target {0} has no Lambda function: `perch model rollback {0} --to VERSION` goes back to a model"
    )]
    NoFunction(TargetName),
    /// The target takes no models.
    #[error("target {0} takes no models: name their bucket under `sources.model`")]
    NoModels(TargetName),
    /// No model of the target was promoted yet.
    #[error("no model of target {0} was promoted yet; name a version with --to")]
    NoModelBefore(TargetName),
    /// The model version is not in the bucket.
    #[error(
        "model {version} is not in the bucket of target {target}; `perch model list --target {target}` lists those that are"
    )]
    UnknownModel {
        /// The target.
        target: TargetName,
        /// The version.
        version: Version,
    },
    /// The version does not exist.
    #[error(
        "version {version} of {function} does not exist (any more); \
         `aws lambda list-versions-by-function --function-name {function}` lists those that do"
    )]
    UnknownVersion {
        /// The function.
        function: perch_core::names::FunctionName,
        /// The version.
        version: Version,
    },
    /// The service's task definition has no such revision that could run.
    #[error(
        "task definition {family}:{version} does not exist or is not active any more; `aws ecs \
         list-task-definitions --family-prefix {family}` lists those that are"
    )]
    UnknownRevision {
        /// The family.
        family: perch_core::names::EcsName,
        /// The revision.
        version: Version,
    },
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}
