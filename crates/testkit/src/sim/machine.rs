//! Executions of the state machines: started, going on with an answer, ended.

use perch_app::ports::PortError;
use perch_app::step::StepError;
use perch_core::names::ReleaseId;

use super::flight::Task;
use super::{Entry, Sim};
use crate::machines::{Answer, Execution, State};

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
        if !execution.state.is_end() {
            self.put(wait + 5, Entry::Enter(place));
        }
        if let Some(name) = stopped {
            self.stop(&name);
        }
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
