//! The next phase for an event: one match over (phase, event).
//!
//! The state machine routes on [`Next`]; functions carry it out; nobody else decides. An illegal
//! pair is an error that names both. Nothing here reads a clock or talks to AWS.

mod bake;
mod event;
mod next;

pub use event::Event;
pub use next::{Next, resume};

use jiff::Timestamp;

use crate::journal::What;
use crate::phase::{Phase, RollbackCause};
use crate::release::{Plan, Release};
use crate::weight::Weight;

/// What follows from an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The phase from now on.
    pub phase: Phase,
    /// What is to be done next.
    pub next: Next,
    /// What to write down, oldest first; never empty.
    pub entries: Vec<(What, String)>,
}

/// An event that a phase has no place for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} has no place in phase {phase} of release {release}")]
pub struct IllegalTransition {
    /// The release.
    pub release: String,
    /// The name of its phase.
    pub phase: &'static str,
    /// The name of the event.
    pub event: &'static str,
}

/// What follows from `event` for `release` at `now`.
///
/// # Errors
/// [`IllegalTransition`] when the phase has no place for the event; nothing changes then.
pub fn decide(
    release: &Release,
    event: &Event,
    now: Timestamp,
) -> Result<Decision, IllegalTransition> {
    let plan = &release.plan;
    let decision = match (&release.phase, event) {
        (Phase::Pending, Event::LedgerTaken(ledger)) => Decision {
            phase: Phase::Preparing,
            next: Next::Prepare { after_seconds: 0 },
            entries: vec![(
                What::LedgerTaken,
                format!("version {} has all traffic of {}", ledger.baseline, plan.lambda.alias),
            )],
        },
        (Phase::Pending | Phase::Preparing, Event::Refused { why }) => Decision {
            phase: Phase::Rejected { why: why.clone() },
            next: Next::Close,
            entries: vec![(What::ReleaseRejected, why.clone())],
        },
        (Phase::Preparing, Event::CodeSet { code }) => Decision {
            phase: Phase::Preparing,
            next: Next::Prepare { after_seconds: 1 },
            entries: vec![(What::CodeSet, format!("{} is code {code}", release.artifact))],
        },
        (Phase::Preparing, Event::CanaryPublished { version }) => {
            let text = format!("version {version} is published from {}", release.artifact);
            advance(plan, 0, vec![(What::CanaryPublished, text)])
        }
        (Phase::Shifting { step, weight }, Event::WeightShifted) => Decision {
            phase: Phase::Baking { step: *step, weight: *weight, since: now },
            next: Next::Judge { after_seconds: bake::first_look(plan, *step) },
            entries: vec![(What::WeightShifted, format!("{weight} of traffic on the canary"))],
        },
        (Phase::Baking { step, since, weight }, Event::Judged(verdict)) => bake::judged(
            release,
            bake::Bake { step: *step, since: *since, weight: *weight },
            verdict,
            now,
        ),
        (Phase::Promoting, Event::AliasPromoted) => {
            let until = now.saturating_add(plan.watch.duration()).unwrap_or(Timestamp::MAX);
            Decision {
                phase: Phase::Watching { since: now, until },
                next: Next::Judge { after_seconds: bake::watch_look(plan, until, now) },
                entries: vec![(
                    What::CanaryPromoted,
                    format!("all traffic on the canary; watched for {}", plan.watch),
                )],
            }
        }
        (Phase::Watching { since, until }, Event::Judged(verdict)) => {
            bake::watched(release, *since, *until, verdict, now)
        }
        (
            Phase::Pending
            | Phase::Preparing
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting
            | Phase::Watching { .. }
            | Phase::Stuck { .. },
            Event::RollbackRequested(cause),
        ) => roll_back(release, cause.clone()),
        // The first cause stays: what came later did not lead to the rollback.
        (Phase::RollingBack { cause, from }, Event::RollbackRequested(later)) => Decision {
            phase: Phase::RollingBack { cause: cause.clone(), from: *from },
            next: Next::Rollback,
            entries: vec![(What::RollbackDecided, format!("again, while rolling back: {later}"))],
        },
        (Phase::RollingBack { cause, .. }, Event::TrafficRestored) => Decision {
            phase: Phase::RolledBack { cause: cause.clone() },
            next: Next::Close,
            entries: vec![(What::ReleaseRolledBack, cause.to_string())],
        },
        (Phase::RollingBack { .. }, Event::RestoreFailed { why }) => Decision {
            phase: Phase::Stuck { why: why.clone() },
            next: Next::Close,
            entries: vec![(What::ReleaseStuck, why.clone())],
        },
        (Phase::Pending | Phase::Preparing, Event::Superseded { by }) => Decision {
            phase: Phase::Superseded { by: by.clone() },
            next: Next::Close,
            entries: vec![(
                What::ReleaseSuperseded,
                by.as_ref().map_or_else(|| "taken over".to_owned(), |by| format!("by {by}")),
            )],
        },
        (
            phase,
            Event::LedgerTaken(_)
            | Event::Refused { .. }
            | Event::CodeSet { .. }
            | Event::CanaryPublished { .. }
            | Event::WeightShifted
            | Event::Judged(_)
            | Event::AliasPromoted
            | Event::RollbackRequested(_)
            | Event::TrafficRestored
            | Event::RestoreFailed { .. }
            | Event::Superseded { .. },
        ) => {
            return Err(IllegalTransition {
                release: release.id.to_string(),
                phase: phase.name(),
                event: event.name(),
            });
        }
    };
    Ok(decision)
}

/// On to the step at `index`, or to the promotion when there is none.
fn advance(plan: &Plan, index: usize, mut entries: Vec<(What, String)>) -> Decision {
    match plan.steps.get(index) {
        Some(step) => Decision {
            phase: Phase::Shifting { step: index, weight: step.weight },
            next: Next::Shift,
            entries,
        },
        None => {
            entries.push((What::PromotionDecided, "every step of the plan is done".to_owned()));
            Decision { phase: Phase::Promoting, next: Next::Promote, entries }
        }
    }
}

fn roll_back(release: &Release, cause: RollbackCause) -> Decision {
    let from = match release.phase {
        // The shift may have happened without having been read back.
        Phase::Shifting { weight, .. } => weight,
        Phase::Promoting => Weight::FULL,
        Phase::Pending
        | Phase::Preparing
        | Phase::Baking { .. }
        | Phase::Watching { .. }
        | Phase::RollingBack { .. }
        | Phase::Promoted
        | Phase::RolledBack { .. }
        | Phase::Rejected { .. }
        | Phase::Superseded { .. }
        | Phase::Stuck { .. } => release.weight(),
    };
    let text = cause.to_string();
    Decision {
        phase: Phase::RollingBack { cause, from },
        next: Next::Rollback,
        entries: vec![(What::RollbackDecided, text)],
    }
}

#[cfg(test)]
mod tests;
