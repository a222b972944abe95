//! A function in flight: held before its next port call, together with others.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use perch_app::announce::{self, Announcement};
use perch_app::announce_model::{self, Uploaded};
use perch_app::deployment::changed::{self, Changed};
use perch_app::deployment::hook::{self, Hook};
use perch_app::deployment::stage::{self, Stage};
use perch_app::on_alarm::{self, Alarm};
use perch_app::order::{self, OrderError};
use perch_app::ports::{PortError, Route};
use perch_app::step::StepError;
use perch_app::{notify, reconcile};
use perch_core::head::Fence;
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Order;

use super::script::Wish;
use crate::machines::{Answer, Execution, State};
use crate::world::World;

/// An event on its way to an asynchronous function.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Push(Announcement),
    Upload(Uploaded),
    Alarm(Alarm),
    Hook(Hook),
    Stage(Stage),
    Changed(Changed),
}

/// Who runs, and who waits for the outcome.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// A state of the execution with this place.
    State(usize),
    /// An event, after so many attempts that failed.
    Event(Event, u32),
    /// The stream's delivery of a journal entry.
    Entry(Box<JournalEntry>),
    /// A person, after so many attempts that failed.
    Person(TargetName, Wish, u32),
    /// The look-back, on its schedule.
    Sweep,
}

/// How it ended.
pub(super) enum Outcome {
    State(Result<Answer, StepError>),
    Event(Result<(), String>),
    Stage(Option<stage::Answer>),
    Entry(bool),
    Person(Result<Option<ReleaseId>, OrderError>),
    Sweep,
}

/// A function in flight.
pub(super) struct Flight {
    pub(super) task: Task,
    /// For the trace: what runs.
    pub(super) name: String,
    /// It is a step of a release, under the fence that its execution was given.
    pub(super) is_step: bool,
    /// A stop or a hold stood when it started.
    held: bool,
    /// A person's order stood when it started.
    pub(super) knew_an_order: bool,
    /// Nobody waits for the outcome any more.
    pub(super) detached: bool,
    /// When Lambda ends it, in milliseconds after the start.
    pub(super) ends_by: i64,
    /// The call that comes next.
    pub(super) next_call: &'static str,
    /// The fence that it works under, as far as one is known.
    pub(super) fence: Option<Fence>,
    /// The release that it works for, and its target.
    pub(super) release: Option<ReleaseId>,
    pub(super) target: Option<TargetName>,
    /// The alias as it last saw it.
    pub(super) seen: Option<Route>,
    future: Pin<Box<dyn Future<Output = Outcome>>>,
}

impl Flight {
    /// Starts the function and holds it before its first call; the outcome if it makes none.
    pub(super) fn start(
        world: &Arc<World>,
        task: Task,
        execution: Option<&Execution>,
        now: Timestamp,
    ) -> (Self, Option<Outcome>) {
        let name = name(&task, execution);
        let fence = match execution.map(|execution| &execution.state) {
            Some(
                State::Prepare(input)
                | State::Smoke(input)
                | State::Shift(input)
                | State::Judge(input)
                | State::Promote(input)
                | State::Follow(input)
                | State::StopDeployment(input),
            ) => Some(input.fence),
            Some(State::Await(input)) => Some(input.round.step.fence),
            _ => None,
        };
        let goes_back = execution.is_some_and(|it| matches!(it.state, State::StopDeployment(_)));
        let release = execution.and_then(Execution::release);
        let future = future(world.clone(), task.clone(), execution.cloned(), now);
        let mut flight = Self {
            task,
            name,
            is_step: fence.is_some() && !goes_back,
            knew_an_order: release.as_ref().is_some_and(|id| {
                let known = |items: &crate::store::Items| items.releases.get(id).cloned();
                world.store.read(known).is_some_and(|release| release.order.is_some())
            }),
            held: release.as_ref().is_some_and(|id| is_held(world, id)),
            detached: false,
            ends_by: 0,
            next_call: "",
            fence,
            target: release.as_ref().and_then(|id| target_of(world, id)),
            release,
            seen: None,
            future,
        };
        let outcome = flight.poll(world);
        (flight, outcome)
    }

    /// Whether a stop or a hold stood when it started, and stands now.
    pub(super) fn is_held(&self, world: &World) -> bool {
        self.held && self.release.as_ref().is_some_and(|id| is_held(world, id))
    }

    /// Makes the next call and goes on to the one after; the outcome once there is one.
    pub(super) fn poll(&mut self, world: &World) -> Option<Outcome> {
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => {
                self.next_call = world.calls.announced().unwrap_or_default();
                None
            }
        }
    }
}

fn target_of(world: &World, id: &ReleaseId) -> Option<TargetName> {
    world.store.read(|items| items.releases.get(id).map(|release| release.target.clone()))
}

fn is_held(world: &World, id: &ReleaseId) -> bool {
    world.store.read(|items| {
        let Some(release) = items.releases.get(id) else { return false };
        let head = items.heads.get(&release.target);
        matches!(release.order, Some(Order::Hold { .. }))
            || items.stop_of_all.is_some()
            || head.is_some_and(|head| head.stopped.is_some())
    })
}

fn name(task: &Task, execution: Option<&Execution>) -> String {
    match (task, execution) {
        (Task::State(_), Some(execution)) => {
            format!("{} of {}", execution.state.name(), execution.name)
        }
        (Task::State(place), None) => format!("execution {place}"),
        (Task::Event(Event::Push(push), _), _) => format!("on-image-push {}", push.event),
        (Task::Event(Event::Upload(upload), _), _) => format!("on-model-upload {}", upload.event),
        (Task::Event(Event::Alarm(alarm), _), _) => format!("on-alarm {}", alarm.event),
        (Task::Event(Event::Hook(hook), _), _) => format!("answer-hook of {}", hook.deployment),
        (Task::Event(Event::Stage(stage), _), _) => format!("answer-hook of {}", stage.deployment),
        (Task::Event(Event::Changed(what), _), _) => format!("on-deployment-change of {what}"),
        (Task::Entry(entry), _) => format!("notify {}/{}", entry.release, entry.seq),
        (Task::Person(target, wish, _), _) => format!("{wish:?} {target}"),
        (Task::Sweep, _) => "reconcile".to_owned(),
    }
}

fn future(
    world: Arc<World>,
    task: Task,
    execution: Option<Execution>,
    now: Timestamp,
) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(async move {
        let World { store, lambda, registry, uploads, executions, topic, slack, .. } = &*world;
        let World { deployments, services, web, .. } = &*world;
        match task {
            Task::State(_) => {
                let execution = execution.expect("a state has its execution");
                Outcome::State(execution.invoke(&world, now).await)
            }
            Task::Event(Event::Push(push), _) => {
                let done = announce::run(store, executions, &push, now).await;
                Outcome::Event(done.map(drop).map_err(|error| error.to_string()))
            }
            Task::Event(Event::Upload(upload), _) => {
                let done = announce_model::run(store, uploads, executions, &upload, now).await;
                Outcome::Event(done.map(drop).map_err(|error| error.to_string()))
            }
            Task::Event(Event::Alarm(alarm), _) => {
                let done = on_alarm::run(store, lambda, executions, &alarm).await;
                Outcome::Event(done.map(drop).map_err(|error| error.to_string()))
            }
            Task::Event(Event::Hook(asked), _) => {
                let asks = (lambda, web);
                let done = hook::run(store, deployments, asks, &asked, || now).await;
                Outcome::Event(done.map(drop).map_err(|error| error.to_string()))
            }
            Task::Event(Event::Stage(stage), _) => {
                let moving = (lambda, services);
                let answer = stage::run(store, deployments, moving, web, &stage, || now).await;
                Outcome::Stage(match answer {
                    Ok(answer) => Some(answer),
                    Err(StepError::Port(
                        PortError::Unavailable { .. } | PortError::Conflict { .. },
                    )) => Some(stage::Answer::InProgress),
                    Err(_) => None,
                })
            }
            Task::Event(Event::Changed(what), _) => {
                let done = changed::run(store, deployments, executions, &what).await;
                Outcome::Event(done.map(drop).map_err(|error| error.to_string()))
            }
            Task::Entry(entry) => {
                Outcome::Entry(notify::run(store, topic, slack, &entry).await.is_ok())
            }
            Task::Person(target, wish, _) => Outcome::Person(ask(&world, &target, wish, now).await),
            Task::Sweep => {
                // What it could not do, the next run does.
                let sources = (registry, uploads);
                drop(
                    reconcile::run(
                        store,
                        (lambda, &world.services),
                        sources,
                        executions,
                        now,
                        || true,
                    )
                    .await,
                );
                Outcome::Sweep
            }
        }
    })
}

async fn ask(
    world: &World,
    target: &TargetName,
    wish: Wish,
    now: Timestamp,
) -> Result<Option<ReleaseId>, OrderError> {
    let World { store, lambda, executions, .. } = world;
    let (by, why) = ("kim", "so be it");
    let release = match wish {
        Wish::Promote => order::promote(store, target, by, why, now).await?.id,
        Wish::Hold => order::hold(store, target, by, why, now).await?.id,
        Wish::Continue => order::continue_now(store, target, by, why, now).await?.id,
        Wish::RollBack => order::roll_back(store, executions, target, by, why).await?.id,
        Wish::BackTo(version) => {
            let version = version.to_string().parse().expect("a number is a version");
            let to = (target, &version);
            order::go_back_to(store, (lambda, &world.services), executions, to, (by, why), now)
                .await?
        }
        Wish::Stop | Wish::StopAll => {
            let target = (wish == Wish::Stop).then_some(target);
            order::stop(store, target, by, why, now).await?;
            return Ok(None);
        }
        Wish::Resume | Wish::ResumeAll => {
            let target = (wish == Wish::Resume).then_some(target);
            order::resume(store, executions, target, (by, why), now).await?;
            return Ok(None);
        }
    };
    Ok(Some(release))
}
