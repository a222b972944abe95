//! A function in flight: held before its next port call, together with others.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use perch_app::announce::{self, Announcement};
use perch_app::on_alarm::{self, Alarm};
use perch_app::ports::Route;
use perch_app::step::StepError;
use perch_app::{notify, order};
use perch_core::head::Fence;
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};

use crate::machines::{Answer, Execution, State};
use crate::world::World;

/// An event on its way to an asynchronous function.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Push(Announcement),
    Alarm(Alarm),
}

/// What a person asks for on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Promote,
    RollBack,
}

/// Who runs, and who waits for the outcome.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// A state of the execution with this place.
    State(usize),
    /// An event, after so many attempts that failed.
    Event(Event, u32),
    /// The stream's delivery of a journal entry.
    Entry(JournalEntry),
    /// A person, after so many attempts that failed.
    Person(TargetName, Command, u32),
}

/// How it ended.
pub(super) enum Outcome {
    State(Result<Answer, StepError>),
    Event(Result<(), String>),
    Entry(bool),
    Person(Result<ReleaseId, order::OrderError>),
}

/// A function in flight.
pub(super) struct Flight {
    pub(super) task: Task,
    /// For the trace: what runs.
    pub(super) name: String,
    /// It is a step of a release, under the fence that its execution was given.
    pub(super) is_step: bool,
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
                | State::Shift(input)
                | State::Judge(input)
                | State::Promote(input),
            ) => Some(input.fence),
            _ => None,
        };
        let release = execution.and_then(Execution::release);
        let future = future(world.clone(), task.clone(), execution.cloned(), now);
        let mut flight = Self {
            task,
            name,
            is_step: fence.is_some(),
            detached: false,
            ends_by: 0,
            next_call: "",
            fence,
            target: release.as_ref().map(|id| world.release(id).target),
            release,
            seen: None,
            future,
        };
        let outcome = flight.poll(world);
        (flight, outcome)
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

fn name(task: &Task, execution: Option<&Execution>) -> String {
    match (task, execution) {
        (Task::State(_), Some(execution)) => {
            format!("{} of {}", execution.state.name(), execution.name)
        }
        (Task::State(place), None) => format!("execution {place}"),
        (Task::Event(Event::Push(push), _), _) => format!("on-image-push {}", push.event),
        (Task::Event(Event::Alarm(alarm), _), _) => format!("on-alarm {}", alarm.event),
        (Task::Entry(entry), _) => format!("notify {}/{}", entry.release, entry.seq),
        (Task::Person(target, command, _), _) => format!("{command:?} {target}"),
    }
}

fn future(
    world: Arc<World>,
    task: Task,
    execution: Option<Execution>,
    now: Timestamp,
) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(async move {
        let World { store, lambda, executions, topic, slack, .. } = &*world;
        match task {
            Task::State(_) => {
                let execution = execution.expect("a state has its execution");
                Outcome::State(execution.invoke(&world, now).await)
            }
            Task::Event(Event::Push(push), _) => {
                let done = announce::run(store, executions, &push, now).await;
                Outcome::Event(done.map(drop).map_err(|error| error.to_string()))
            }
            Task::Event(Event::Alarm(alarm), _) => {
                let done = on_alarm::run(store, lambda, executions, &alarm).await;
                Outcome::Event(done.map(drop).map_err(|error| error.to_string()))
            }
            Task::Entry(entry) => {
                Outcome::Entry(notify::run(store, topic, slack, &entry).await.is_ok())
            }
            Task::Person(target, Command::Promote, _) => {
                let done = order::promote(store, &target, "kim", "go", now).await;
                Outcome::Person(done.map(|release| release.id))
            }
            Task::Person(target, Command::RollBack, _) => {
                let done = order::roll_back(store, executions, &target, "kim", "odd").await;
                Outcome::Person(done.map(|release| release.id))
            }
        }
    })
}
