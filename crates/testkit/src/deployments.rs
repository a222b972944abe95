//! CodeDeploy and ECS in memory: deployments that move an alias or a service as time goes by, one at a
//! time in a group.
//!
//! It moves the alias without looking at its revision, as a service of its own does, and a rollback is a
//! deployment with an id of its own that takes a while.

mod made;
mod others;
mod pausing;
mod untimed;

pub use made::{Hooked, Made};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use perch_app::deployment::hook::{Answer, Hook};
use perch_app::ports::{
    AnswerHook, ContinueDeployment, Deploy, Deploying, DeploymentState, Pause, Platform, PortError,
    Progress, ReadDeployments, StopDeployment,
};
use perch_core::deployment::{Purpose, Rollback, Schedule};
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
    /// Those that were told to stop and did not.
    forgotten: BTreeSet<DeploymentId>,
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
            forgotten: BTreeSet::new(),
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
        let asks = of.is_tested && self.mutation != Some(Mutation::HookSkipped);
        let pauses = match of.mover {
            Mover::Ecs(service) => self.pausing.contains(service.service.as_str()),
            Mover::CodeDeploy(_) => false,
        };
        let pauses = pauses && of.purpose == Purpose::Canary;
        self.made.push(Made {
            id: id.clone(),
            release: Some(of.release.clone()),
            progress: Progress::Running,
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
        if self.mutation == Some(Mutation::StopForgotten) {
            self.forgotten.insert(id.clone());
            return;
        }
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

impl Deploy for MemoryDeployments {
    async fn create(&self, deploying: Deploying<'_>) -> Result<DeploymentId, PortError> {
        let create = || self.change(|service| service.create(deploying));
        self.calls.port("create_deployment", create).await
    }
}

impl ReadDeployments for MemoryDeployments {
    async fn deployment(&self, id: &DeploymentId) -> Result<DeploymentState, PortError> {
        let look = || {
            let found = |service: &Service| {
                let made = service.made.iter().find(|made| made.id == *id)?;
                let why = format!("deployment {id} was stopped");
                let over = service.forgotten.contains(id).then_some(Progress::Over { why });
                let state = made.state();
                Some(DeploymentState { progress: over.unwrap_or(state.progress), ..state })
            };
            self.read(found).ok_or_else(|| PortError::NotFound { what: format!("deployment {id}") })
        };
        self.calls.port("deployment", look).await
    }

    async fn find(
        &self,
        deploying: &Deploying<'_>,
        _since: Timestamp,
    ) -> Result<Option<DeploymentState>, PortError> {
        let name = deploying.mover.to_string();
        let of = |made: &&Made| {
            made.mover == name
                && made.purpose == deploying.purpose
                && made.release.as_ref() == Some(deploying.release)
        };
        let gone = || PortError::NotFound { what: name.clone() };
        let look = || {
            self.read(|service| {
                let is_hidden = service.mutation == Some(Mutation::DeploymentsHidden);
                let found = service.made.iter().find(of).filter(|_| !is_hidden).map(Made::state);
                service.groups.map(|_| found)
            })
            .ok_or_else(gone)
        };
        self.calls.port("find_deployment", look).await
    }

    async fn under_way(&self, mover: Mover<'_>) -> Result<Option<DeploymentState>, PortError> {
        let look = || {
            let gone = || PortError::NotFound { what: mover.to_string() };
            self.read(|service| service.groups.map(|_| service.under_way(mover).map(Made::state)))
                .ok_or_else(gone)
        };
        self.calls.port("deployment_under_way", look).await
    }
}

impl AnswerHook for MemoryDeployments {
    async fn answer(&self, hook: &Hook, answer: Answer) -> Result<(), PortError> {
        let put = || {
            self.change(|service| {
                let now = service.now;
                let asked = service.made.iter_mut().find(|made| made.id == hook.deployment);
                match (asked, answer) {
                    (Some(made), Answer::Succeeded) if made.hook == Hooked::Asked => {
                        made.hook = Hooked::Passed(now);
                    }
                    (Some(made), Answer::Failed) if made.hook == Hooked::Asked => {
                        let id = made.id.clone();
                        service.stop(&id, &format!("a hook of deployment {id} failed"));
                    }
                    _ => {}
                }
            });
            Ok(())
        };
        self.calls.port("answer_hook", put).await
    }
}

impl ContinueDeployment for MemoryDeployments {
    async fn go_on(&self, id: &DeploymentId, pause: &Pause) -> Result<(), PortError> {
        let go_on = || {
            self.change(|service| {
                let made = service.made.iter_mut().find(|made| made.id == *id);
                let running = made.filter(|made| made.progress == Progress::Running);
                let pausing = running.and_then(|made| made.pausing.as_mut());
                service.continued = pausing.is_some_and(|pausing| pausing.go_on(pause));
            });
            Ok(())
        };
        self.calls.port("continue_deployment", go_on).await
    }
}

impl StopDeployment for MemoryDeployments {
    async fn stop(&self, id: &DeploymentId, rollback: Rollback) -> Result<(), PortError> {
        let why = format!("deployment {id} was stopped");
        let stop = || {
            self.change(|service| match rollback {
                Rollback::ToBaseline => {
                    service.stop(id, &why);
                    Ok(())
                }
                Rollback::LeaveAsFound if service.is_native(id) => {
                    let message = "ECS stops its deployments with rollback alone".to_owned();
                    Err(PortError::Invalid { what: format!("deployment {id}"), message })
                }
                Rollback::LeaveAsFound => {
                    service.end(id, &why);
                    Ok(())
                }
            })
        };
        self.calls.port("stop_deployment", stop).await
    }
}
