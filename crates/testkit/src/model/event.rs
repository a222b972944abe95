//! What comes from outside: pushes, alarms, people, and changes that nobody announces.

use jiff::Timestamp;
use perch_app::announce::{self, Announcement};
use perch_app::deployment::changed::{self, Changed};
use perch_app::deployment::hook::{self, Hook};
use perch_app::deployment::stage::{self, Stage};
use perch_app::on_alarm::{self, Alarm};
use perch_app::ports::{AnswerHook, Route};
use perch_app::{order, reconcile};
use perch_core::judge::Arm;
use perch_core::names::{DeploymentId, TargetName};
use perch_core::target::Lambda;

use crate::world::World;

/// Something that may happen, at any time or never.
#[derive(Debug, Clone)]
pub enum Event {
    /// An artifact is announced.
    Push(Announcement),
    /// An artifact is pushed, and no event ever announces it.
    Unannounced(Announcement),
    /// A guard's change to ALARM is announced.
    Alarm(Alarm),
    /// A person asks for the rollback.
    RollBack(TargetName),
    /// A person asks for the promotion.
    Promote(TargetName),
    /// A version answers like this from now on.
    Answers(&'static str, Arm),
    /// A person stops the line.
    Stop(TargetName),
    /// A person ends the stop.
    Resume(TargetName),
    /// A person holds the release.
    Hold(TargetName),
    /// A person ends the hold.
    Continue(TargetName),
    /// The sweep looks at every target, at any time.
    Sweep,
    /// The sweep looks again when nothing was under way for longer than any step takes.
    LateSweep,
    /// Someone else moves the alias.
    Moved(Lambda, Route),
    /// A deployment changed, or so its event says.
    Changed(Changed),
    /// Someone else stops this deployment.
    Stopped(DeploymentId),
    /// CodeDeploy asks a hook.
    Hook(Hook),
    /// ECS asks at a stage.
    Stage(Stage),
    /// A guard is in ALARM from now on, or OK again.
    Guard(&'static str, bool),
}

impl Event {
    /// A name for people.
    pub fn name(&self) -> String {
        match self {
            Event::Push(push) => format!("push of {} (event {})", push.artifact, push.event),
            Event::Unannounced(push) => format!("push of {}", push.artifact),
            Event::Alarm(alarm) => format!("event of alarm {}", alarm.name),
            Event::RollBack(target) => format!("perch rollback {target}"),
            Event::Promote(target) => format!("perch promote {target}"),
            Event::Stop(target) => format!("perch stop {target}"),
            Event::Resume(target) => format!("perch resume {target}"),
            Event::Hold(target) => format!("perch hold {target}"),
            Event::Continue(target) => format!("perch continue {target}"),
            Event::Sweep => "sweep".to_owned(),
            Event::LateSweep => "late sweep".to_owned(),
            Event::Moved(_, route) => format!("someone moves the alias to {route}"),
            Event::Changed(changed) => format!("event of {changed}"),
            Event::Stopped(id) => format!("someone stops {id}"),
            Event::Hook(hook) => format!("hook of {}", hook.deployment),
            Event::Stage(stage) => format!("stage of {}", stage.deployment),
            Event::Answers(version, arm) => {
                format!("version {version} has {} errors of {}", arm.errors, arm.requests)
            }
            Event::Guard(guard, in_alarm) => {
                format!("guard {guard} is {}", if *in_alarm { "in ALARM" } else { "OK" })
            }
        }
    }

    /// Whether a function hears of it.
    pub(super) fn has_function(&self) -> bool {
        let changes = |event: &Self| {
            matches!(event, Event::Answers(..) | Event::Guard(..) | Event::Moved(..))
        };
        !changes(self) && !matches!(self, Event::Stopped(_))
    }

    /// Whether it never comes.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Event::Unannounced(_))
    }

    /// The artifact that was pushed, whether that is announced or not.
    pub(super) fn pushed(&self) -> Option<&Announcement> {
        match self {
            Event::Push(push) | Event::Unannounced(push) => Some(push),
            _ => None,
        }
    }

    /// Whether it comes only when nothing is under way.
    pub(super) fn waits_for_rest(&self) -> bool {
        matches!(self, Event::LateSweep)
    }

    /// Changes the world at once where no function of Perch hears of it; whether that is all.
    pub(super) fn changes(&self, world: &World) -> bool {
        match self {
            Event::Answers(version, arm) => world.metrics.set(version, *arm),
            Event::Guard(guard, in_alarm) => world.alarms.set(guard, *in_alarm),
            Event::Moved(lambda, route) => world.lambda.move_alias(lambda, route),
            Event::Stopped(id) => {
                let why = format!("deployment {id} was stopped by kim");
                world.deployments.change(|known| known.stop(id, &why));
            }
            _ => return false,
        }
        true
    }

    /// When its function runs.
    pub(super) fn time(&self) -> Timestamp {
        match self {
            Event::Push(push) => push.pushed_at,
            Event::Alarm(alarm) => alarm.at,
            // Nothing is overdue yet, nothing is past its deadline.
            Event::Sweep | Event::Hook(_) | Event::Stage(_) | Event::Changed(_) => crate::at(300),
            Event::LateSweep => crate::at(3000),
            _ => crate::at(2000),
        }
    }

    /// What the function does that hears of it.
    pub(super) async fn handle(&self, world: &World, now: Timestamp) -> Result<(), String> {
        let World { store, lambda, executions, .. } = world;
        match self {
            Event::Push(push) => announce::run(store, executions, push, now)
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
            Event::Alarm(alarm) => on_alarm::run(store, lambda, executions, alarm)
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
            Event::RollBack(target) => {
                person(order::roll_back(store, executions, target, "kim", "looks odd").await)
            }
            Event::Promote(target) => {
                person(order::promote(store, target, "kim", "urgent", now).await)
            }
            Event::Hold(target) => person(order::hold(store, target, "kim", "wait", now).await),
            Event::Continue(target) => {
                person(order::continue_now(store, target, "kim", "go on", now).await)
            }
            Event::Stop(target) => {
                person(order::stop(store, Some(target), "kim", "an incident", now).await)
            }
            Event::Resume(target) => {
                let why = ("kim", "it is over");
                person(order::resume(store, executions, Some(target), why, now).await)
            }
            Event::Sweep | Event::LateSweep => {
                let sources = (&world.registry, &world.uploads);
                reconcile::run(store, (lambda, &world.services), sources, executions, now, || true)
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
            Event::Changed(changed) => changed::run(store, &world.deployments, executions, changed)
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
            Event::Hook(hook) => {
                let asks = (lambda, &world.web);
                hook::run(store, &world.deployments, asks, hook, || now)
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string())
            }
            Event::Stage(stage) => at_stage(world, stage, now).await,
            Event::Unannounced(_)
            | Event::Answers(..)
            | Event::Guard(..)
            | Event::Moved(..)
            | Event::Stopped(_) => Ok(()),
        }
    }
}

/// What ECS does with the answer is a part of it. It asks again where it was told to wait.
async fn at_stage(world: &World, stage: &Stage, now: Timestamp) -> Result<(), String> {
    let World { store, lambda, services, deployments, web, .. } = world;
    let answer = stage::run(store, deployments, (lambda, services), web, stage, || now).await;
    let hook = Hook { deployment: stage.deployment.clone(), execution: String::new() };
    let answer = match answer {
        Ok(stage::Answer::Succeeded) => hook::Answer::Succeeded,
        Ok(stage::Answer::Failed) => hook::Answer::Failed,
        Ok(stage::Answer::InProgress) => return Err("asked again".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    deployments.answer(&hook, answer).await.map_err(|error| error.to_string())
}

/// What a person is told is an answer too; only a port's failure is tried again.
fn person<T>(answer: Result<T, order::OrderError>) -> Result<(), String> {
    match answer {
        Err(order::OrderError::Port(error)) => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(()),
    }
}
