//! Moves the alias under the release's fence, and reads it back.
//!
//! The order matters: read the alias, then check the fence, then write with the alias's revision.
//! Who takes the fence after the check also moves the alias, and one of the two writes is refused.
//! An alias that someone else moved is left alone: automation never moves past a person's decision.

use jiff::Timestamp;
use perch_core::decide::{Event, Next};
use perch_core::head::Ledger;
use perch_core::names::Version;
use perch_core::phase::RollbackCause;
use perch_core::release::Release;
use perch_core::weight::Weight;

use crate::ports::{
    AliasState, CommitRelease, LoadHead, LoadStanding, ReadAlias, Route, ShiftWeight,
};
use crate::step::{StepError, StepInput, StepOutput, alias_of, missing, settle};

/// How long to wait before looking again whether a stop or a hold was ended, in seconds.
const HELD: u64 = 30;

enum Moved {
    To(AliasState),
    Stale,
    Held,
    TakenOver(Route),
}

/// Moves the alias to the canary's `weight` and commits `event`; `again` is what comes back here.
///
/// # Errors
/// [`PortError::Conflict`](crate::ports::PortError::Conflict) when someone else moved the alias
/// meanwhile; a repeated call reads it again.
pub(crate) async fn run(
    store: &(impl LoadStanding + LoadHead + CommitRelease),
    lambda: &(impl ReadAlias + ShiftWeight),
    input: &StepInput,
    mut release: Release,
    (weight, event, again): (Weight, Event, fn(u64) -> Next),
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    match move_to(store, lambda, &release, weight).await? {
        Moved::To(alias) => {
            if let Some(snapshot) = release.ledger.as_mut().and_then(Ledger::alias_mut) {
                snapshot.revision = alias.revision;
            }
            settle(store, input, release, &event, None, now).await
        }
        Moved::Stale => Ok(input.then(Next::End)),
        Moved::Held if now >= release.deadline => {
            let cause = RollbackCause::Deadline { deadline: release.deadline };
            settle(store, input, release, &Event::RollbackRequested(cause), None, now).await
        }
        Moved::Held => Ok(input.then(again(HELD))),
        Moved::TakenOver(route) => {
            let event = Event::TakenOver { found: route.to_string() };
            settle(store, input, release, &event, None, now).await
        }
    }
}

async fn move_to(
    store: &impl LoadStanding,
    lambda: &(impl ReadAlias + ShiftWeight),
    release: &Release,
    weight: Weight,
) -> Result<Moved, StepError> {
    let (ledger, canary) = way(release)?;
    let (from, to) =
        (Route::at(ledger, &canary, release.weight()), Route::at(ledger, &canary, weight));
    let service = alias_of(release)?;
    let alias = lambda.alias(service).await?;
    let standing = store.standing(&release.target).await?;
    if !standing.is_held_by(release) {
        return Ok(Moved::Stale);
    }
    if alias.route == to {
        return Ok(Moved::To(alias));
    }
    if alias.route != from {
        return Ok(Moved::TakenOver(alias.route));
    }
    if release.is_kept_from_traffic(standing.stop.as_ref()) {
        return Ok(Moved::Held);
    }
    lambda.shift(service, &to, &alias.revision).await?;
    let found = lambda.alias(service).await?;
    if found.route != to {
        return Err(StepError::NotAsSet {
            what: format!("alias {}", service.alias),
            expected: to.to_string(),
            found: found.route.to_string(),
        });
    }
    Ok(Moved::To(found))
}

/// The ledger and the canary of a release that has both.
pub(crate) fn way(release: &Release) -> Result<(&Ledger, Version), StepError> {
    let ledger = release.ledger.as_ref().ok_or_else(|| missing(release, "ledger"))?;
    let canary = release.canary.clone().ok_or_else(|| missing(release, "canary"))?;
    Ok((ledger, canary))
}
