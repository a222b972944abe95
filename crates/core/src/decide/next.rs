//! What the state machine does next. Its Choice states route on the name alone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::bake;
use crate::phase::Phase;
use crate::release::{Driver, Plan, Release};

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Go on making the canary.
    Prepare {
        /// Wait this long first.
        after_seconds: u64,
    },
    /// Send the canary its smoke tests.
    Smoke,
    /// Move the alias to the weight of the step.
    Shift {
        /// Wait this long first.
        after_seconds: u64,
    },
    /// Look at the readings.
    Judge {
        /// Wait this long first.
        after_seconds: u64,
    },
    /// Move the alias to the canary alone.
    Promote {
        /// Wait this long first.
        after_seconds: u64,
    },
    /// Have a driver that moves by itself begin, and see how far it is.
    Follow {
        /// Wait this long first.
        after_seconds: u64,
    },
    /// Wait until the deployment is told to have ended, or for a minute.
    Await,
    /// Start the rollback; in the rollback, from its start again.
    Rollback,
    /// Stop the deployment, and see that it put the baseline back.
    Unwind {
        /// Wait this long first.
        after_seconds: u64,
    },
    /// Put the model back on its servers.
    Restore {
        /// Wait this long first.
        after_seconds: u64,
    },
    /// The release is over: start what waited for it.
    Close,
    /// The target belongs to someone else now: end without touching anything.
    End,
}

impl Next {
    /// The name that the state machines route on.
    pub fn name(self) -> &'static str {
        match self {
            Next::Prepare { .. } => "Prepare",
            Next::Smoke => "Smoke",
            Next::Shift { .. } => "Shift",
            Next::Judge { .. } => "Judge",
            Next::Promote { .. } => "Promote",
            Next::Follow { .. } => "Follow",
            Next::Await => "Await",
            Next::Rollback => "Rollback",
            Next::Unwind { .. } => "Unwind",
            Next::Restore { .. } => "Restore",
            Next::Close => "Close",
            Next::End => "End",
        }
    }

    /// Every name, for the contract test of the state machines.
    pub const NAMES: [&str; 12] = [
        "Prepare", "Smoke", "Shift", "Judge", "Promote", "Follow", "Await", "Rollback", "Unwind",
        "Restore", "Close", "End",
    ];

    /// What makes the canary: where ECS runs it, the function that has its deployment begin.
    pub(super) fn prepare(plan: &Plan) -> Self {
        match plan.driver {
            Driver::Service(_) => Next::Follow { after_seconds: 0 },
            Driver::Alias(_) | Driver::Servers(_) => Next::Prepare { after_seconds: 0 },
        }
    }

    /// What moves the release to the weight that its phase asks for.
    pub(super) fn shift(plan: &Plan) -> Self {
        if plan.driver.moves_itself() {
            return Next::Follow { after_seconds: 0 };
        }
        Next::Shift { after_seconds: 0 }
    }

    /// What gives the canary all traffic.
    pub(super) fn promote(plan: &Plan) -> Self {
        if plan.driver.moves_itself() {
            return Next::Follow { after_seconds: 0 };
        }
        Next::Promote { after_seconds: 0 }
    }

    /// How long to wait before it, in seconds.
    pub fn wait_seconds(self) -> u64 {
        match self {
            Next::Prepare { after_seconds }
            | Next::Shift { after_seconds }
            | Next::Judge { after_seconds }
            | Next::Promote { after_seconds }
            | Next::Follow { after_seconds }
            | Next::Unwind { after_seconds }
            | Next::Restore { after_seconds } => after_seconds,
            Next::Await | Next::Smoke | Next::Rollback | Next::Close | Next::End => 0,
        }
    }
}

/// What is next for a release as it stands: the answer to a repeated request.
pub fn resume(release: &Release, now: Timestamp) -> Next {
    match &release.phase {
        Phase::Preparing if release.awaits_smoke_tests() => Next::Smoke,
        Phase::Pending | Phase::Preparing => Next::prepare(&release.plan),
        Phase::Shifting { .. } => Next::shift(&release.plan),
        Phase::Baking { step, since, .. } => {
            Next::Judge { after_seconds: bake::next_look(release, *step, *since, now) }
        }
        Phase::Promoting { .. } => Next::promote(&release.plan),
        Phase::Watching { until, .. } => {
            Next::Judge { after_seconds: bake::watch_look(&release.plan, *until, now) }
        }
        Phase::RollingBack { .. } => Next::Rollback,
        Phase::Promoted
        | Phase::RolledBack { .. }
        | Phase::Rejected { .. }
        | Phase::Superseded { .. }
        | Phase::Stuck { .. } => Next::Close,
    }
}
