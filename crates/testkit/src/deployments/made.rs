//! One deployment: what it moves, and how far it is.

use std::time::Duration;

use jiff::Timestamp;
use perch_app::ports::{DeploymentState, Progress, Route};
use perch_core::deployment::{Purpose, Schedule};
use perch_core::names::{DeploymentId, ReleaseId, Version};
use perch_core::target::{EcsService, Lambda, Target};
use perch_core::weight::Weight;

use super::pausing::Pausing;
use crate::lambda::MemoryLambda;
use crate::services::MemoryServices;

/// Seconds for which the tasks of the former baseline are kept: until then a deployment of a service goes
/// on, and can be taken back.
const KEPT_SECONDS: i64 = 120;

/// A deployment.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its id.
    pub id: DeploymentId,
    /// The release that its description names.
    pub release: Option<ReleaseId>,
    /// How far it is.
    pub progress: Progress,
    /// Why it has begun to go back, before any traffic moves.
    pub goes_back: Option<String>,
    /// The deployment that takes it back.
    pub rollback: Option<DeploymentId>,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it waits for the answer of a hook.
    pub hook: Hooked,
    /// Where it pauses, if its service has it pause.
    pub pausing: Option<Pausing>,
    pub(super) mover: String,
    pub(super) moves: Moves,
    pub(super) from: Version,
    pub(super) to: Version,
    pub(super) schedule: Schedule,
    pub(super) started: Timestamp,
    /// How long it takes before it does anything.
    pub(super) delay: Duration,
    pub(super) reached: Weight,
    pub(super) full_at: Option<Timestamp>,
}

/// A hook before the first traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooked {
    /// There is none.
    Not,
    /// It has no answer yet.
    Asked,
    /// It was answered at this time.
    Passed(Timestamp),
}

/// What a deployment moves.
#[derive(Debug, Clone)]
pub(super) enum Moves {
    Alias(Lambda),
    Service(EcsService),
}

impl Made {
    pub(super) fn pass(
        &mut self,
        (lambda, services): (&MemoryLambda, &MemoryServices),
        now: Timestamp,
    ) -> bool {
        let began = match self.hook {
            Hooked::Asked => return false,
            Hooked::Not => self.started,
            Hooked::Passed(at) => at,
        };
        let ran = Duration::try_from(now.duration_since(began)).unwrap_or_default();
        if self.progress != Progress::Running || ran < self.delay {
            return false;
        }
        let weight = match &mut self.pausing {
            Some(pausing) => pausing.weight(&self.id, self.schedule, now),
            None => self.schedule.weight_at((ran - self.delay).as_secs() / 60),
        };
        let moves_on = weight > self.reached;
        if moves_on {
            self.send((lambda, services), weight);
        }
        if weight == Weight::FULL {
            let full_at = *self.full_at.get_or_insert(now);
            if now.duration_since(full_at).as_secs() >= self.kept_seconds() {
                self.progress = Progress::Succeeded;
            }
        }
        moves_on
    }

    pub(super) fn send(
        &mut self,
        (lambda, services): (&MemoryLambda, &MemoryServices),
        weight: Weight,
    ) {
        self.reached = weight;
        match &self.moves {
            Moves::Alias(alias) => lambda.move_alias(alias, &self.route(weight)),
            Moves::Service(service) => {
                services.change(service, |running| running.send(&self.from, &self.to, weight));
            }
        }
    }

    /// The version that it brings up.
    pub fn to(&self) -> &Version {
        &self.to
    }

    /// When it was asked for.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        self.progress != Progress::Running
    }

    /// Whether what it brings up has all traffic.
    pub fn has_all_traffic(&self) -> bool {
        self.full_at.is_some()
    }

    /// Whether it takes another one back.
    pub fn is_rollback(&self) -> bool {
        !self.delay.is_zero()
    }

    /// The ECS service that it moves, where it does.
    pub fn service(&self) -> Option<&EcsService> {
        match &self.moves {
            Moves::Service(service) => Some(service),
            Moves::Alias(_) => None,
        }
    }

    /// The ECS service that moves itself, where this is a deployment of one.
    pub fn native(&self) -> Option<&EcsService> {
        self.service().filter(|service| service.code_deploy.is_none())
    }

    /// Whether it moves the traffic of this target.
    pub fn is_of(&self, target: &Target) -> bool {
        match &self.moves {
            Moves::Alias(alias) => {
                target.service.lambda.as_ref().is_some_and(|own| {
                    (&own.function, &own.alias) == (&alias.function, &alias.alias)
                })
            }
            Moves::Service(of) => {
                target.service.ecs.as_ref().is_some_and(|own| own.service == of.service)
            }
        }
    }

    pub(super) fn kept_seconds(&self) -> i64 {
        match (&self.moves, self.purpose) {
            (Moves::Service(_), Purpose::Canary) if self.delay.is_zero() => KEPT_SECONDS,
            _ => 0,
        }
    }

    fn route(&self, weight: Weight) -> Route {
        match weight {
            Weight::FULL => Route::all_on(&self.to),
            weight => Route { primary: self.from.clone(), split: Some((self.to.clone(), weight)) },
        }
    }

    pub(super) fn state(&self) -> DeploymentState {
        DeploymentState {
            id: self.id.clone(),
            release: self.release.clone().filter(|_| self.purpose == Purpose::Canary),
            progress: self.progress.clone(),
            goes_back: self.goes_back.clone(),
            is_rollback: self.is_rollback(),
            rollback: self.rollback.clone(),
            pauses: match &self.pausing {
                Some(pausing) if self.progress == Progress::Running => pausing.now(),
                Some(_) | None => Vec::new(),
            },
        }
    }
}
