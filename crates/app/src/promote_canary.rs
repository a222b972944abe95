//! Moves the alias to the canary alone, and reads it back.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::phase::Phase;

use crate::ports::{CommitRelease, LoadHead, LoadRelease, ReadAlias, Route, ShiftWeight};
use crate::shift_weight::{move_to, way};
use crate::step::{StepError, StepInput, StepOutput, held, settle};

/// Gives the canary all traffic with one update of the alias.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    lambda: &(impl ReadAlias + ShiftWeight),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(mut release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let Phase::Promoting = release.phase else {
        return Ok(input.then(resume(&release, now)));
    };
    let route = Route::all_on(&way(&release)?.1);
    let Some(alias) = move_to(store, lambda, &release, &route).await? else {
        return Ok(input.then(Next::End));
    };
    if let Some(ledger) = &mut release.ledger {
        ledger.revision = alias.revision;
    }
    settle(store, input, release, &Event::AliasPromoted, None, now).await
}
