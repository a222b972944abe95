//! Moves the alias to the weight of the step, and reads it back.
//!
//! The order matters: read the alias, then check the fence, then write with the alias's revision.
//! Who takes the fence after the check also moves the alias, and one of the two writes is refused.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::ports::{
    AliasState, CommitRelease, LoadHead, LoadRelease, ReadAlias, Route, ShiftWeight,
};
use crate::step::{StepError, StepInput, StepOutput, held, holds_fence, settle};

/// Moves the alias to the weight that the release's phase asks for.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    lambda: &(impl ReadAlias + ShiftWeight),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let Phase::Shifting { weight, .. } = release.phase else {
        return Ok(input.then(resume(&release, now)));
    };
    let (ledger, canary) = way(&release)?;
    let route = Route { primary: ledger.baseline.clone(), split: Some((canary, weight)) };
    let Some(alias) = move_to(store, lambda, &release, &route).await? else {
        return Ok(input.then(Next::End));
    };
    if let Some(ledger) = &mut release.ledger {
        ledger.revision = alias.revision;
    }
    settle(store, input, release, &Event::WeightShifted, None, now).await
}

/// Moves the alias to `route` under the release's fence and reads it back; `None` when another took
/// the target.
///
/// # Errors
/// [`PortError::Conflict`](crate::ports::PortError::Conflict) when someone else moved the alias
/// meanwhile; a repeated call reads it again.
pub(crate) async fn move_to(
    store: &impl LoadHead,
    lambda: &(impl ReadAlias + ShiftWeight),
    release: &Release,
    route: &Route,
) -> Result<Option<AliasState>, StepError> {
    let alias = lambda.alias(&release.plan.lambda).await?;
    if !holds_fence(store, release).await? {
        return Ok(None);
    }
    if alias.route == *route {
        return Ok(Some(alias));
    }
    lambda.shift(&release.plan.lambda, route, &alias.revision).await?;
    let found = lambda.alias(&release.plan.lambda).await?;
    if found.route != *route {
        return Err(StepError::NotAsSet {
            what: format!("alias {}", release.plan.lambda.alias),
            expected: route.to_string(),
            found: found.route.to_string(),
        });
    }
    Ok(Some(found))
}

/// The ledger and the canary of a release that has both.
pub(crate) fn way(
    release: &Release,
) -> Result<(&perch_core::head::Ledger, perch_core::names::FunctionVersion), StepError> {
    let missing = |what| StepError::Incomplete {
        release: release.id.clone(),
        what,
        phase: release.phase.name(),
    };
    let ledger = release.ledger.as_ref().ok_or_else(|| missing("ledger"))?;
    let canary = release.canary.clone().ok_or_else(|| missing("canary"))?;
    Ok((ledger, canary))
}
