//! The turns of functions in flight: the next call, what goes wrong at it, and what follows from
//! the outcome.

use std::collections::BTreeMap;

use perch_app::order::OrderError;
use perch_core::names::ReleaseId;

use super::breach::Breach;
use super::flight::{Event, Flight, Outcome, Task};
use super::ghosts::Changes;
use super::machine::died;
use super::mishap::Mishap;
use super::script::{When, Wish};
use super::{Entry, Sim, truth};

/// Lambda ends a function after this many milliseconds (`Timeout` in template.yaml).
const TIMEOUT: i64 = 30_000;

/// Lambda runs an event again after these waits in milliseconds, and gives up then (Developer
/// Guide, "How Lambda handles errors and retries with asynchronous invocation").
const EVENT_RETRIES: [i64; 2] = [60_000, 120_000];

impl Sim<'_> {
    /// The execution enters its state: the state's function starts.
    pub(super) fn enter(&mut self, place: usize) {
        if !self.executions[place].state.is_end() {
            self.invoke(Task::State(place));
        }
    }

    /// Starts a function.
    pub(super) fn invoke(&mut self, task: Task) {
        let execution = match task {
            Task::State(place) => Some(self.executions[place].clone()),
            Task::Event(..) | Task::Entry(_) | Task::Person(..) | Task::Sweep => None,
        };
        if let Task::Event(..) | Task::Entry(_) = task {
            self.report.deliveries += 1;
        }
        let now = self.stamp(self.clock + self.jump);
        let (mut flight, outcome) = Flight::start(&self.world, task, execution.as_ref(), now);
        flight.ends_by = self.clock + TIMEOUT;
        if let Some(outcome) = outcome {
            return self.land(flight, outcome);
        }
        self.numbers += 1;
        let number = self.numbers;
        self.flights.insert(number, flight);
        self.next_turn(number, 0);
    }

    fn next_turn(&mut self, number: u64, longer: i64) {
        let pace = self.dice.between(3, 60);
        self.put(pace + longer, Entry::Turn(number));
    }

    /// One call of a function, and what goes wrong at it.
    pub(super) fn turn(&mut self, number: u64) {
        let Some(mut flight) = self.flights.remove(&number) else {
            return;
        };
        if self.clock > flight.ends_by {
            return self.dies(flight, Mishap::TimedOut);
        }
        let in_flight = self.flights.len() as u64 + 1;
        self.report.contended += u64::from(in_flight > 1);
        self.report.most_in_flight = self.report.most_in_flight.max(in_flight);
        let mishap = self.mishap(flight.next_call);
        match mishap {
            Some(Mishap::DiesBefore) => return self.dies(flight, Mishap::DiesBefore),
            Some(Mishap::Abandoned) if matches!(flight.task, Task::State(_)) => {
                self.abandon(&mut flight);
            }
            Some(Mishap::Slow) => {
                self.count(Mishap::Slow);
                let longer = self.dice.between(1000, 28_000);
                self.flights.insert(number, flight);
                return self.next_turn(number, longer);
            }
            _ => {}
        }
        let outcome = self.call(&mut flight, mishap);
        match outcome {
            _ if mishap == Some(Mishap::DiesAfter) => self.dies(flight, Mishap::DiesAfter),
            Some(outcome) => self.land(flight, outcome),
            None => {
                self.flights.insert(number, flight);
                self.next_turn(number, 0);
            }
        }
    }

    fn mishap(&mut self, call: &str) -> Option<Mishap> {
        if !self.stormy() {
            return None;
        }
        if self.dice.once_in(self.script.weather.slow_one_in) {
            return Some(Mishap::Slow);
        }
        let left = self.script.weather.mishaps > 0;
        if left && self.dice.once_in(self.script.weather.mishap_one_in) {
            self.script.weather.mishaps -= 1;
            return Some(Mishap::roll(call, self.dice));
        }
        None
    }

    /// Makes the flight's call, with its effect unless the mishap is one before it.
    fn call(&mut self, flight: &mut Flight, mishap: Option<Mishap>) -> Option<Outcome> {
        let call = flight.next_call;
        if let Some(fault) = mishap.and_then(|mishap| mishap.fault(call)) {
            self.count(mishap.unwrap_or(Mishap::Refused));
            self.world.calls.clear();
            self.world.calls.inject(fault);
        }
        if ["request", "health"].contains(&call) {
            let blind = self.breach == Some(Breach::SmokeBlind);
            truth::tell_test_listeners(&self.world, &self.script, blind);
        }
        if ["versions", "alias_total", "buckets"].contains(&call) {
            let blind = self.breach == Some(Breach::JudgeBlind);
            truth::tell_metrics(&self.world, &self.script, &self.alone, self.clock, blind);
        }
        self.report.calls += 1;
        let undo = self.breach.map(|breach| breach.before(&self.world, flight));
        let outcome = flight.poll(&self.world);
        if let (Some(undo), Some(breach)) = (undo, self.breach) {
            undo.undo(&self.world);
            breach.after(&self.world, call);
        }
        self.note(|| match mishap {
            Some(mishap) => format!("{}: {call} [{}]", flight.name, mishap.text()),
            None => format!("{}: {call}", flight.name),
        });
        let changes = self.ghosts.after(call, flight, &self.world, &self.script);
        self.changed(changes);
        match call {
            "start" => self.adopt(),
            "announce" => self.adopt_uploads(),
            "end_wait" => self.waits_ended(),
            _ => {}
        }
        self.wake(|when, calls, _| matches!(when, When::Call(n) if *n <= calls));
        outcome
    }

    /// What follows from what a call changed.
    fn changed(&mut self, changes: Changes) {
        for broken in changes.broken {
            self.breaks(broken);
        }
        if changes.alias {
            self.traffic_moved();
        }
        for (release, phase) in changes.releases {
            self.outbox(&release);
            if let Some(phase) = phase {
                self.note(|| format!("{release} is {phase}"));
                *self.phases.entry(phase).or_default() += 1;
                self.wake(|when, _, phases| match when {
                    When::Phase(name, nth, _) => *name == phase && phases[phase] > *nth,
                    When::At(_) | When::Call(_) => false,
                });
            }
        }
    }

    /// Puts what waited for this moment on the agenda.
    fn wake(&mut self, is_due: impl Fn(&When, u64, &BTreeMap<&'static str, u32>) -> bool) {
        let due = |(when, _): &(When, _)| is_due(when, self.report.calls, &self.phases);
        if !self.waiting.iter().any(due) {
            return;
        }
        let (woken, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(when, _)| is_due(when, self.report.calls, &self.phases));
        self.waiting = waiting;
        let woken: Vec<(When, super::Deed)> = woken;
        for (when, deed) in woken {
            let after = if let When::Phase(_, _, later) = when { later } else { 0 };
            self.put(after, Entry::Happen(deed));
        }
    }

    fn abandon(&mut self, flight: &mut Flight) {
        self.count(Mishap::Abandoned);
        if let (Task::State(place), false) = (&flight.task, flight.detached) {
            flight.detached = true;
            self.go_on(*place, Err(died("the caller's connection broke")));
        }
    }

    fn dies(&mut self, flight: Flight, mishap: Mishap) {
        self.count(mishap);
        self.note(|| format!("{}: {}", flight.name, mishap.text()));
        let outcome = match &flight.task {
            Task::State(_) => Outcome::State(Err(died(mishap.text()))),
            Task::Event(Event::Stage(_), _) => Outcome::Stage(None),
            Task::Event(..) => Outcome::Event(Err(mishap.text().to_owned())),
            Task::Entry(_) => Outcome::Entry(false),
            // Nobody is left who could try again.
            Task::Person(..) => return,
            Task::Sweep => Outcome::Sweep,
        };
        self.land(flight, outcome);
    }

    fn count(&mut self, mishap: Mishap) {
        *self.report.mishaps.entry(mishap).or_default() += 1;
    }

    /// A function is done: hands its outcome to whoever waits for it.
    fn land(&mut self, flight: Flight, outcome: Outcome) {
        if flight.detached {
            return;
        }
        match (flight.task, outcome) {
            (Task::State(place), Outcome::State(answer)) => self.go_on(place, answer),
            (Task::Event(Event::Stage(stage), _), Outcome::Stage(answer)) => {
                self.stage_answered(stage, answer);
            }
            (Task::Event(event, failed), Outcome::Event(Err(error))) => {
                self.note(|| format!("{}: {error}", flight.name));
                let retry = usize::try_from(failed).ok().and_then(|n| EVENT_RETRIES.get(n));
                match retry {
                    Some(wait) => self.put(*wait, Entry::Invoke(Task::Event(event, failed + 1))),
                    // CodeDeploy waits an hour for an answer that nobody gives any more.
                    None if matches!(event, Event::Hook(_)) => {}
                    None => self.dead_letters.push(event),
                }
            }
            (Task::Entry(entry), Outcome::Entry(told)) => self.told(&entry, told),
            (Task::Person(target, wish, failed), Outcome::Person(done)) => match done {
                Ok(release) => self.accepted(wish, release),
                Err(OrderError::Port(_)) if failed < 3 => {
                    self.put(5000, Entry::Invoke(Task::Person(target, wish, failed + 1)));
                }
                Err(error) => self.note(|| format!("{}: {error}", flight.name)),
            },
            _ => {}
        }
    }

    /// A person's order was taken.
    fn accepted(&mut self, wish: Wish, release: Option<ReleaseId>) {
        let Some(release) = release.filter(|_| wish == Wish::RollBack) else {
            return;
        };
        if !self.world.release(&release).phase.is_over() {
            self.ghosts.doomed.entry(release).or_insert("a person aborted it".to_owned());
        }
    }
}
