//! A state of the model, and the states that follow from it.

use std::sync::Arc;

use super::action::Action;
use super::event::Event;
use super::fingerprint::{self, Prints};
use super::rest;
use super::rules::{self, Broken, Ghost};
use super::task::{After, Task, Work};
use crate::calls::Fault;
use crate::machines::Execution;
use crate::world::World;

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Events that come again.
    pub repeats: u8,
    /// Functions that die, at any point between two calls.
    pub crashes: u8,
    /// Calls that are answered as unavailable, before or after their effect.
    pub failures: u8,
    /// Callers that give up on a function which goes on.
    pub orphans: u8,
}

/// A state of the model.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) world: Arc<World>,
    pub(super) tasks: Vec<Arc<Task>>,
    /// What may come, and whether it came.
    pub(super) events: Vec<(Arc<Event>, bool)>,
    pub(super) bounds: Bounds,
    pub(super) ghost: Ghost,
    pub(super) broken: Vec<Broken>,
    prints: Prints,
    print: u64,
}

impl State {
    /// The world before anything happened; these events may come, in any order, or never.
    pub fn new(world: World, events: Vec<Event>, bounds: Bounds) -> Self {
        let mut state = Self {
            prints: Prints::of(&world),
            world: Arc::new(world),
            tasks: Vec::new(),
            events: events.into_iter().map(|event| (Arc::new(event), false)).collect(),
            bounds,
            ghost: Ghost::default(),
            broken: Vec::new(),
            print: 0,
        };
        state.print = fingerprint::of(&state, &state.prints);
        state
    }

    /// The world as it is.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What tells this state from others.
    pub fn print(&self) -> u64 {
        self.print
    }

    /// The promises that are broken.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Whether nothing is under way. An orphan may be dead, so nobody waits for it.
    pub fn is_at_rest(&self) -> bool {
        self.tasks.iter().all(|task| task.orphan)
    }

    /// What can happen next; nothing more once a promise is broken.
    pub fn actions(&self, actions: &mut Vec<Action>) {
        if !self.broken.is_empty() {
            return;
        }
        for (place, (event, came)) in self.events.iter().enumerate() {
            if !came {
                actions.push(Action::Deliver(place));
            } else if self.bounds.repeats > 0 && event.has_function() {
                actions.push(Action::DeliverAgain(place));
            }
        }
        for (place, task) in self.tasks.iter().enumerate() {
            actions.push(Action::Call(place));
            if task.orphan {
                continue;
            }
            if self.bounds.crashes > 0 {
                actions.push(Action::Crash(place));
            }
            if self.bounds.failures > 0 {
                actions.extend([Action::Refuse(place), Action::LoseAnswer(place)]);
            }
            if self.bounds.orphans > 0 && !task.answers.is_empty() {
                actions.push(Action::Abandon(place));
            }
        }
    }

    /// The state after an action.
    pub fn after(&self, action: Action) -> Self {
        self.tell(action).0
    }

    /// The state after an action, and the task and call that it was, in words.
    pub fn tell(&self, action: Action) -> (Self, String) {
        let mut next = self.clone();
        let text = match action {
            Action::Deliver(place) => next.deliver(place),
            Action::DeliverAgain(place) => {
                next.bounds.repeats -= 1;
                next.deliver(place)
            }
            Action::Call(place) => next.call(place, None, false),
            Action::Crash(place) => {
                next.bounds.crashes -= 1;
                next.call(place, None, true)
            }
            Action::Refuse(place) => {
                next.bounds.failures -= 1;
                next.call(place, Some(Fault::call(0)), false)
            }
            Action::LoseAnswer(place) => {
                next.bounds.failures -= 1;
                next.call(place, Some(Fault::call(0).after()), false)
            }
            Action::Abandon(place) => {
                next.bounds.orphans -= 1;
                let orphan = Arc::new(next.tasks[place].orphaned());
                next.tasks.push(orphan);
                let mut task = (*next.tasks[place]).clone();
                let after = task.dies();
                next.go_on(place, task, after);
                next.tasks[place].name()
            }
        };
        next.broken.extend(rest::broken(&next));
        next.print = fingerprint::of(&next, &next.prints);
        (next, text)
    }

    fn deliver(&mut self, place: usize) -> String {
        let (event, came) = &mut self.events[place];
        *came = true;
        let world = self.world.fork();
        if event.changes(&world) {
            self.prints = Prints::of(&world);
            self.world = Arc::new(world);
        } else {
            self.tasks.push(Arc::new(Task::event(event, place)));
        }
        event.name()
    }

    fn call(&mut self, place: usize, fault: Option<Fault>, dies: bool) -> String {
        let world = self.world.fork();
        let mut task = (*self.tasks[place]).clone();
        let (made, outcome) = task.call(&world, fault);
        let text = match (made, task.answers.iter().rev().find(|a| Some(a.name) == made)) {
            (Some(name), Some(answer)) => format!("{}: {name} = {}", task.name(), answer.text),
            _ => task.name(),
        };
        if let Some(name) = made {
            rules::observe(self, &world, &mut task, name);
        }
        self.prints = self.prints.next(&self.world, &world);
        let known = self.world.executions.started().len();
        let started = world.executions.started_after(known);
        self.world = Arc::new(world);
        let now = task.now;
        let after = if dies { task.dies() } else { task.settle(outcome) };
        self.go_on(place, task, after);
        for started in started {
            let execution = Execution::of(&started, now);
            self.tasks.push(Arc::new(Task::of(Work::Execution(execution), now)));
        }
        text
    }

    fn go_on(&mut self, place: usize, task: Task, after: After) {
        self.tasks[place] = Arc::new(task);
        match after {
            After::Goes => {}
            After::Ends => drop(self.tasks.remove(place)),
            After::GivesUp => {
                self.ghost.given_up += 1;
                self.tasks.remove(place);
            }
            After::Stops(name) => self.stop(&name),
        }
    }

    /// Stops the release's canary-deploy. A function that it waits for goes on all the same.
    fn stop(&mut self, name: &perch_core::names::ReleaseId) {
        let is = |task: &Task| match &task.work {
            Work::Execution(execution) => {
                execution.is_canary_deploy() && execution.name == *name && !task.orphan
            }
            Work::Event { .. } => false,
        };
        self.tasks.retain(|task| !is(task) || !task.answers.is_empty());
        for task in self.tasks.iter_mut().filter(|task| is(task)) {
            *task = Arc::new(task.orphaned());
        }
    }
}
