//! Moves the alias to the weight of the step, and reads it back.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::phase::Phase;

use crate::move_alias;
use crate::ports::{CommitRelease, LoadHead, LoadRelease, LoadStanding, ReadAlias, ShiftWeight};
use crate::step::{StepError, StepInput, StepOutput, held};

/// Moves the alias to the weight that the release's phase asks for.
pub async fn run(
    store: &(impl LoadRelease + LoadStanding + LoadHead + CommitRelease),
    lambda: &(impl ReadAlias + ShiftWeight),
    input: &StepInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let Phase::Shifting { weight, .. } = release.phase else {
        return Ok(input.then(resume(&release, now)));
    };
    let again = |after_seconds| Next::Shift { after_seconds };
    let step = (weight, Event::WeightShifted, again as fn(u64) -> Next);
    move_alias::run(store, lambda, input, release, step, now).await
}
