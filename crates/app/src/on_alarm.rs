//! A guard went into ALARM: traffic is safe after three calls, the rest follows.
//!
//! Find the guarded targets (one query), take the fence of an exposed target, whose answer holds
//! the way back (one conditional update), move the alias (one update). The rollback machine then
//! reads back and writes down.

use jiff::Timestamp;
use perch_core::head::{Head, Ledger};
use perch_core::names::{AlarmName, ReleaseId, TargetName};
use perch_core::phase::RollbackCause;
use serde_json::json;

use crate::ports::{
    Claim, FindTargets, KeepNote, LoadHead, Machine, Note, ReadAlias, ShiftWeight, StartExecution,
    TakeFence,
};
use crate::restore_traffic::{Restored, restore, rollback_name};
use crate::step::StepError;

/// A guard that went into ALARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The event's id.
    pub event: String,
    /// The alarm.
    pub name: AlarmName,
    /// CloudWatch's reason.
    pub reason: String,
    /// When it went into ALARM.
    pub at: Timestamp,
}

/// What became of an alarm for one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Traffic is back on the baseline and the rollback runs.
    RolledBack,
    /// The rollback runs; model servers are put back by it alone.
    Started,
    /// Someone else had moved the alias: it was left alone, and the rollback writes that down.
    LeftAlone,
    /// No canary may be serving, or its release started after the alarm: there is nothing to put
    /// back.
    NothingInFlight,
}

/// Rolls back every exposed target that the alarm guards.
///
/// # Errors
/// The first error; the other targets are rolled back all the same, and a repeated call does the
/// rest.
pub async fn run(
    store: &(impl FindTargets + LoadHead + TakeFence + KeepNote),
    lambda: &(impl ReadAlias + ShiftWeight),
    executions: &impl StartExecution,
    alarm: &Alarm,
) -> Result<Vec<(TargetName, Answer)>, StepError> {
    let mut answers = Vec::new();
    let mut failed = None;
    for target in store.by_guard(&alarm.name).await? {
        match protect(store, lambda, executions, alarm, &target).await {
            Ok(answer) => answers.push((target, answer)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(answers), Err)
}

async fn protect(
    store: &(impl LoadHead + TakeFence + KeepNote),
    lambda: &(impl ReadAlias + ShiftWeight),
    executions: &impl StartExecution,
    alarm: &Alarm,
    target: &TargetName,
) -> Result<Answer, StepError> {
    let head = store.take_fence(target, Claim::Guard { at: alarm.at }).await?;
    let Some((head, ledger, release)) = head.and_then(in_flight) else {
        store.note(&nothing_in_flight(alarm, target)).await?;
        return Ok(Answer::NothingInFlight);
    };
    let restored = match ledger.alias() {
        Some(alias) => {
            let hint = Some(alias.revision.as_str());
            restore(store, lambda, &head, (&ledger, alias), hint).await.map(Some)
        }
        None => Ok(None),
    };
    // The rollback machine also runs when the alias could not be moved: it tries longer.
    let cause = RollbackCause::Alarm { alarm: alarm.name.clone(), reason: alarm.reason.clone() };
    let input = json!({ "releaseId": release, "cause": cause });
    executions.start(Machine::Rollback, &rollback_name(&release, head.fence), &input).await?;
    Ok(match restored? {
        Some(Restored::Back(_)) => Answer::RolledBack,
        Some(Restored::Foreign(_)) => Answer::LeftAlone,
        None => Answer::Started,
    })
}

fn in_flight(head: Head) -> Option<(Head, Ledger, ReleaseId)> {
    let (ledger, release) = (head.ledger.clone()?, head.active.clone()?);
    Some((head, ledger, release))
}

fn nothing_in_flight(alarm: &Alarm, target: &TargetName) -> Note {
    Note {
        at: alarm.at,
        target: Some(target.clone()),
        event: alarm.event.clone(),
        subject: format!("alarm {}", alarm.name),
        text: "no release was in flight that the guard could take back".to_owned(),
    }
}
