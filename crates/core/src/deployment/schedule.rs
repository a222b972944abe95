//! The schedules that CodeDeploy and ECS can carry out.

use std::time::Duration;

use crate::target::Step;
use crate::weight::Weight;

/// The most that the first and the last shift may be apart (CodeDeploy User Guide, "CodeDeploy quotas",
/// minutes).
const MOST_MINUTES: u64 = 2880;

/// How CodeDeploy moves traffic (User Guide, "Working with deployment configurations in CodeDeploy").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// All of it at once.
    AllAtOnce,
    /// A share, then the rest.
    Canary {
        /// The share in percent.
        percent: u8,
        /// The minutes before the rest.
        minutes: u64,
    },
    /// The same share again and again; the first one at minute 0.
    Linear {
        /// The share in percent.
        percent: u8,
        /// The minutes between two shifts.
        minutes: u64,
    },
}

/// Steps that CodeDeploy can't carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Neither two shifts nor equal ones.
    #[error(
        "CodeDeploy and ECS shift twice (one step, then all) or in equal parts and times; these steps \
         are neither: write one step, or equal steps such as 10%, 20%, ... 90%"
    )]
    Uneven,
    /// A bake that is not a whole number of minutes.
    #[error("CodeDeploy and ECS count whole minutes, and the bake at {weight} is {seconds} s")]
    NotMinutes {
        /// The weight of the step.
        weight: Weight,
        /// Its bake.
        seconds: u64,
    },
    /// Longer than CodeDeploy allows.
    #[error(
        "the first and the last shift are {minutes} minutes apart; CodeDeploy allows {MOST_MINUTES}"
    )]
    TooLong {
        /// The minutes.
        minutes: u64,
    },
}

impl Schedule {
    /// The schedule with these steps, where a minute of CodeDeploy takes `minute`: 60 s, except on a
    /// local stack whose clock is faster.
    ///
    /// # Errors
    /// [`Unfit`] for steps that CodeDeploy can't carry out.
    pub fn of(steps: &[Step], minute: Duration) -> Result<Self, Unfit> {
        let Some(first) = steps.first() else { return Ok(Schedule::AllAtOnce) };
        for step in steps {
            let (bake, minute) = (step.bake.duration().as_millis(), minute.as_millis().max(1));
            if bake < minute || bake % minute != 0 {
                let seconds = step.bake.as_secs();
                return Err(Unfit::NotMinutes { weight: step.weight, seconds });
            }
        }
        let minutes = u64::try_from(first.bake.duration().as_millis() / minute.as_millis().max(1))
            .unwrap_or(u64::MAX);
        let percent = first.weight.percent();
        let total = minutes.saturating_mul(steps.len() as u64);
        if total > MOST_MINUTES {
            return Err(Unfit::TooLong { minutes: total });
        }
        let even = |(place, step): (usize, &Step)| {
            usize::from(step.weight.percent()) == usize::from(percent) * (place + 1)
                && step.bake == first.bake
        };
        let last = usize::from(percent) * steps.len();
        if steps.len() == 1 {
            return Ok(Schedule::Canary { percent, minutes });
        }
        if steps.iter().enumerate().all(even) && last + usize::from(percent) >= 100 {
            return Ok(Schedule::Linear { percent, minutes });
        }
        Err(Unfit::Uneven)
    }

    /// The share of the new version so many minutes after the first shift.
    pub fn weight_at(self, minute: u64) -> Weight {
        let percent = match self {
            Schedule::AllAtOnce => 100,
            Schedule::Canary { percent, minutes } if minute < minutes => u64::from(percent),
            Schedule::Canary { .. } => 100,
            Schedule::Linear { percent, minutes } => {
                (u64::from(percent) * (minute / minutes.max(1) + 1)).min(100)
            }
        };
        u8::try_from(percent)
            .ok()
            .and_then(|percent| Weight::new(percent).ok())
            .unwrap_or(Weight::FULL)
    }

    /// The name of its deployment configuration for Lambda: AWS's own where there is one.
    pub fn lambda_config(self) -> String {
        let own = match self {
            Schedule::AllAtOnce => Some("AllAtOnce".to_owned()),
            Schedule::Canary { percent: 10, minutes: minutes @ (5 | 10 | 15 | 30) } => {
                Some(format!("Canary10Percent{minutes}Minutes"))
            }
            Schedule::Linear { percent: 10, minutes: 1 } => {
                Some("Linear10PercentEvery1Minute".to_owned())
            }
            Schedule::Linear { percent: 10, minutes: minutes @ (2 | 3 | 10) } => {
                Some(format!("Linear10PercentEvery{minutes}Minutes"))
            }
            Schedule::Canary { .. } | Schedule::Linear { .. } => None,
        };
        self.config("Lambda", own)
    }

    /// The name of its deployment configuration for ECS: AWS's own where there is one.
    pub fn ecs_config(self) -> String {
        let own = match self {
            Schedule::AllAtOnce => Some("AllAtOnce".to_owned()),
            Schedule::Canary { percent: 10, minutes: minutes @ (5 | 15) } => {
                Some(format!("Canary10Percent{minutes}Minutes"))
            }
            Schedule::Linear { percent: 10, minutes: minutes @ (1 | 3) } => {
                Some(format!("Linear10PercentEvery{minutes}Minutes"))
            }
            Schedule::Canary { .. } | Schedule::Linear { .. } => None,
        };
        self.config("ECS", own)
    }

    fn config(self, platform: &str, own: Option<String>) -> String {
        let named = match (own, self) {
            (Some(own), _) => return format!("CodeDeployDefault.{platform}{own}"),
            (None, Schedule::AllAtOnce) => "AllAtOnce".to_owned(),
            (None, Schedule::Canary { percent, minutes }) => {
                format!("Canary{percent}Percent{minutes}Minutes")
            }
            (None, Schedule::Linear { percent, minutes }) => {
                format!("Linear{percent}PercentEvery{minutes}Minutes")
            }
        };
        format!("Perch.{platform}{named}")
    }

    /// Whether the configuration of this name is one of AWS's own, which always exist.
    pub fn is_predefined(config: &str) -> bool {
        config.starts_with("CodeDeployDefault.")
    }
}

#[cfg(test)]
mod tests;
