//! CodeDeploy in memory: deployments that move an alias as time goes by, one at a time in a group.
//!
//! It moves the alias without looking at its revision, as a service of its own does, and a rollback is a
//! deployment with an id of its own that takes a while.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use perch_app::ports::{
    Deploy, Deploying, DeploymentState, PortError, Progress, ReadDeployments, Route, StopDeployment,
};
use perch_core::deployment::Schedule;
use perch_core::names::{DeploymentId, ReleaseId, Version};
use perch_core::target::{CodeDeploy, Lambda};
use perch_core::weight::Weight;

use crate::calls::Calls;
use crate::lambda::MemoryLambda;

/// Seconds that a rollback takes.
const ROLLBACK_SECONDS: u64 = 5;

/// CodeDeploy in memory.
#[derive(Debug)]
pub struct MemoryDeployments {
    calls: Arc<Calls>,
    service: Mutex<Arc<Service>>,
}

/// What CodeDeploy knows.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// Every deployment so far, oldest first.
    pub made: Vec<Made>,
    now: Timestamp,
}

/// A deployment.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its id.
    pub id: DeploymentId,
    /// The release that its description names.
    pub release: Option<ReleaseId>,
    /// How far it is.
    pub progress: Progress,
    /// The deployment that takes it back.
    pub rollback: Option<DeploymentId>,
    group: CodeDeploy,
    lambda: Lambda,
    from: Version,
    to: Version,
    schedule: Schedule,
    started: Timestamp,
    /// How long it takes before it does anything.
    delay: Duration,
    reached: Weight,
}

impl MemoryDeployments {
    /// No deployments yet.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), service: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), service: Mutex::new(self.service.lock().unwrap().clone()) }
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

    /// Time passes: deployments move what is due. A minute is 60 s.
    pub fn pass(&self, lambda: &MemoryLambda, now: Timestamp) {
        let idle =
            self.read(|service| service.made.iter().all(|made| made.progress != Progress::Running));
        if idle {
            self.change(|service| service.now = service.now.max(now));
            return;
        }
        self.change(|service| {
            service.now = service.now.max(now);
            for made in &mut service.made {
                made.pass(lambda, now);
            }
        });
    }
}

impl Made {
    fn pass(&mut self, lambda: &MemoryLambda, now: Timestamp) {
        let ran = Duration::try_from(now.duration_since(self.started)).unwrap_or_default();
        if self.progress != Progress::Running || ran < self.delay {
            return;
        }
        let weight = self.schedule.weight_at((ran - self.delay).as_secs() / 60);
        if weight > self.reached {
            self.reached = weight;
            let route = match weight {
                Weight::FULL => Route::all_on(&self.to),
                weight => {
                    Route { primary: self.from.clone(), split: Some((self.to.clone(), weight)) }
                }
            };
            lambda.move_alias(&self.lambda, &route);
        }
        if weight == Weight::FULL {
            self.progress = Progress::Succeeded;
        }
    }

    fn state(&self) -> DeploymentState {
        DeploymentState {
            id: self.id.clone(),
            release: self.release.clone(),
            progress: self.progress.clone(),
            is_rollback: !self.delay.is_zero(),
            rollback: self.rollback.clone(),
        }
    }
}

impl Service {
    fn create(&mut self, of: Deploying<'_>) -> Result<DeploymentId, PortError> {
        if let Some(busy) = self.under_way(of.group) {
            return Err(PortError::Conflict {
                what: of.group.to_string(),
                expected: "no deployment".to_owned(),
                found: busy.id.to_string(),
            });
        }
        let id: DeploymentId = format!("d-{}", self.made.len() + 1).parse().unwrap();
        self.made.push(Made {
            id: id.clone(),
            release: Some(of.release.clone()),
            progress: Progress::Running,
            rollback: None,
            group: of.group.clone(),
            lambda: of.lambda.clone(),
            from: of.from.clone(),
            to: of.to.clone(),
            schedule: of.schedule,
            started: self.now,
            delay: Duration::ZERO,
            reached: Weight::ZERO,
        });
        Ok(id)
    }

    fn under_way(&self, group: &CodeDeploy) -> Option<&Made> {
        let busy = |made: &&Made| made.progress == Progress::Running && same(&made.group, group);
        self.made.iter().find(busy)
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
            rollback: None,
            schedule: Schedule::AllAtOnce,
            started: now,
            delay: Duration::from_secs(ROLLBACK_SECONDS),
            reached: Weight::ZERO,
            from,
            to,
            ..made.clone()
        };
        self.made.push(back);
    }
}

/// Targets may name a group with different rules.
fn same(one: &CodeDeploy, other: &CodeDeploy) -> bool {
    one.application == other.application && one.deployment_group == other.deployment_group
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
                service.made.iter().find(|made| made.id == *id).map(Made::state)
            };
            self.read(found).ok_or_else(|| PortError::NotFound { what: format!("deployment {id}") })
        };
        self.calls.port("deployment", look).await
    }

    async fn find(
        &self,
        group: &CodeDeploy,
        release: &ReleaseId,
        _since: Timestamp,
    ) -> Result<Option<DeploymentState>, PortError> {
        let of = |made: &&Made| same(&made.group, group) && made.release.as_ref() == Some(release);
        let look = || Ok(self.read(|service| service.made.iter().find(of).map(Made::state)));
        self.calls.port("find_deployment", look).await
    }

    async fn under_way(&self, group: &CodeDeploy) -> Result<Option<DeploymentState>, PortError> {
        let look = || Ok(self.read(|service| service.under_way(group).map(Made::state)));
        self.calls.port("deployment_under_way", look).await
    }
}

impl StopDeployment for MemoryDeployments {
    async fn stop(&self, id: &DeploymentId) -> Result<(), PortError> {
        let stop = || {
            self.change(|service| service.stop(id, &format!("deployment {id} was stopped")));
            Ok(())
        };
        self.calls.port("stop_deployment", stop).await
    }
}
