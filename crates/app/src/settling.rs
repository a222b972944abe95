//! How long a step that was under way when the fence was taken may still act.
//!
//! Nothing refuses it: model servers have no lock, and CodeDeploy and ECS know no fence. So the time has to pass, and
//! the clocks of functions don't measure it: each runs elsewhere, and a clock may jump. Step Functions says in
//! `$states.context.State.EnteredTime` when a state was entered (Step Functions Developer Guide, "Accessing
//! execution data from the Context object"), by one clock for all states.

use std::time::Duration;

use jiff::Timestamp;

use crate::step::RoundInput;

/// The time-out of a function (30 s) and a margin.
const STEP: Duration = Duration::from_secs(40);

/// When none can act any more. The first round says, by the later of the two clocks: a state that is tried again
/// was entered before others began. All later rounds are held against what it said.
pub(crate) fn settles_at(said: Option<Timestamp>, input: &RoundInput, now: Timestamp) -> Timestamp {
    let begin = input.entered(now).max(now);
    said.unwrap_or_else(|| begin.saturating_add(STEP).unwrap_or(Timestamp::MAX))
}

/// Whether this round began after that.
pub(crate) fn is_settled(settles_at: Timestamp, input: &RoundInput, now: Timestamp) -> bool {
    input.entered(now) >= settles_at
}
