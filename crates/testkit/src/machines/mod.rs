//! The two state machines over the in-memory world, with a manual clock.
//!
//! Executions run one state at a time, the earliest due first, so a run is the same every time and a
//! test can come between any two states. Routing, retries and catches are those of
//! `statemachines/*.asl.json`; only the jitter of their waits is left out.

mod execution;
mod follow;
mod reload;
mod route;
mod state;

use jiff::{SignedDuration, Timestamp};
use perch_app::deployment::hook::{self, Hook};
use perch_core::names::ReleaseId;

pub use execution::Execution;
pub(crate) use execution::{Answer, WAIT_SECONDS};
pub use state::State;

use crate::deployments::Made;
use crate::world::World;

/// An asynchronous call is tried twice more (Lambda Developer Guide, "How Lambda handles errors and
/// retries with asynchronous invocation").
const HOOK_ATTEMPTS: usize = 3;

/// More states than any run of a test needs: a run that goes on beyond is a defect.
const STATES: usize = 20_000;

/// The executions of a world and the clock that they share.
#[derive(Debug, Clone)]
pub struct Machines {
    now: Timestamp,
    adopted: usize,
    twice: bool,
    executions: Vec<Execution>,
}

impl Machines {
    /// No executions yet; the clock stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now, adopted: 0, twice: false, executions: Vec::new() }
    }

    /// Every function runs twice, as after an answer that was lost; the second answer counts.
    pub fn delivering_twice(self) -> Self {
        Self { twice: true, ..self }
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Every execution so far, in the order of their start.
    pub fn executions(&self) -> &[Execution] {
        &self.executions
    }

    /// Whether no execution runs any more.
    pub fn are_done(&self) -> bool {
        self.executions.iter().all(|execution| execution.state.is_end())
    }

    /// Takes up executions that were started, then runs one state of the one that is due first;
    /// whether there was one.
    pub async fn step(&mut self, world: &World) -> bool {
        self.adopt(world);
        for execution in &mut self.executions {
            let ended = |token: &str| world.executions.is_ended(token);
            if execution.token().is_some_and(ended) {
                execution.wake(self.now);
            }
        }
        let running = self.executions.iter().enumerate().filter(|(_, e)| !e.state.is_end());
        let Some((place, due)) = running.map(|(i, e)| (i, e.due)).min_by_key(|(i, due)| (*due, *i))
        else {
            return false;
        };
        self.now = self.now.max(due);
        world.deployments.pass((&world.lambda, &world.services), self.now);
        self.answer_hooks(world).await;
        let mut execution = self.executions[place].clone();
        let stopped = execution.run_state(world, self.now, self.twice).await;
        self.executions[place] = execution;
        if let Some(name) = stopped {
            self.stop_canary_deploy(&name);
        }
        self.adopt(world);
        true
    }

    /// Runs until nothing runs any more.
    ///
    /// # Panics
    /// When that takes more states than any release needs.
    pub async fn run(&mut self, world: &World) {
        self.run_until(world, |_| false).await;
    }

    /// Runs until something holds, or nothing runs any more; whether it holds.
    ///
    /// # Panics
    /// When that takes more states than any release needs.
    pub async fn run_until(&mut self, world: &World, holds: impl Fn(&World) -> bool) -> bool {
        for _ in 0..STATES {
            if holds(world) {
                return true;
            }
            if !self.step(world).await {
                return false;
            }
        }
        panic!("still running after {STATES} states: {:?}", self.executions);
    }

    /// Moves the clock on without running anything.
    pub fn wait(&mut self, seconds: i64) {
        self.now = self.now.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    /// Loses the executions of this name, as when somebody stops them or Step Functions gives up: they
    /// run no further, and nothing catches that.
    pub fn lose(&mut self, name: &ReleaseId) {
        for execution in &mut self.executions {
            if execution.name == *name && !execution.state.is_end() {
                execution.state = State::Stopped;
            }
        }
    }

    /// Hooks of deployments are asked as soon as there is something to test; CodeDeploy asks once, and
    /// Lambda tries a call that failed again.
    async fn answer_hooks(&self, world: &World) {
        let asked = world.deployments.read(|service| {
            let hook = |made: &Made| Hook {
                deployment: made.id.clone(),
                execution: format!("hook-of-{}", made.id),
            };
            service.asked().map(hook).collect::<Vec<Hook>>()
        });
        for asked in asked {
            let World { store, deployments, lambda, web, .. } = world;
            for _ in 0..HOOK_ATTEMPTS {
                let clock = || self.now;
                if hook::run(store, deployments, (lambda, web), &asked, clock).await.is_ok() {
                    break;
                }
            }
        }
    }

    fn adopt(&mut self, world: &World) {
        for started in world.executions.started_after(self.adopted) {
            self.adopted += 1;
            self.executions.push(Execution::of(&started, self.now));
        }
    }

    fn stop_canary_deploy(&mut self, name: &ReleaseId) {
        for execution in &mut self.executions {
            if execution.is_canary_deploy() && execution.name == *name && !execution.state.is_end()
            {
                execution.state = State::Stopped;
            }
        }
    }
}
