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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::StepInput;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_442_000 + second).unwrap()
    }

    fn round(entered: Option<i64>) -> RoundInput {
        let step = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
        RoundInput { step, entered_at: entered.map(at) }
    }

    #[test]
    fn a_clock_that_jumps_ends_no_wait() {
        let end = settles_at(None, &round(Some(0)), at(0));
        assert_eq!(end, at(40));
        for (entered, now, is_over) in
            [(3, 161, false), (39, 197, false), (40, 198, true), (40, -100, true)]
        {
            let (round, now) = (round(Some(entered)), at(now));
            assert_eq!(settles_at(Some(end), &round, now), end);
            assert_eq!(is_settled(end, &round, now), is_over, "{entered} {now}");
        }
    }

    #[test]
    fn a_state_that_is_tried_again_waits_from_its_last_try() {
        assert_eq!(settles_at(None, &round(Some(0)), at(90)), at(130));
        assert_eq!(settles_at(None, &round(Some(0)), at(-90)), at(40));
    }

    #[test]
    fn an_execution_from_before_goes_by_the_clock_of_its_functions() {
        let end = settles_at(None, &round(None), at(5));
        assert_eq!(end, at(45));
        assert!(!is_settled(end, &round(None), at(44)) && is_settled(end, &round(None), at(45)));
    }
}
