//! One execution: the state it is in, and what a state's function does.

use jiff::{SignedDuration, Timestamp};
use perch_app::close_release::{self, CloseInput};
use perch_app::deployment::follow::FollowInput;
use perch_app::deployment::unwind;
use perch_app::ports::{Machine, StartExecution};
use perch_app::restore_traffic;
use perch_app::step::{RoundInput, StepError, StepInput, StepOutput};
use perch_app::{judge_canary, prepare_canary, promote_canary, shift_weight, smoke};
use perch_core::names::ReleaseId;

use super::follow::follow;
use super::route::{self, error_type};
use super::state::State;
use crate::executions::Started;
use crate::world::World;

/// `TimeoutSeconds` of `AwaitDeployment`.
pub(crate) const WAIT_SECONDS: i64 = 60;

/// An execution of one of the machines.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its name.
    pub name: ReleaseId,
    /// The state that it enters next.
    pub state: State,
    /// When it enters it.
    pub due: Timestamp,
    machine: Machine,
    attempts: u32,
    /// When it entered the state, by Step Functions' clock; trying again is no entering.
    entered: Timestamp,
    /// How often it waited under a task token.
    waits: u32,
}

/// What a state answered.
pub(crate) enum Answer {
    Step(StepOutput),
    Started,
    /// The task token is kept.
    Kept,
    Stop(CloseInput),
    Closed,
}

impl Execution {
    pub(crate) fn of(started: &Started, now: Timestamp) -> Self {
        let input = started.input.clone();
        let state = match started.machine {
            Machine::CanaryDeploy | Machine::ModelReload => {
                State::Prepare(serde_json::from_value(input).unwrap())
            }
            Machine::Rollback => State::Restore(serde_json::from_value(input).unwrap()),
        };
        let (name, machine) = (started.name.clone(), started.machine);
        Self { name, machine, state, due: now, attempts: 0, entered: now, waits: 0 }
    }

    /// Whether it is one of canary-deploy.
    pub fn is_canary_deploy(&self) -> bool {
        self.machine == Machine::CanaryDeploy
    }

    /// The release that its state works for.
    pub(crate) fn release(&self) -> Option<ReleaseId> {
        match &self.state {
            State::Prepare(input)
            | State::Smoke(input)
            | State::Shift(input)
            | State::Judge(input)
            | State::Promote(input)
            | State::Follow(input)
            | State::StopDeployment(input)
            | State::RestoreReplicas(input) => Some(input.release_id.clone()),
            State::Await(input) | State::Waits(input) => Some(input.round.step.release_id.clone()),
            State::StartRollback(input) | State::Restore(input) => Some(input.release_id.clone()),
            State::StopCanaryDeploy(input) | State::Close(input) | State::RecordStuck(input) => {
                Some(input.release_id.clone())
            }
            State::Ended | State::Stuck | State::Stopped | State::Failed(_) => None,
        }
    }

    /// Runs one state; the name of the execution that it stops, if it does.
    pub(super) async fn run_state(
        &mut self,
        world: &World,
        now: Timestamp,
        twice: bool,
    ) -> Option<ReleaseId> {
        if let State::Waits(_) = self.state {
            self.wake(now);
            return None;
        }
        if twice {
            drop(self.invoke(world, now).await);
        }
        let answer = self.invoke(world, now).await;
        self.take(answer, now)
    }

    /// Goes on to where the answer leads; the name of the execution that it stops, if it does.
    pub(crate) fn take(
        &mut self,
        answer: Result<Answer, StepError>,
        now: Timestamp,
    ) -> Option<ReleaseId> {
        let stopped = match &answer {
            Ok(Answer::Stop(input)) => Some(input.release_id.clone()),
            _ => None,
        };
        let (next, wait) = match answer {
            Ok(answer) => {
                self.attempts = 0;
                route::after(&self.state, answer)
            }
            Err(error) => self.failed(&error),
        };
        let begun = if let State::Waits(_) = next { self.due } else { now };
        self.state = next;
        let due = begun.saturating_add(SignedDuration::from_secs(wait)).unwrap();
        if self.tries_again() {
            self.due = due;
        } else {
            self.enters_at(due);
        }
        if let State::Await(input) = &mut self.state {
            self.waits += 1;
            input.token = Some(format!("{}/{}", self.name, self.waits));
        }
        stopped
    }

    /// The token under which it waits.
    pub(crate) fn token(&self) -> Option<&str> {
        match &self.state {
            State::Await(input) | State::Waits(input) => input.token.as_deref(),
            _ => None,
        }
    }

    /// Its wait is over, by its token or by its time limit.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        if let State::Await(input) | State::Waits(input) = &self.state {
            self.state = State::Follow(input.round.step.clone());
            self.attempts = 0;
            self.enters_at(now);
        }
    }

    /// It enters its state then.
    pub(crate) fn enters_at(&mut self, due: Timestamp) {
        (self.due, self.entered) = (due, due);
    }

    /// Whether the state that it enters next failed before and is tried again.
    pub(crate) fn tries_again(&self) -> bool {
        self.attempts > 0
    }

    fn failed(&mut self, error: &StepError) -> (State, i64) {
        let retry = route::retry(&self.state, error_type(error));
        if self.attempts < retry.attempts {
            let wait = retry.wait(self.attempts);
            self.attempts += 1;
            return (self.state.clone(), wait);
        }
        self.attempts = 0;
        (route::caught(&self.state, &self.name, error), 0)
    }

    /// What a state hands to a round.
    pub(super) fn round(&self, step: &StepInput) -> RoundInput {
        RoundInput { step: step.clone(), entered_at: Some(self.entered) }
    }

    /// Runs the function of the state.
    pub(crate) async fn invoke(&self, world: &World, now: Timestamp) -> Result<Answer, StepError> {
        let restores = matches!(self.state, State::RestoreReplicas(_));
        if self.machine == Machine::ModelReload || restores {
            return self.invoke_reload(world, now).await;
        }
        let World { store, lambda, services, uploads, metrics, alarms, .. } = world;
        let World { deployments, executions, web, .. } = world;
        let checks = (lambda, uploads, alarms, metrics);
        let traffic = (lambda, services);
        Ok(match &self.state {
            State::Prepare(input) => {
                Answer::Step(prepare_canary::run(store, lambda, checks, input, now).await?)
            }
            State::Smoke(input) => {
                Answer::Step(smoke::run(store, (lambda, web), input, || now).await?)
            }
            State::Shift(input) => {
                Answer::Step(shift_weight::run(store, lambda, input, now).await?)
            }
            State::Judge(input) => {
                let moving = (lambda, services, deployments);
                Answer::Step(judge_canary::run(store, moving, (metrics, alarms), input, now).await?)
            }
            State::Promote(input) => {
                Answer::Step(promote_canary::run(store, lambda, input, now).await?)
            }
            State::Follow(input) => {
                let input = FollowInput::from(self.round(input));
                Answer::Step(follow(world, &input, now).await?)
            }
            State::Await(input) => {
                follow(world, input, now).await?;
                Answer::Kept
            }
            State::StopDeployment(input) => Answer::Step(
                unwind::run(store, traffic, deployments, &self.round(input), now).await?,
            ),
            State::StartRollback(input) => {
                let name = &input.release_id;
                let input = serde_json::to_value(input).unwrap();
                executions.start(Machine::Rollback, name, &input).await?;
                Answer::Started
            }
            State::Restore(input) => {
                Answer::Step(restore_traffic::run(store, lambda, input, now).await?)
            }
            State::RestoreReplicas(_) => unreachable!("it is a step of model servers"),
            State::StopCanaryDeploy(input) => Answer::Stop(input.clone()),
            State::Close(input) | State::RecordStuck(input) => {
                close_release::run(store, executions, input, now).await?;
                Answer::Closed
            }
            State::Waits(_) | State::Ended | State::Stuck | State::Stopped | State::Failed(_) => {
                Answer::Closed
            }
        })
    }
}
