//! Moves the alias to the canary alone, and reads it back.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::phase::Phase;
use perch_core::weight::Weight;

use crate::move_alias;
use crate::ports::{CommitRelease, LoadHead, LoadRelease, LoadStanding, ReadAlias, ShiftWeight};
use crate::step::{StepError, StepInput, StepOutput, held};

/// Gives the canary all traffic with one update of the alias.
pub async fn run(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    lambda: &(impl ReadAlias + ShiftWeight),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let Phase::Promoting { .. } = release.phase else {
        return Ok(input.then(resume(&release, now)));
    };
    let again = |after_seconds| Next::Promote { after_seconds };
    let step = (Weight::FULL, Event::AliasPromoted, again as fn(u64) -> Next);
    move_alias::run(store, lambda, input, release, step, now).await
}
