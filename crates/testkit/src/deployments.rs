//! CodeDeploy and ECS in memory: deployments that move an alias or a service as time goes by, one at a
//! time in a group.
//!
//! It moves the alias without looking at its revision, as a service of its own does, and a rollback is a
//! deployment with an id of its own that takes a while.

mod made;
mod others;
mod pausing;
mod ports;
mod untimed;

pub use made::{Hooked, Made};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use perch_app::ports::{Deploying, Platform, PortError, Progress};
use perch_core::deployment::{Purpose, Schedule};
use perch_core::head::Snapshot;
use perch_core::names::DeploymentId;
use perch_core::release::Mover;
use perch_core::weight::Weight;

use self::made::Moves;
use self::pausing::Pausing;
use crate::calls::Calls;
use crate::lambda::MemoryLambda;
use crate::mutation::Mutation;
use crate::services::MemoryServices;

/// Seconds that a rollback takes.
const ROLLBACK_SECONDS: u64 = 5;

/// CodeDeploy in memory.
#[derive(Debug)]
pub struct MemoryDeployments {
    calls: Arc<Calls>,
    service: Mutex<Arc<Service>>,
}

/// What CodeDeploy knows.
#[derive(Debug, Clone)]
pub struct Service {
    /// What it leaves out, to see it found.
    pub mutation: Option<Mutation>,
    /// Every deployment so far, oldest first.
    pub made: Vec<Made>,
    /// What its groups deploy to; nothing where they were deleted.
    pub groups: Option<Platform>,
    /// The ECS services with hooks that pause, by name.
    pub pausing: BTreeSet<String>,
    /// Whether the last call to continue one has ended a pause.
    pub continued: bool,
    now: Timestamp,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            mutation: None,
            made: Vec::new(),
            groups: Some(Platform::Lambda),
            pausing: BTreeSet::new(),
            continued: false,
            now: Timestamp::default(),
        }
    }
}

impl MemoryDeployments {
    /// No deployments yet.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), service: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), service: Mutex::new(self.service.lock().unwrap().clone()) }
    }

    pub(crate) fn share(&self) -> Arc<Service> {
        self.service.lock().unwrap().clone()
    }

    /// Looks at the service; not a port call.
    pub fn read<T>(&self, look: impl FnOnce(&Service) -> T) -> T {
        look(&self.service.lock().unwrap())
    }

    /// Changes the service as someone else might; not a port call.
    pub fn change<T>(&self, change: impl FnOnce(&mut Service) -> T) -> T {
        change(Arc::make_mut(&mut self.service.lock().unwrap()))
    }

    /// Makes a deployment as someone else might.
    pub fn make(&self, deploying: Deploying<'_>) -> DeploymentId {
        self.change(|service| {
            let id = service.create(deploying).expect("the group is free");
            service.made.last_mut().expect("it was made").release = None;
            id
        })
    }

    /// Time passes: deployments move what is due, and these did. A minute is 60 s.
    pub fn pass(
        &self,
        (lambda, services): (&MemoryLambda, &MemoryServices),
        now: Timestamp,
    ) -> Vec<DeploymentId> {
        let idle =
            self.read(|service| service.made.iter().all(|made| made.progress != Progress::Running));
        if idle {
            self.change(|service| service.now = service.now.max(now));
            return Vec::new();
        }
        self.change(|service| {
            service.now = service.now.max(now);
            service.give_up_hooks();
            let mut moved = Vec::new();
            for made in &mut service.made {
                if made.pass((lambda, services), now) {
                    moved.push(made.id.clone());
                }
            }
            moved
        })
    }
}

impl Service {
    fn create(&mut self, of: Deploying<'_>) -> Result<DeploymentId, PortError> {
        if self.groups.is_none() {
            return Err(PortError::NotFound { what: of.mover.to_string() });
        }
        if let Some(busy) = self.under_way(of.mover) {
            return Err(PortError::Conflict {
                what: of.mover.to_string(),
                expected: "no deployment".to_owned(),
                found: busy.id.to_string(),
            });
        }
        let id: DeploymentId = format!("d-{}", self.made.len() + 1).parse().unwrap();
        let pauses = match of.mover {
            Mover::Ecs(service) => self.pausing.contains(service.service.as_str()),
            Mover::CodeDeploy(_) => false,
        };
        let pauses = pauses && of.purpose == Purpose::Canary;
        let asks = of.is_tested && self.mutation != Some(Mutation::HookSkipped);
        self.made.push(Made {
            id: id.clone(),
            release: Some(of.release.clone()),
            progress: Progress::Running,
            goes_back: None,
            rollback: None,
            purpose: of.purpose,
            hook: if asks && !pauses { Hooked::Asked } else { Hooked::Not },
            pausing: pauses.then(|| Pausing::from(self.now)),
            mover: of.mover.to_string(),
            moves: match of.snapshot {
                Snapshot::Alias(alias) => Moves::Alias(alias.lambda.clone()),
                Snapshot::Service(of) => Moves::Service(of.service.clone()),
                Snapshot::Servers(_) => unreachable!("nothing deploys to model servers"),
            },
            from: of.from.clone(),
            to: of.to.clone(),
            schedule: of.schedule,
            started: self.now,
            delay: Duration::ZERO,
            reached: Weight::ZERO,
            full_at: None,
        });
        Ok(id)
    }

    fn under_way(&self, mover: Mover<'_>) -> Option<&Made> {
        let name = mover.to_string();
        let busy = |made: &&Made| made.progress == Progress::Running && made.mover == name;
        self.made.iter().find(busy)
    }

    /// The deployments whose hooks wait for their answer.
    pub fn asked(&self) -> impl Iterator<Item = &Made> {
        let asked = |made: &&Made| made.hook == Hooked::Asked && made.progress == Progress::Running;
        self.made.iter().filter(asked)
    }

    fn is_native(&self, id: &DeploymentId) -> bool {
        self.made.iter().any(|made| made.id == *id && made.native().is_some())
    }

    /// Ends a deployment, and leaves the traffic where it is.
    pub fn end(&mut self, id: &DeploymentId, why: &str) {
        let running = |made: &&mut Made| made.id == *id && made.progress == Progress::Running;
        if let Some(made) = self.made.iter_mut().find(running) {
            made.progress = Progress::Over { why: why.to_owned() };
        }
    }

    /// Ends a deployment; another one takes it back.
    pub fn stop(&mut self, id: &DeploymentId, why: &str) {
        let next: DeploymentId = format!("d-{}", self.made.len() + 1).parse().unwrap();
        let now = self.now;
        let Some(made) = self.made.iter_mut().find(|made| made.id == *id) else { return };
        if made.progress != Progress::Running {
            return;
        }
        made.progress = Progress::Over { why: why.to_owned() };
        made.rollback = Some(next.clone());
        let (from, to) = (made.to.clone(), made.from.clone());
        let back = Made {
            id: next,
            release: None,
            progress: Progress::Running,
            goes_back: None,
            rollback: None,
            hook: Hooked::Not,
            pausing: None,
            schedule: Schedule::AllAtOnce,
            started: now,
            delay: Duration::from_secs(ROLLBACK_SECONDS),
            reached: Weight::ZERO,
            full_at: None,
            from,
            to,
            ..made.clone()
        };
        self.made.push(back);
    }
}
