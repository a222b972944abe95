//! Executions of the state machines: started, going on with an answer, ended.

use perch_app::ports::PortError;
use perch_app::step::StepError;
use perch_core::names::ReleaseId;

use super::flight::Task;
use super::{Entry, Sim, Woken};
use crate::machines::{Answer, Execution, State, WAIT_SECONDS};

impl Sim<'_> {
    /// Takes up executions that were started.
    pub(super) fn adopt(&mut self) {
        for started in self.world.executions.started_after(self.adopted) {
            self.adopted += 1;
            let place = self.executions.len();
            self.executions.push(Execution::of(&started, self.time()));
            let after = self.dice.between(10, 200);
            self.put(after, Entry::Enter(place));
        }
    }

    /// An execution goes on with the answer of its state.
    pub(super) fn go_on(&mut self, place: usize, answer: Result<Answer, StepError>) {
        let now = self.time();
        if self.executions[place].state.is_end() {
            return;
        }
        if let Err(error) = &answer {
            let text = format!("{} failed: {error}", self.executions[place].name);
            self.note(|| text);
        }
        let stopped = self.executions[place].take(answer, now);
        let execution = &self.executions[place];
        let mut wait = execution.due.as_millisecond() - now.as_millisecond();
        // `JitterStrategy: FULL`
        if execution.tries_again() {
            wait = self.dice.between(0, wait);
        }
        let token = execution.token().map(str::to_owned);
        match (&execution.state, token) {
            // It goes on with the token, or with the time limit that began with the wait.
            (State::Waits(_), _) => {}
            (state, _) if state.is_end() => {}
            (State::Await(_), Some(token)) => {
                self.put(wait + 5, Entry::Enter(place));
                self.put(1000 * WAIT_SECONDS, Entry::Wake(place, token, Woken::ByTimeLimit));
            }
            _ => self.put(wait + 5, Entry::Enter(place)),
        }
        if let Some(name) = stopped {
            self.stop(&name);
        }
    }

    /// Takes up waits that a token has ended. One that is over already is no concern of anybody.
    pub(super) fn waits_ended(&mut self) {
        for token in self.world.executions.ended_after(self.ended) {
            self.ended += 1;
            let waits = |execution: &Execution| execution.token() == Some(token.as_str());
            if let Some(place) = self.executions.iter().position(waits) {
                let after = self.dice.between(10, 200);
                self.put(after, Entry::Wake(place, token, Woken::ByEvent));
            }
        }
    }

    /// The wait of an execution under this token ends; a function that keeps the token goes on.
    pub(super) fn wake_up(&mut self, place: usize, token: &str, by: Woken) {
        if self.executions[place].token() != Some(token) {
            return;
        }
        let name = self.executions[place].name.clone();
        self.note(|| format!("{name} waits no longer: {by:?}"));
        *self.report.waits.entry(by).or_default() += 1;
        for flight in self.flights.values_mut() {
            flight.detached |= matches!(flight.task, Task::State(of) if of == place);
        }
        let now = self.time();
        self.executions[place].wake(now);
        self.put(5, Entry::Enter(place));
    }

    /// Stops a canary-deploy; a function that it waits for goes on.
    fn stop(&mut self, name: &ReleaseId) {
        let running = self.executions.iter().enumerate();
        let stopped: Vec<usize> = running
            .filter(|(_, e)| e.is_canary_deploy() && !e.state.is_end() && e.name == *name)
            .map(|(place, _)| place)
            .collect();
        for place in stopped {
            self.end(place);
        }
    }

    /// Ends an execution; a function that it waits for goes on.
    pub(super) fn end(&mut self, place: usize) {
        self.executions[place].state = State::Stopped;
        for flight in self.flights.values_mut() {
            flight.detached |= matches!(flight.task, Task::State(of) if of == place);
        }
    }
}

/// The error of a function that did not answer.
pub(super) fn died(why: &str) -> StepError {
    let what = "the function's answer".to_owned();
    PortError::Unavailable { what, source: why.to_owned().into() }.into()
}
