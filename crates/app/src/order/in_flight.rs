//! Decisions about the release in flight: promote, hold, continue, roll back.

use jiff::Timestamp;
use perch_core::journal::What;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Order, Pause, Release, Weights};
use serde_json::json;

use super::OrderError;
use crate::ports::{
    Claim, CommitRelease, LoadHead, LoadRelease, LoadStanding, LoadTarget, Machine, StartExecution,
    TakeFence, Transition,
};
use crate::step::entry;

/// The release that holds the target.
pub async fn active(
    store: &(impl LoadTarget + LoadHead + LoadRelease),
    target: &TargetName,
) -> Result<Release, OrderError> {
    let none = || OrderError::NothingInFlight(target.clone());
    let active = store.head(target).await?.and_then(|head| head.active);
    let Some(id) = active else {
        let known = store.target(target).await?.is_some();
        return Err(if known { none() } else { OrderError::UnknownTarget(target.clone()) });
    };
    store.release(&id).await?.ok_or_else(none)
}

/// Has the next look skip the rest of the bakes, unless it finds the canary failing.
pub async fn promote(
    store: &(impl LoadTarget + LoadHead + LoadStanding + LoadRelease + CommitRelease),
    target: &TargetName,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Release, OrderError> {
    let order = Order::Promote { by: by.to_owned(), reason: reason.to_owned() };
    refuse_stopped(store, target).await?;
    give(store, target, order, "promoted", now).await
}

/// Keeps the release at its weight until a person says otherwise or the deadline rolls it back. The
/// judge and the guards go on.
pub async fn hold(
    store: &(impl LoadTarget + LoadHead + LoadRelease + CommitRelease),
    target: &TargetName,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Release, OrderError> {
    let order = Order::Hold { by: by.to_owned(), reason: reason.to_owned() };
    give(store, target, order, "held", now).await
}

/// Has the next look go on to the next step, unless it finds the canary failing. Ends a hold.
pub async fn continue_now(
    store: &(impl LoadTarget + LoadHead + LoadStanding + LoadRelease + CommitRelease),
    target: &TargetName,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Release, OrderError> {
    let order = Order::Continue { by: by.to_owned(), reason: reason.to_owned() };
    refuse_stopped(store, target).await?;
    give(store, target, order, "continued", now).await
}

async fn refuse_stopped(store: &impl LoadStanding, target: &TargetName) -> Result<(), OrderError> {
    match store.standing(target).await?.stop {
        Some(stop) => Err(OrderError::Stopped { target: target.clone(), stop }),
        None => Ok(()),
    }
}

async fn give(
    store: &(impl LoadTarget + LoadHead + LoadRelease + CommitRelease),
    target: &TargetName,
    order: Order,
    what: &'static str,
    now: Timestamp,
) -> Result<Release, OrderError> {
    let mut release = active(store, target).await?;
    if !release.phase.is_replaceable() {
        let phase = release.phase.name();
        return Err(OrderError::TooLate { release: release.id, phase, what });
    }
    if release.order.as_ref() == Some(&order) {
        return Ok(release);
    }
    if let Some(why) = refusal(&release, &order) {
        let (release, target) = (release.id, target.clone());
        return Err(OrderError::MovesItself { release, target, what, why });
    }
    let expected_seq = release.seq;
    let text = order.to_string();
    release.order = Some(order);
    release.seq += 1;
    let entries = vec![entry(&release, What::OrderGiven, text, None, now)];
    let transition =
        Transition { expected_seq, fence: release.fence, entries, release: release.clone() };
    store.commit(&transition).await?;
    Ok(release)
}

/// Why a driver that moves by itself can't do it. Nobody can hurry it. Before it was asked it can be held,
/// and the hold be ended; once it runs only where it waits for Perch.
fn refusal(release: &Release, order: &Order) -> Option<&'static str> {
    let can = release.plan.driver.capabilities();
    if can.weights == Weights::Any {
        return None;
    }
    let is_held = matches!(release.order, Some(Order::Hold { .. }));
    match (order, can.pause) {
        (Order::Promote { .. }, Pause::AtGates) if release.can_wait() => {
            Some("its schedule skips no step; `perch continue` has it go on by one")
        }
        (Order::Promote { .. }, _) => Some("its schedule skips no step"),
        (Order::Hold { .. }, _) if release.deployment.is_none() => None,
        (Order::Continue { .. }, _) if release.deployment.is_none() && is_held => None,
        (Order::Hold { .. } | Order::Continue { .. }, _) if release.can_wait() => None,
        (_, Pause::AtGates) => {
            Some("no hook of its service waits before each shift (docs/ecs.md, \"The service\")")
        }
        (_, _) => Some("nothing can hold or hurry its schedule"),
    }
}

/// Starts the rollback of the release that holds the target, then takes its fence: no step of the
/// release takes effect any more, so once this has answered the release can't be promoted.
///
/// # Errors
/// [`OrderError::TooLate`] when the release was promoted meanwhile.
pub async fn roll_back(
    store: &(impl LoadTarget + LoadHead + LoadRelease + TakeFence),
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
    if store.take_fence(target, Claim::Holder(&release.id)).await?.is_some() {
        return Ok(release);
    }
    let ended = store.release(&release.id).await?.unwrap_or(release);
    if matches!(ended.phase, Phase::Promoted) {
        let phase = ended.phase.name();
        return Err(OrderError::TooLate { release: ended.id, phase, what: "rolled back" });
    }
    Ok(ended)
}

/// The release's id and its entry number: a rollback that ended without restoring anything may have
/// the release's own name, and a person's order must not be taken for it; nor for the rollback that
/// makes room for a newer release.
fn execution_name(release: &Release) -> ReleaseId {
    let again = format!("{}-{}-abort", release.id, release.seq);
    again.parse().unwrap_or_else(|_| release.id.clone())
}
