//! Stop-the-line: nothing starts and nothing goes up, for one target or for all. Rollbacks go on.

use jiff::Timestamp;
use perch_core::journal::{Happened, Notice};
use perch_core::names::TargetName;
use perch_core::stop::Stop;

use super::OrderError;
use crate::announce::Answer;
use crate::close_release::start_waiting;
use crate::ports::{
    KeepNote, LoadHead, LoadRelease, LoadStanding, LoadTarget, PlanRelease, StartExecution,
    StopLine, WaitForTurn,
};

/// Stops a target, or all without one; the stop that stands then, which is the older one where there
/// was one already.
///
/// # Errors
/// [`OrderError`] when the target does not exist or a port failed.
pub async fn stop(
    store: &(impl LoadTarget + LoadStanding + StopLine),
    target: Option<&TargetName>,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Stop, OrderError> {
    if let Some(standing) = standing(store, target).await? {
        return Ok(standing);
    }
    let stop = Stop { by: by.to_owned(), reason: reason.to_owned(), at: now };
    let notice = notice(target, Happened::LineStopped, by, reason, now);
    store.stop(target, &stop, &notice).await?;
    Ok(stop)
}

/// Ends the stop of a target, or that of all without one, and starts what waited for the target.
///
/// `None` when no stop stood. What waited for the end of a stop of all is started by the sweep, which
/// looks at every target within [`IDLE`](crate::reconcile::IDLE).
///
/// # Errors
/// [`OrderError`] when the target does not exist or a port failed; a repeated call does the rest.
pub async fn resume(
    store: &(
         impl LoadTarget
         + LoadHead
         + LoadStanding
         + LoadRelease
         + PlanRelease
         + WaitForTurn
         + KeepNote
         + StopLine
     ),
    executions: &impl StartExecution,
    target: Option<&TargetName>,
    (by, reason): (&str, &str),
    now: Timestamp,
) -> Result<Option<Option<Answer>>, OrderError> {
    standing(store, target).await?;
    let notice = notice(target, Happened::LineResumed, by, reason, now);
    let stood = store.resume(target, &notice).await?;
    let waited = match target {
        Some(target) => start_waiting(store, executions, target, now).await?,
        None => None,
    };
    Ok((stood || waited.is_some()).then_some(waited))
}

/// The stop of exactly this target, or of all.
async fn standing(
    store: &(impl LoadTarget + LoadStanding + StopLine),
    target: Option<&TargetName>,
) -> Result<Option<Stop>, OrderError> {
    let Some(target) = target else { return Ok(store.stop_of_all().await?) };
    if store.target(target).await?.is_none() {
        return Err(OrderError::UnknownTarget(target.clone()));
    }
    Ok(store.standing(target).await?.head.and_then(|head| head.stopped))
}

fn notice(
    target: Option<&TargetName>,
    what: Happened,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Notice {
    let did = if what == Happened::LineStopped { "stopped" } else { "resumed" };
    let scope = target.map_or_else(|| "all targets".to_owned(), ToString::to_string);
    let text = format!("{scope} {did} by {by}: {reason}");
    Notice { id: format!("{did}-{by}"), target: target.cloned(), at: now, what, text }
}
