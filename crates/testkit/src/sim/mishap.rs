//! What can go wrong at one port call.

use super::dice::{Dice, one_of};
use crate::calls::{Failure, Fault};

/// Something that goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// Throttled, or a server error: nothing happened.
    Refused,
    /// A time-out after the effect happened.
    AnswerLost,
    /// Someone else wrote at the same time.
    Conflict,
    /// The function dies before the call.
    DiesBefore,
    /// The function dies after the call.
    DiesAfter,
    /// The caller gives up on the function, which goes on.
    Abandoned,
    /// The call takes seconds.
    Slow,
    /// The function is not done when Lambda's time-out ends it.
    TimedOut,
}

impl Mishap {
    /// One that can happen at a call of this name.
    pub(super) fn roll(call: &str, dice: &mut dyn Dice) -> Self {
        const ANY: [Mishap; 6] = [
            Mishap::Refused,
            Mishap::Refused,
            Mishap::AnswerLost,
            Mishap::DiesBefore,
            Mishap::DiesAfter,
            Mishap::Abandoned,
        ];
        // Only conditional writes can meet another's.
        let conditional =
            ["commit", "plan", "shift", "update_code", "publish", "create_deployment"]
                .contains(&call);
        if conditional && dice.once_in(6) { Mishap::Conflict } else { one_of(dice, &ANY) }
    }

    /// What the ports are to do about it.
    pub(super) fn fault(self, call: &'static str) -> Option<Fault> {
        match self {
            Mishap::Refused => Some(Fault::of(call)),
            Mishap::AnswerLost => Some(Fault::of(call).after()),
            Mishap::Conflict => Some(Fault::of(call).with(Failure::Conflict)),
            Mishap::DiesBefore
            | Mishap::DiesAfter
            | Mishap::Abandoned
            | Mishap::Slow
            | Mishap::TimedOut => None,
        }
    }

    /// As a table names it.
    pub fn text(self) -> &'static str {
        match self {
            Mishap::Refused => "throttled or 5xx, no effect",
            Mishap::AnswerLost => "timed out after the effect",
            Mishap::Conflict => "conflict",
            Mishap::DiesBefore => "function died before a call",
            Mishap::DiesAfter => "function died after a call",
            Mishap::Abandoned => "caller gave up, function went on",
            Mishap::Slow => "call took seconds",
            Mishap::TimedOut => "function ended by its time-out",
        }
    }
}
