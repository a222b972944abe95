//! The next phase for an event: one match over (phase, event).
//!
//! The state machine routes on [`Next`]; functions carry it out; nobody else decides. An illegal
//! pair is an error that names both. Nothing here reads a clock or talks to AWS.

mod bake;
mod event;
mod follow;
mod gate;
mod next;
mod turn;
mod words;

pub use event::Event;
pub use follow::look_again;
pub use next::{Next, resume};

use jiff::Timestamp;

use crate::journal::What;
use crate::names::AlarmName;
use crate::phase::{Phase, RollbackCause};
use crate::release::{Driver, Release};

use turn::roll_back;
use words::{code_set, promoted, reloaded, shifted, snapshot_text, taken_over};

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
        (Phase::Pending, Event::LedgerTaken { ledger, ignored }) => {
            let mut text = snapshot_text(ledger);
            if !ignored.is_empty() {
                let names: Vec<&str> = ignored.iter().map(AlarmName::as_str).collect();
                text += &format!("; in ALARM and ignored until OK: {}", names.join(", "));
            }
            Decision {
                phase: Phase::Preparing,
                next: Next::prepare(plan),
                entries: vec![(What::LedgerTaken, text)],
            }
        }
        (Phase::Pending | Phase::Preparing, Event::Refused { why }) => Decision {
            phase: Phase::Rejected { why: why.clone() },
            next: Next::Close,
            entries: vec![(What::ReleaseRejected, why.clone())],
        },
        (Phase::Preparing, Event::CodeSet { code }) => Decision {
            phase: Phase::Preparing,
            next: Next::Prepare { after_seconds: 1 },
            entries: vec![(What::CodeSet, code_set(release, code))],
        },
        (Phase::Preparing, Event::ModelChecked { facts }) => Decision {
            phase: Phase::Preparing,
            next: Next::Prepare { after_seconds: 0 },
            entries: vec![(What::ModelChecked, facts.to_string())],
        },
        (Phase::Preparing, Event::CanaryPublished { version }) => {
            let mut text = match plan.driver {
                Driver::Alias(_) => {
                    format!("version {version} is published from {}", release.artifact)
                }
                Driver::Service(_) => {
                    format!("task definition {version} is registered from {}", release.artifact)
                }
                Driver::Servers(_) => format!("model {version} goes to its first replicas"),
            };
            if let Some(judging) = &release.judging {
                text += &format!("; {}", judging.plan(&plan.judge.method()));
            }
            gate::published(release, vec![(What::CanaryPublished, text)])
        }
        (Phase::Preparing, Event::SmokeTested { results }) if release.canary.is_some() => {
            gate::before_the_shift(release, results)
        }
        (Phase::Shifting { .. } | Phase::Promoting { .. }, Event::SmokeTested { results }) => {
            gate::once_begun(release, results, now)
        }
        (Phase::Shifting { step, weight, .. }, Event::WeightShifted) => Decision {
            phase: Phase::Baking { step: *step, weight: *weight, since: now },
            next: Next::Judge { after_seconds: bake::first_look(release, *step, now) },
            entries: vec![(What::WeightShifted, shifted(release, *weight))],
        },
        (
            Phase::Shifting { .. } | Phase::Promoting { .. },
            Event::DeploymentStarted { id, how },
        ) => follow::started(release, id, how),
        (
            Phase::Shifting { step, .. } | Phase::Baking { step, .. },
            Event::WeightFound { weight },
        ) => follow::found(release, *step, *weight, now),
        (
            Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. },
            Event::DeploymentStopped { id, rollback, found },
        ) => follow::stopped(release, id, *rollback, found.as_deref()),
        (Phase::Baking { step, since, weight }, Event::Judged { verdict, stop }) => bake::judged(
            release,
            bake::Bake { step: *step, since: *since, weight: *weight },
            verdict,
            stop.as_ref(),
            now,
        ),
        (Phase::Promoting { .. }, Event::AliasPromoted) => {
            let until = now.saturating_add(plan.watch.duration()).unwrap_or(Timestamp::MAX);
            Decision {
                phase: Phase::Watching { since: now, until },
                next: Next::Judge { after_seconds: bake::watch_look(plan, until, now) },
                entries: vec![(
                    What::CanaryPromoted,
                    format!("{}; watched for {}", promoted(release), plan.watch),
                )],
            }
        }
        (Phase::Promoting { .. }, Event::ReplicasReloaded { replicas, left_out, weight }) => {
            Decision {
                phase: Phase::Promoting { from: *weight },
                next: Next::Promote { after_seconds: 0 },
                entries: reloaded(replicas, left_out, *weight),
            }
        }
        // It did not answer until the end of the watch.
        (Phase::Watching { .. }, Event::ReplicasReloaded { replicas, left_out, weight }) => {
            Decision {
                phase: release.phase.clone(),
                next: resume(release, now),
                entries: reloaded(replicas, left_out, *weight),
            }
        }
        (
            Phase::Promoting { .. } | Phase::RollingBack { .. },
            Event::CacheSwitched { from, to },
        ) => {
            let from = from.as_deref().unwrap_or("none");
            Decision {
                phase: release.phase.clone(),
                next: resume(release, now),
                entries: vec![(What::CacheSwitched, format!("generation {to}, before {from}"))],
            }
        }
        (Phase::Promoting { .. } | Phase::RollingBack { .. }, Event::CacheNotSwitched { why }) => {
            Decision {
                phase: release.phase.clone(),
                next: resume(release, now),
                entries: vec![(What::CacheNotSwitched, why.clone())],
            }
        }
        (Phase::Watching { since, until }, Event::Judged { verdict, .. }) => {
            bake::watched(release, *since, *until, verdict, now)
        }
        (
            Phase::Pending
            | Phase::Preparing
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::Stuck { .. },
            Event::RollbackRequested(cause),
        ) => roll_back(release, cause.clone()),
        // The first cause stays: what came later did not lead to the rollback. Only what speaks
        // against the artifact counts more than that a newer one came.
        (Phase::RollingBack { cause, from }, Event::RollbackRequested(later)) => Decision {
            phase: Phase::RollingBack {
                cause: if cause.is_replaced() { later.clone() } else { cause.clone() },
                from: *from,
            },
            next: Next::Rollback,
            entries: vec![(What::RollbackDecided, format!("again, while rolling back: {later}"))],
        },
        (
            Phase::RollingBack { cause: RollbackCause::Replaced { by, artifact }, .. },
            Event::TrafficRestored,
        ) => Decision {
            phase: Phase::Superseded { by: Some(by.clone()) },
            next: Next::Close,
            entries: vec![(What::ReleaseSuperseded, format!("by release {by} of {artifact}"))],
        },
        (Phase::RollingBack { cause, .. }, Event::TrafficRestored) => Decision {
            phase: Phase::RolledBack { cause: cause.clone() },
            next: Next::Close,
            entries: vec![(What::ReleaseRolledBack, cause.to_string())],
        },
        (Phase::RollingBack { from, .. }, Event::RestoreFailed { why }) => Decision {
            phase: Phase::Stuck { why: why.clone(), from: *from },
            next: Next::Close,
            entries: vec![(What::ReleaseStuck, why.clone())],
        },
        (
            Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. }
            | Phase::Stuck { .. },
            Event::TakenOver { found },
        ) => Decision {
            phase: Phase::Superseded { by: None },
            next: Next::Close,
            entries: vec![(What::TrafficTakenOver, taken_over(release, found))],
        },
        (
            Phase::Pending
            | Phase::Preparing
            | Phase::Shifting { .. }
            | Phase::Baking { .. }
            | Phase::Promoting { .. }
            | Phase::Watching { .. }
            | Phase::RollingBack { .. },
            Event::Revived,
        ) => Decision {
            phase: release.phase.clone(),
            next: resume(release, now),
            entries: vec![(
                What::ReleaseRevived,
                format!("its execution was lost in phase {}", release.phase.name()),
            )],
        },
        (
            phase,
            Event::LedgerTaken { .. }
            | Event::Refused { .. }
            | Event::CodeSet { .. }
            | Event::CanaryPublished { .. }
            | Event::SmokeTested { .. }
            | Event::ModelChecked { .. }
            | Event::WeightShifted
            | Event::DeploymentStarted { .. }
            | Event::WeightFound { .. }
            | Event::DeploymentStopped { .. }
            | Event::ReplicasReloaded { .. }
            | Event::CacheSwitched { .. }
            | Event::CacheNotSwitched { .. }
            | Event::Judged { .. }
            | Event::AliasPromoted
            | Event::RollbackRequested(_)
            | Event::TrafficRestored
            | Event::RestoreFailed { .. }
            | Event::Revived
            | Event::TakenOver { .. },
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

#[cfg(test)]
mod tests;
