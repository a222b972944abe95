//! A task under way: an execution in one of its states, an event with its function, or a function
//! that nobody waits for any more.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use perch_app::ports::{PortError, Route};
use perch_app::step::StepError;
use perch_core::head::Fence;
use perch_core::names::ReleaseId;

use super::event::Event;
use super::fingerprint;
use crate::calls::{Fault, Recorded};
use crate::executions::Started;
use crate::machines::{Answer, Execution, State};
use crate::world::World;

/// How often Lambda runs a function whose event came asynchronously: once, and two retries.
const ASYNC_ATTEMPTS: u8 = 3;

/// Calls that no other task can tell apart from none: what they read never changes here, and what
/// they write nobody reads.
const FREE: [&str; 14] = [
    "by_source",
    "by_guard",
    "target",
    "note",
    "notes",
    "run",
    "version",
    "has_provisioned_concurrency",
    "image",
    "invoke",
    "request",
    "alarms",
    "versions",
    "alias_total",
];

/// The calls that are free where these events come: readings only while nothing changes them.
pub(super) fn free_beside(events: &[Event]) -> &'static [&'static str] {
    let changes = events.iter().any(|event| matches!(event, Event::Answers(..) | Event::Guard(..)));
    if changes { &FREE[..11] } else { &FREE }
}

/// What is done.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// A state machine's state.
    Execution(Execution),
    /// The function that hears of an event, whose place is `place`, with attempts left.
    Event { event: Arc<Event>, place: usize, left: u8 },
}

/// Something under way.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) work: Work,
    pub(super) now: Timestamp,
    /// Nobody waits for the answer any more.
    pub(super) orphan: bool,
    /// What the function learned so far.
    pub(super) answers: Vec<Recorded>,
    /// The fence it works under, where it has one.
    pub(super) fence: Option<Fence>,
    /// The alias as it read it last, since it wrote.
    pub(super) read: Option<Route>,
    /// What tells it from others, once it is sealed.
    pub(super) print: u64,
}

/// What came of a call.
pub(super) enum Outcome {
    /// The function waits before its next call.
    Goes,
    Machine(Result<Answer, StepError>),
    Event(Result<(), String>),
}

/// What a task does after its function.
pub(super) enum After {
    Goes,
    Ends,
    /// It ends, and the event was in vain.
    GivesUp,
    /// It goes on, and this execution was stopped.
    Stops(ReleaseId),
}

impl Task {
    pub(super) fn of(work: Work, now: Timestamp) -> Self {
        let fence = match &work {
            Work::Execution(execution) => fence(&execution.state),
            Work::Event { .. } => None,
        };
        Self { work, now, orphan: false, answers: Vec::new(), fence, read: None, print: 0 }
    }

    pub(super) fn started(started: &Started, now: Timestamp) -> Self {
        Self::of(Work::Execution(Execution::of(started, now)), now)
    }

    pub(super) fn event(event: &Arc<Event>, place: usize) -> Self {
        let (now, event) = (event.time(), event.clone());
        Self::of(Work::Event { event, place, left: ASYNC_ATTEMPTS }, now)
    }

    /// The task as a state keeps it.
    pub(super) fn seal(mut self) -> Arc<Self> {
        self.print = fingerprint::task(&self);
        Arc::new(self)
    }

    /// Makes the next call on `world`; what it was, and what came of it.
    pub(super) fn call(
        &mut self,
        world: &World,
        free: &'static [&'static str],
        fault: Option<Fault>,
    ) -> (Option<&'static str>, Outcome) {
        world.calls.replay(std::mem::take(&mut self.answers), free, fault);
        let outcome = match &self.work {
            Work::Execution(execution) => {
                poll(execution.invoke(world, self.now)).map(Outcome::Machine)
            }
            Work::Event { event, .. } => poll(event.handle(world, self.now)).map(Outcome::Event),
        };
        let (answers, made) = world.calls.replayed();
        self.answers = answers;
        (made, outcome.unwrap_or(Outcome::Goes))
    }

    /// Its function died: the caller hears of it, if there is one.
    pub(super) fn dies(&mut self) -> After {
        self.settle(match self.work {
            Work::Execution(_) => Outcome::Machine(Err(StepError::Port(PortError::Unavailable {
                what: "the function".to_owned(),
                source: "it died".into(),
            }))),
            Work::Event { .. } => Outcome::Event(Err("the function died".to_owned())),
        })
    }

    /// Where the outcome leads.
    pub(super) fn settle(&mut self, outcome: Outcome) -> After {
        if matches!(outcome, Outcome::Goes) {
            return After::Goes;
        }
        if self.orphan {
            return After::Ends;
        }
        match (&mut self.work, outcome) {
            (Work::Execution(execution), Outcome::Machine(answer)) => {
                let again = answer.is_err();
                let stopped = execution.take(answer, self.now);
                // Tried again at once: how long a retry waits makes no difference to what it finds.
                let now = if again { self.now } else { execution.due };
                let after = match (stopped, &execution.state) {
                    (Some(name), _) => After::Stops(name),
                    (None, State::Failed(_)) => After::GivesUp,
                    (None, state) if state.is_end() => After::Ends,
                    (None, _) => After::Goes,
                };
                *self = Self::of(self.work.clone(), now);
                after
            }
            (Work::Event { left, .. }, Outcome::Event(Err(_))) => {
                *left -= 1;
                if *left == 0 {
                    return After::GivesUp;
                }
                *self = Self::of(self.work.clone(), self.now);
                After::Goes
            }
            _ => After::Ends,
        }
    }

    /// The function that goes on when its caller does not wait any longer.
    pub(super) fn orphaned(&self) -> Self {
        Self { orphan: true, ..self.clone() }
    }

    pub(super) fn name(&self) -> String {
        let orphan = if self.orphan { "orphan of " } else { "" };
        match &self.work {
            Work::Execution(execution) => {
                format!("{orphan}{} of {}", name(&execution.state), execution.name)
            }
            Work::Event { event, .. } => format!("{orphan}{}", event.name()),
        }
    }
}

/// The state's name in the machine.
fn name(state: &State) -> &'static str {
    match state {
        State::Prepare(_) => "PrepareCanary",
        State::Smoke(_) => "RunSmokeTests",
        State::Shift(_) => "ShiftWeight",
        State::Judge(_) => "JudgeCanary",
        State::Promote(_) => "PromoteCanary",
        State::Follow(_) => "FollowDeployment",
        State::StopDeployment(_) => "StopDeployment",
        State::StartRollback(_) => "RollBack",
        State::Restore(_) => "RestoreTraffic",
        State::RestoreReplicas(_) => "RestoreReplicas",
        State::StopCanaryDeploy(_) => "StopCanaryDeploy",
        State::Close(_) => "CloseRelease",
        State::RecordStuck(_) => "RecordStuck",
        State::Ended | State::Stuck | State::Stopped | State::Failed(_) => "the end",
    }
}

/// The fence that a step of canary-deploy works under; the others take theirs.
fn fence(state: &State) -> Option<Fence> {
    match state {
        State::Prepare(step)
        | State::Smoke(step)
        | State::Shift(step)
        | State::Judge(step)
        | State::Promote(step)
        | State::Follow(step) => Some(step.fence),
        _ => None,
    }
}

fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}
