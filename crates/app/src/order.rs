//! People's decisions: promote now, or go back.

use jiff::Timestamp;
use perch_core::journal::What;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Order, Release};
use serde_json::json;

use crate::ports::{
    CommitRelease, LoadHead, LoadRelease, LoadTarget, Machine, PortError, StartExecution,
    Transition,
};
use crate::step::entry;

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
    #[error("release {release} is in phase {phase} and can't be promoted now")]
    TooLate {
        /// The release.
        release: ReleaseId,
        /// Its phase.
        phase: &'static str,
    },
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The release that holds the target.
pub async fn active(
    store: &(impl LoadTarget + LoadHead + LoadRelease),
    target: &TargetName,
) -> Result<Release, OrderError> {
    let none = || OrderError::NothingInFlight(target.clone());
    let Some(head) = store.head(target).await? else {
        let known = store.target(target).await?.is_some();
        return Err(if known { none() } else { OrderError::UnknownTarget(target.clone()) });
    };
    let id = head.active.ok_or_else(none)?;
    store.release(&id).await?.ok_or_else(none)
}

/// Has the next look skip the rest of the bakes, unless it finds the canary failing.
pub async fn promote(
    store: &(impl LoadTarget + LoadHead + LoadRelease + CommitRelease),
    target: &TargetName,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Release, OrderError> {
    let mut release = active(store, target).await?;
    match release.phase {
        Phase::Pending | Phase::Preparing | Phase::Shifting { .. } | Phase::Baking { .. } => {}
        _ => {
            let phase = release.phase.name();
            return Err(OrderError::TooLate { release: release.id, phase });
        }
    }
    let order = Some(Order::Promote { by: by.to_owned(), reason: reason.to_owned() });
    if release.order == order {
        return Ok(release);
    }
    let expected_seq = release.seq;
    release.order = order;
    release.seq += 1;
    let text = format!("promote, by {by}: {reason}");
    let entries = vec![entry(&release, What::OrderGiven, text, None, now)];
    let transition =
        Transition { expected_seq, fence: release.fence, entries, release: release.clone() };
    store.commit(&transition).await?;
    Ok(release)
}

/// Starts the rollback of the release that holds the target.
pub async fn roll_back(
    store: &(impl LoadTarget + LoadHead + LoadRelease),
    executions: &impl StartExecution,
    target: &TargetName,
    by: &str,
    reason: &str,
) -> Result<Release, OrderError> {
    let release = active(store, target).await?;
    let cause = RollbackCause::Abort { by: by.to_owned(), reason: reason.to_owned() };
    let input = json!({ "releaseId": release.id, "cause": cause });
    let name = execution_name(&release);
    executions.start(Machine::Rollback, &name, &input).await?;
    Ok(release)
}

/// The release's id and its entry number: a rollback that ended without restoring anything has the
/// release's own name already, and a person's order must not be taken for it.
fn execution_name(release: &Release) -> ReleaseId {
    let again = format!("{}-{}", release.id, release.seq);
    again.parse().unwrap_or_else(|_| release.id.clone())
}
