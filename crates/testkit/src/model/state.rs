//! A state of the model, and the states that follow from it.

use std::sync::Arc;

use super::action::Action;
use super::bounds::Bounds;
use super::deployments;
use super::driven;
use super::event::Event;
use super::fingerprint::{self, Prints};
use super::rest;
use super::rules::{self, Broken, Ghost};
use super::task::{self, After, Task, Work};
use crate::calls::Fault;
use crate::world::World;

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
    /// Whether a deployment's move here differs from one before the last action.
    pub(super) moves_differ: bool,
    /// Calls that are made in passing.
    free: &'static [&'static str],
    pub(super) prints: Prints,
    print: u64,
}

impl State {
    /// The world, with its executions under way and everything else before it happened; these events may come, in any order, or never.
    pub fn new(world: World, events: Vec<Event>, bounds: Bounds) -> Self {
        for event in &events {
            if let Some(push) = event.pushed() {
                world.registry.push(push.artifact.clone(), push.pushed_at);
            }
        }
        let mut state = Self {
            free: task::free_beside(&events),
            prints: Prints::of(&world),
            world: Arc::new(world),
            tasks: Vec::new(),
            events: events.into_iter().map(|event| (Arc::new(event), false)).collect(),
            bounds,
            ghost: Ghost::default(),
            broken: Vec::new(),
            moves_differ: true,
            print: 0,
        };
        for release in rules::releases(&state.world) {
            state.ghost.effects.insert(release.artifact.identity(), 1);
            state.ghost.written = release.fence;
        }
        for started in state.world.executions.started() {
            state.tasks.push(Task::started(&started, crate::at(0)).seal());
        }
        state.print = fingerprint::of(&state, &state.prints);
        state
    }

    /// The same state, from which these events may come and other things may go wrong.
    pub fn with(mut self, events: Vec<Event>, bounds: Bounds) -> Self {
        self.free = task::free_beside(&events);
        self.events.extend(events.into_iter().map(|event| (Arc::new(event), false)));
        self.bounds = bounds;
        self.print = fingerprint::of(&self, &self.prints);
        self
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

    /// Whether nothing is under way, no deployment either. An orphan may be dead, so nobody waits for it.
    pub fn is_at_rest(&self) -> bool {
        self.tasks.iter().all(|task| task.orphan) && self.deployments_are_over()
    }

    /// What can happen next; nothing more once a promise is broken or the fence is at its bound.
    pub fn actions(&self, actions: &mut Vec<Action>) {
        let fence = rules::heads(&self.world).iter().map(|head| head.fence).max();
        if !self.broken.is_empty() || fence.is_some_and(|fence| fence > self.bounds.fences) {
            return;
        }
        for (place, (event, came)) in self.events.iter().enumerate() {
            if event.is_lost() || (event.waits_for_rest() && !self.is_at_rest()) {
                continue;
            }
            if !came {
                actions.push(Action::Deliver(place));
            } else if self.bounds.repeats > 0 && event.has_function() {
                actions.push(Action::DeliverAgain(place));
            }
        }
        self.moves(actions);
        for (place, task) in self.tasks.iter().enumerate() {
            if task.is_waiting_for_moves(&self.prints) {
                continue;
            }
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
            if self.bounds.kills > 0 && matches!(task.work, Work::Execution(_)) {
                actions.push(Action::Kill(place));
            }
            if self.bounds.orphans > 0 && !task.answers.is_empty() {
                actions.push(Action::Abandon(place));
            }
        }
    }

    /// The state after an action.
    pub fn after(&self, action: Action) -> Self {
        let mut next = self.clone();
        next.act(action);
        next.look(self);
        next
    }

    fn act(&mut self, action: Action) {
        self.moves_differ = matches!(action, Action::Move(_));
        match action {
            Action::Deliver(place) => self.deliver(place),
            Action::DeliverAgain(place) => {
                self.bounds.repeats -= 1;
                self.deliver(place)
            }
            Action::Call(place) => self.call(place, None, false),
            Action::Crash(place) => {
                self.bounds.crashes -= 1;
                self.call(place, None, true)
            }
            Action::Refuse(place) => {
                self.bounds.failures -= 1;
                self.call(place, Some(Fault::call(0)), false)
            }
            Action::LoseAnswer(place) => {
                self.bounds.failures -= 1;
                self.call(place, Some(Fault::call(0).after()), false)
            }
            Action::Move(place) => self.move_on(place),
            Action::Kill(place) => {
                self.bounds.kills -= 1;
                self.ghost.lost += 1;
                self.tasks.remove(place);
            }
            Action::Abandon(place) => {
                self.bounds.orphans -= 1;
                let orphan = self.tasks[place].orphaned().seal();
                self.tasks.push(orphan);
                let mut task = (*self.tasks[place]).clone();
                let after = task.dies();
                self.go_on(place, task, after);
            }
        }
    }

    /// Looks at what follows from `before` as a whole.
    fn look(&mut self, before: &Self) {
        if !self.prints.same_items(&before.prints) {
            self.broken.extend(rest::broken_always(self));
        }
        if !self.prints.same_items(&before.prints) || !self.prints.same_driven(&before.prints) {
            self.broken.extend(driven::broken_always(self));
        }
        if self.is_at_rest() {
            self.broken.extend(rest::broken_at_rest(self));
        }
        self.print = fingerprint::of(self, &self.prints);
    }

    /// An action of this state in words: whose, which call, and its answer.
    pub fn in_words(&self, action: Action) -> String {
        if let Action::Move(place) = action {
            return self.move_in_words(place);
        }
        let (Action::Deliver(place) | Action::DeliverAgain(place)) = action else {
            let (Action::Call(place)
            | Action::Crash(place)
            | Action::Refuse(place)
            | Action::LoseAnswer(place)
            | Action::Abandon(place)
            | Action::Kill(place)) = action
            else {
                unreachable!("an event was matched before")
            };
            let mut task = (*self.tasks[place]).clone();
            let known = task.answers.len();
            if !matches!(action, Action::Abandon(_) | Action::Kill(_)) {
                task.call(&self.world.fork(), self.free, None);
            }
            let calls = task.answers[known..].iter().map(|a| format!(": {} = {}", a.name, a.text));
            return task.name() + &calls.collect::<String>();
        };
        self.events[place].0.name()
    }

    fn deliver(&mut self, place: usize) {
        // What comes while a stop ends may be left for the sweep: a stop of all is another item.
        let stops = self.events.iter().any(|(event, _)| matches!(**event, Event::Stop(_)));
        let (event, came) = &mut self.events[place];
        *came = true;
        if event.waits_for_rest() {
            (self.ghost.lost, self.ghost.left, self.ghost.swept) = (0, false, true);
        } else {
            self.ghost.left |= stops;
        }
        let world = self.world.fork();
        if event.changes(&world) {
            self.moves_differ = true;
            match &**event {
                Event::Moved(lambda, _) => self.ghost.foreign = Some(world.route(lambda)),
                Event::Stopped(id) => self.ghost.foreign = world.deployments.returns_to(id),
                _ => {}
            }
            self.prints = Prints::of(&world);
            self.world = Arc::new(world);
        } else {
            self.tasks.push(Task::event(event, place).seal());
        }
    }

    fn call(&mut self, place: usize, fault: Option<Fault>, dies: bool) {
        let place = self.time_out_others(place);
        let world = self.world.fork();
        let mut task = (*self.tasks[place]).clone();
        let hidden = deployments::not_read_back(&world, &task);
        let (made, outcome) = task.call(&world, self.free, fault);
        if let Some(hidden) = hidden {
            world.services.put_back(hidden);
        }
        if let Some(name) = made {
            self.moves_differ |= deployments::meets_moves(name);
            rules::observe(self, &world, &mut task, name);
        }
        self.prints = self.prints.next(&self.world, &world);
        let known = self.world.executions.count();
        let started = world.executions.started_after(known);
        let known = self.world.deployments.share().made.len();
        self.world = Arc::new(world);
        let now = task.now;
        let (unwinds, then) = (task.unwinds(), task.now);
        let after = if dies { task.dies() } else { task.settle(outcome) };
        if unwinds && task.unwinds() && task.answers.is_empty() {
            self.waits_for_moves(&mut task, then);
        }
        self.go_on(place, task, after);
        for started in started {
            self.tasks.push(Task::started(&started, now).seal());
        }
        self.ask_hooks(known, now);
    }

    pub(super) fn go_on(&mut self, place: usize, task: Task, after: After) {
        self.tasks[place] = task.clone().seal();
        match after {
            After::Goes => {}
            After::Ends => drop(self.tasks.remove(place)),
            After::GivesUp => {
                // A hook that nobody answers is an answer, too.
                self.ghost.lost += u8::from(!deployments::is_hook(&task));
                self.tasks.remove(place);
            }
            After::Stops(name) => self.stop(&name),
        }
    }

    /// Stops the release's canary-deploy. A function that it waits for goes on all the same.
    fn stop(&mut self, name: &perch_core::names::ReleaseId) {
        self.tasks.retain(|task| !task.deploys(name) || !task.answers.is_empty());
        for task in self.tasks.iter_mut().filter(|task| task.deploys(name)) {
            *task = task.orphaned().seal();
        }
    }
}
