//! A task under way: an execution in one of its states, an event with its function, or a function
//! that nobody waits for any more.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use perch_app::ports::{PortError, Route};
use perch_app::step::StepError;
use perch_core::head::Fence;
use perch_core::names::ReleaseId;

use super::event::Event;
use super::fingerprint::{self, Prints};
use crate::calls::{Fault, Recorded};
use crate::executions::Started;
use crate::machines::{Answer, Execution, State};
use crate::world::World;

/// How often Lambda runs a function whose event came asynchronously: once, and two retries.
const ASYNC_ATTEMPTS: u8 = 3;

/// Calls that no other task can tell apart from none: what they read never changes here, and what
/// they write nobody reads.
const FREE: [&str; 18] = [
    "by_source",
    "by_guard",
    "target",
    "note",
    "notes",
    "run",
    "version",
    "has_provisioned_concurrency",
    "image",
    "task_definition",
    "invoke",
    "request",
    "alarms",
    "versions",
    "alias_total",
    "health",
    "history",
    "buckets",
];

/// The calls that are free where these events come: readings only while nothing changes them.
pub(super) fn free_beside(events: &[Event]) -> &'static [&'static str] {
    let changes = events.iter().any(|event| matches!(event, Event::Answers(..) | Event::Guard(..)));
    if changes { &FREE[..12] } else { &FREE }
}

/// The time-out of a step's function.
const TIME_OUT: SignedDuration = SignedDuration::from_secs(40);

/// Between two looks at a deployment: a wait may be longer than the machine asks for, and fewer looks
/// are fewer states. After the first look that finds nothing comes the deadline of a scenario's release.
const LOOK: SignedDuration = SignedDuration::from_secs(800);

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
    /// The deployments as they were when it found nothing to do; it looks again once they are others.
    pub(super) found: Option<u64>,
    /// The deployment whose first move came while its function ran.
    pub(super) ran_at: Option<usize>,
    /// It comes after a wait that is longer than any function runs.
    pub(super) waited: bool,
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
        Self {
            work,
            now,
            orphan: false,
            answers: Vec::new(),
            fence,
            read: None,
            found: None,
            ran_at: None,
            waited: false,
            print: 0,
        }
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

    /// Whether it stops a deployment.
    pub(super) fn unwinds(&self) -> bool {
        matches!(&self.work, Work::Execution(it) if matches!(it.state, State::StopDeployment(_)))
    }

    /// Whether it is the canary-deploy of a release, and not given up.
    pub(super) fn deploys(&self, release: &ReleaseId) -> bool {
        match &self.work {
            Work::Execution(it) => it.is_canary_deploy() && it.name == *release && !self.orphan,
            Work::Event { .. } => false,
        }
    }

    /// Whether a look now would find what the last one found.
    pub(super) fn is_waiting_for_moves(&self, prints: &Prints) -> bool {
        self.answers.is_empty() && self.found.is_some_and(|found| prints.is_driven(found))
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
                let followed = follows(&execution.state);
                let stopped = execution.take(answer, self.now);
                // How long it waits makes no difference to what it finds.
                if let State::Waits(_) = execution.state {
                    execution.wake(execution.due);
                }
                if followed && follows(&execution.state) && execution.due > self.now {
                    execution.enters_at(execution.due.max(later(self.now)));
                }
                // Tried again at once: how long a retry waits makes no difference to what it finds.
                let now = if again { self.now } else { execution.due };
                let after = match (stopped, &execution.state) {
                    (Some(name), _) => After::Stops(name),
                    (None, State::Failed(_)) => After::GivesUp,
                    (None, state) if state.is_end() => After::Ends,
                    (None, _) => After::Goes,
                };
                let waited = now.duration_since(self.now) > TIME_OUT;
                *self = Self { waited, ..Self::of(self.work.clone(), now) };
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
                format!("{orphan}{} of {}", execution.state.name(), execution.name)
            }
            Work::Event { event, .. } => format!("{orphan}{}", event.name()),
        }
    }
}

/// Whether the state looks at a deployment again and again.
fn follows(state: &State) -> bool {
    matches!(state, State::Follow(_) | State::Await(_) | State::StopDeployment(_))
}

/// The next look at a deployment: so late that few come before the deadline of a release.
fn later(now: Timestamp) -> Timestamp {
    now.saturating_add(LOOK).unwrap_or(now)
}

/// The fence that a step works under which was handed one; the others take theirs.
fn fence(state: &State) -> Option<Fence> {
    match state {
        State::Prepare(step)
        | State::Smoke(step)
        | State::Shift(step)
        | State::Judge(step)
        | State::Promote(step)
        | State::Follow(step)
        | State::StopDeployment(step) => Some(step.fence),
        State::Await(input) => Some(input.round.step.fence),
        _ => None,
    }
}

fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}
