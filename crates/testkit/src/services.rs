//! ECS services in memory, with their task definitions and the split of their load balancer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use perch_app::ports::{
    PortError, ReadServices, RegisterTask, Registering, Revision, ServiceState, TaskDefinition,
};
use perch_core::deployment::StageHook;
use perch_core::head::TargetGroups;
use perch_core::judge::Health;
use perch_core::names::{EcsName, ReleaseId, Version};
use perch_core::target::EcsService;
use perch_core::weight::Weight;

use crate::calls::Calls;

/// ECS in memory.
#[derive(Debug)]
pub struct MemoryServices {
    calls: Arc<Calls>,
    cluster: Mutex<Arc<Cluster>>,
}

/// What ECS and the load balancer know.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// The services by name.
    pub services: BTreeMap<String, Running>,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Running {
    /// The revisions of its task definition, the first one is number 1.
    pub revisions: Vec<Registered>,
    /// Where the load balancer sent traffic, oldest first: revisions and their shares.
    pub splits: Vec<Vec<(Version, Weight)>>,
    /// How healthy the canary's targets are.
    pub health: Health,
    /// The hooks of its deployments.
    pub hooks: Vec<StageHook>,
}

/// A revision of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its image.
    pub image: String,
    /// The release that registered it.
    pub release: Option<ReleaseId>,
    /// Whether services can be brought to it.
    pub is_active: bool,
}

impl Running {
    /// The shares now.
    pub fn split(&self) -> &[(Version, Weight)] {
        self.splits.last().map_or(&[], Vec::as_slice)
    }

    /// The tasks of a new revision come behind the group that is free: the two change places each time.
    pub(crate) fn groups(&self) -> TargetGroups {
        let mut alone: Vec<&Version> =
            self.splits.iter().filter(|split| split.len() == 1).map(|split| &split[0].0).collect();
        alone.dedup();
        let [blue, green] = ["targetgroup/blue/1", "targetgroup/green/2"].map(str::to_owned);
        let (baseline, canary) = if alone.len() % 2 == 1 { (blue, green) } else { (green, blue) };
        TargetGroups { balancer: "app/news/1".to_owned(), baseline, canary }
    }

    /// Sends all or some of the traffic to a revision, the rest to another.
    pub fn send(&mut self, from: &Version, to: &Version, weight: Weight) {
        let rest = Weight::new(100 - weight.percent()).unwrap();
        let shares = [(from.clone(), rest), (to.clone(), weight)];
        let shares = shares.into_iter().filter(|(_, weight)| *weight > Weight::ZERO).collect();
        self.splits.push(shares);
    }
}

impl MemoryServices {
    /// No services.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), cluster: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), cluster: Mutex::new(self.cluster.lock().unwrap().clone()) }
    }

    pub(crate) fn share(&self) -> Arc<Cluster> {
        self.cluster.lock().unwrap().clone()
    }

    /// Looks at the cluster; not a port call.
    pub fn read<T>(&self, look: impl FnOnce(&Cluster) -> T) -> T {
        look(&self.cluster.lock().unwrap())
    }

    /// Changes a service as someone else might; not a port call.
    pub fn change<T>(&self, service: &EcsService, change: impl FnOnce(&mut Running) -> T) -> T {
        let mut cluster = self.cluster.lock().unwrap();
        let services = &mut Arc::make_mut(&mut cluster).services;
        change(services.get_mut(service.service.as_str()).expect("the service exists"))
    }

    /// Has a service look as if all traffic was where most of it is; not a port call.
    pub(crate) fn hide_split(&self, service: &str) {
        let mut cluster = self.cluster.lock().unwrap();
        let services = &mut Arc::make_mut(&mut cluster).services;
        let Some(running) = services.get_mut(service) else { return };
        let most = running.split().iter().max_by_key(|(_, weight)| *weight).cloned();
        running.splits.extend(most.map(|(version, _)| vec![(version, Weight::FULL)]));
    }

    /// Puts back what was changed; not a port call.
    pub(crate) fn put_back(&self, cluster: Cluster) {
        *self.cluster.lock().unwrap() = Arc::new(cluster);
    }

    /// Runs revision 1, from this image.
    pub fn start(&self, service: &EcsService, image: &str) {
        let first = Registered { image: image.to_owned(), release: None, is_active: true };
        let running = Running {
            revisions: vec![first],
            splits: vec![vec![("1".parse().unwrap(), Weight::FULL)]],
            health: Health { healthy: 2, of: 2 },
            hooks: Vec::new(),
        };
        let mut cluster = self.cluster.lock().unwrap();
        let services = &mut Arc::make_mut(&mut cluster).services;
        services.insert(service.service.to_string(), running);
    }

    fn look<T>(
        &self,
        service: &str,
        look: impl FnOnce(&Running) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let what = format!("service {service}");
        self.read(|cluster| match cluster.services.get(service) {
            Some(running) => look(running),
            None => Err(PortError::NotFound { what }),
        })
    }
}

fn name(text: &str) -> EcsName {
    text.parse().unwrap()
}

impl ReadServices for MemoryServices {
    async fn service(&self, service: &EcsService) -> Result<ServiceState, PortError> {
        let look = || {
            self.look(service.service.as_str(), |running| {
                Ok(ServiceState {
                    family: service.service.clone(),
                    shares: running.split().to_vec(),
                    foreign: None,
                    container: name("app"),
                    port: 8080,
                    groups: running.groups(),
                    hooks: running.hooks.clone(),
                })
            })
        };
        self.calls.port("service", look).await
    }

    async fn task_definition(
        &self,
        family: &EcsName,
        revision: Revision<'_>,
        _container: &EcsName,
    ) -> Result<TaskDefinition, PortError> {
        let look = || {
            self.look(family.as_str(), |running| {
                let number: usize = match revision {
                    Revision::Number(version) => version.as_str().parse().unwrap_or(0),
                    Revision::Newest => running.revisions.len(),
                };
                let found = number.checked_sub(1).and_then(|at| running.revisions.get(at));
                let what = format!("task definition {family}:{number}");
                let found = found.ok_or(PortError::NotFound { what })?;
                Ok(TaskDefinition {
                    revision: number.to_string().parse().unwrap(),
                    image: found.image.clone(),
                    is_active: found.is_active,
                    release: found.release.clone(),
                })
            })
        };
        self.calls.port("task_definition", look).await
    }

    async fn health(&self, service: &EcsService, _group: &str) -> Result<Health, PortError> {
        let look = || self.look(service.service.as_str(), |running| Ok(running.health));
        self.calls.port("health", look).await
    }
}

impl RegisterTask for MemoryServices {
    async fn register(&self, registering: Registering<'_>) -> Result<Version, PortError> {
        let register = || {
            let mut cluster = self.cluster.lock().unwrap();
            let services = &mut Arc::make_mut(&mut cluster).services;
            let what = format!("task definition {}", registering.family);
            let running = services
                .get_mut(registering.family.as_str())
                .ok_or(PortError::NotFound { what })?;
            running.revisions.push(Registered {
                image: format!("registry/{}", registering.image),
                release: Some(registering.release.clone()),
                is_active: true,
            });
            Ok(running.revisions.len().to_string().parse().unwrap())
        };
        self.calls.port("register_task_definition", register).await
    }
}
