//! A deployment of ECS that pauses before each shift, and once more before the first.

use jiff::{SignedDuration, Timestamp};
use perch_app::ports::Pause;
use perch_core::deployment::{GATES, Schedule};
use perch_core::names::DeploymentId;
use perch_core::weight::Weight;

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pausing {
    /// The shifts so far.
    shifts: u64,
    /// The gates before the next one that it has passed.
    passed: usize,
    /// When the next gate is reached.
    due: Timestamp,
    /// The pause that it waits in.
    waits: Option<Pause>,
}

impl Pausing {
    pub(super) fn from(now: Timestamp) -> Self {
        Self { shifts: 0, passed: 0, due: now, waits: None }
    }

    /// The pause that it is in.
    pub fn now(&self) -> Vec<Pause> {
        self.waits.iter().cloned().collect()
    }

    /// It waits at a stage of somebody else's.
    pub fn wait_in(&mut self, pause: Pause) {
        self.waits = Some(pause);
    }

    /// Somebody continues it; whether that ended the pause.
    pub(super) fn go_on(&mut self, pause: &Pause) -> bool {
        let ends = self.waits.as_ref() == Some(pause);
        if ends {
            self.waits = None;
            self.passed += 1;
        }
        ends
    }

    /// Goes as far as it can, and says the weight.
    pub(super) fn weight(
        &mut self,
        id: &DeploymentId,
        schedule: Schedule,
        now: Timestamp,
    ) -> Weight {
        let bake = match schedule {
            Schedule::AllAtOnce => 0,
            Schedule::Canary { minutes, .. } | Schedule::Linear { minutes, .. } => minutes,
        };
        let reached = |shifts: u64| match shifts {
            0 => Weight::ZERO,
            shifts => schedule.weight_at((shifts - 1) * bake),
        };
        let ends = reached(self.shifts) == Weight::FULL;
        if ends || self.waits.is_some() || now < self.due {
            return reached(self.shifts);
        }
        let gates = if self.shifts == 0 { &GATES[..] } else { &GATES[1..] };
        if let Some(stage) = gates.get(self.passed) {
            let hook = format!("pause-{id}-{}-{}", self.shifts, self.passed);
            self.waits = Some(Pause { hook, stage: (*stage).to_owned() });
            return reached(self.shifts);
        }
        (self.shifts, self.passed) = (self.shifts + 1, 0);
        let bake = SignedDuration::from_mins(i64::try_from(bake).unwrap_or(0));
        self.due = now.saturating_add(bake).unwrap_or(now);
        reached(self.shifts)
    }
}
