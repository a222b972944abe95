//! One of each port, and the situations that tests start from.

use std::sync::Arc;

use perch_app::ports::Route;
use perch_core::deployment::{GATES, HookKind, StageHook};
use perch_core::head::{Head, Ledger};
use perch_core::journal::{JournalEntry, What};
use perch_core::names::{ReleaseId, TargetName, Version};
use perch_core::pointer::ModelPointer;
use perch_core::release::Release;
use perch_core::target::{EcsService, Lambda, Target};
use perch_core::weight::Weight;

use crate::build::{at, digest, target};
use crate::calls::Calls;
use crate::deployments::MemoryDeployments;
use crate::executions::MemoryExecutions;
use crate::fleet::MemoryFleet;
use crate::lambda::{MemoryLambda, Published};
use crate::models::MemoryModels;
use crate::people::{MemorySlack, MemoryTopic};
use crate::registry::MemoryRegistry;
use crate::services::MemoryServices;
use crate::store::ArtifactItem;
use crate::store::MemoryStore;
use crate::uploads::MemoryUploads;
use crate::watching::{MemoryAlarms, MemoryMetrics};
use crate::web::MemoryWeb;

/// Everything that use cases reach through ports.
#[derive(Debug)]
pub struct World {
    /// The log of all port calls, and their failures.
    pub calls: Arc<Calls>,
    /// The table.
    pub store: MemoryStore,
    /// Lambda.
    pub lambda: MemoryLambda,
    /// What versions answered.
    pub metrics: MemoryMetrics,
    /// The alarms.
    pub alarms: MemoryAlarms,
    /// ECR.
    pub registry: MemoryRegistry,
    /// Model servers and their cache.
    pub fleet: MemoryFleet,
    /// The buckets of models.
    pub uploads: MemoryUploads,
    /// Buckets with every version of every object.
    pub models: MemoryModels,
    /// ECS services.
    pub services: MemoryServices,
    /// CodeDeploy, and the deployments of ECS.
    pub deployments: MemoryDeployments,
    /// Step Functions.
    pub executions: MemoryExecutions,
    /// The installation's topic.
    pub topic: MemoryTopic,
    /// Slack.
    pub slack: MemorySlack,
    /// Servers that answer over HTTP.
    pub web: MemoryWeb,
}

impl World {
    /// A world without targets and functions.
    pub fn empty() -> Self {
        let calls = Arc::default();
        Self {
            store: MemoryStore::new(&calls),
            lambda: MemoryLambda::new(&calls),
            metrics: MemoryMetrics::new(&calls),
            alarms: MemoryAlarms::new(&calls),
            registry: MemoryRegistry::new(&calls),
            fleet: MemoryFleet::new(&calls),
            uploads: MemoryUploads::new(&calls),
            models: MemoryModels::new(&calls),
            services: MemoryServices::new(&calls),
            deployments: MemoryDeployments::new(&calls),
            executions: MemoryExecutions::new(&calls),
            topic: MemoryTopic::new(&calls),
            slack: MemorySlack::new(&calls),
            web: MemoryWeb::new(&calls),
            calls,
        }
    }

    /// The world of the usual target.
    pub fn usual() -> Self {
        Self::with(&target().build())
    }

    /// A world where this target is applied and serves.
    pub fn with(target: &Target) -> Self {
        let world = Self::empty();
        world.add(target);
        world
    }

    /// A world where this release is under way, as its phase says.
    pub fn amid(release: &Release) -> Self {
        let target = target().named(release.target.as_str()).build();
        let world = Self::with(&target);
        world.place(release);
        world
    }

    /// A world in the same state that goes its own way from here, with an empty log of calls.
    pub fn fork(&self) -> Self {
        let calls = Arc::default();
        Self {
            store: self.store.fork(&calls),
            lambda: self.lambda.fork(&calls),
            metrics: self.metrics.fork(&calls),
            alarms: self.alarms.fork(&calls),
            registry: self.registry.fork(&calls),
            fleet: self.fleet.fork(&calls),
            uploads: self.uploads.fork(&calls),
            models: self.models.fork(&calls),
            services: self.services.fork(&calls),
            deployments: self.deployments.fork(&calls),
            executions: self.executions.fork(&calls),
            topic: self.topic.fork(&calls),
            slack: self.slack.fork(&calls),
            web: self.web.fork(&calls),
            calls,
        }
    }

    /// Applies the target; its function serves version 1 behind the alias, its guards are OK.
    pub fn add(&self, target: &Target) {
        crate::run(perch_app::ports::SaveTarget::save_target(&self.store, target, None, at(0)))
            .unwrap();
        if let Some(lambda) = &target.service.lambda {
            self.serve(target, lambda);
        }
        if let Some(service) = &target.service.ecs {
            self.services.start(service, &format!("registry/news@{}", digest('a')));
        }
        for guard in &target.guards {
            self.alarms.set(guard.as_str(), false);
        }
        self.calls.clear();
    }

    /// From now on deployments of the target's ECS service pause before each shift.
    pub fn pause(&self, target: &Target) {
        let service = target.service.ecs.as_ref().expect("it has an ECS service");
        let kind = HookKind::Pauses { minutes: 1440, goes_on: false };
        let hook = StageHook { kind, stages: GATES.map(str::to_owned).to_vec() };
        self.services.change(service, |running| running.hooks = vec![hook]);
        let name = service.service.to_string();
        self.deployments.change(|known| known.pausing.insert(name));
    }

    fn serve(&self, target: &Target, lambda: &Lambda) {
        self.lambda.change(|account| {
            let (is_image, code) = match target.sources.image {
                Some(_) => (true, digest('a').to_string()),
                None => (false, "s3://models/news/a.zip@1".to_owned()),
            };
            account.create_function(&lambda.function, is_image, &code);
            account.create_alias(&lambda.function, &lambda.alias, &"1".parse().unwrap());
        });
    }

    /// Puts the release, its journal, its head, its canary version and its alias in place.
    pub fn place(&self, release: &Release) {
        let mut release = release.clone();
        let lambda = release.plan.driver.alias().expect("a release of a function").clone();
        if let Some(canary) = &release.canary {
            self.lambda.change(|account| {
                let model = ModelPointer::to(&release.artifact);
                let code = match model {
                    Some(_) => account.functions[&lambda.function].code.clone(),
                    None => release.artifact.identity(),
                };
                account.update_code(&lambda.function, &code).unwrap();
                let function = account.functions.get_mut(&lambda.function).unwrap();
                function.model.clone_from(&model);
                let version = Published { code, model, state: Default::default() };
                function.versions.push(Some(version));
                assert_eq!(function.versions.len().to_string(), canary.as_str());
            });
            let route = serving(&release);
            if self.lambda.now(&lambda).route != route {
                self.lambda.move_alias(&lambda, &route);
            }
        }
        if let Some(alias) = release.ledger.as_mut().and_then(Ledger::alias_mut) {
            alias.revision = self.lambda.now(&lambda).revision;
        }
        self.record(&release);
    }

    fn record(&self, release: &Release) {
        let head = self.store.read(|items| items.heads.get(&release.target).cloned());
        let mut head = head.unwrap_or_else(|| Head::new(release.target.clone()));
        (head.fence, head.active) = (release.fence, Some(release.id.clone()));
        head.follow(release);
        let artifact = (release.target.clone(), release.artifact.identity());
        let outcome = release.phase.is_final().then(|| release.phase.name());
        self.store.change(|items| {
            items.heads.insert(release.target.clone(), head);
            items.artifacts.insert(artifact, ArtifactItem { release: release.id.clone(), outcome });
            items.releases.insert(release.id.clone(), release.clone());
            for seq in 1..=release.seq {
                let entry = filler(release, seq);
                items.journal.insert((release.id.clone(), seq), entry);
            }
        });
    }

    /// The head of a target, as it is now.
    ///
    /// # Panics
    /// When the target has none.
    pub fn head(&self, target: &TargetName) -> Head {
        self.store.read(|items| items.heads.get(target).cloned().expect("the target has a head"))
    }

    /// A release, as it is now.
    ///
    /// # Panics
    /// When there is none of this id.
    pub fn release(&self, id: &ReleaseId) -> Release {
        self.store.read(|items| items.releases.get(id).cloned().expect("the release exists"))
    }

    /// What happened to a release, oldest first.
    pub fn journal(&self, id: &ReleaseId) -> Vec<JournalEntry> {
        let of = |entry: &&JournalEntry| entry.release == *id;
        self.store.read(|items| items.journal.values().filter(of).cloned().collect())
    }

    /// Where the traffic of a target's images goes now.
    pub fn serves(&self, target: &Target) -> Option<Route> {
        if let Some(service) = &target.service.ecs {
            return Some(self.services.change(service, |running| as_route(running.split())));
        }
        Some(self.route(target.service.lambda.as_ref()?))
    }

    /// What the revisions of a service's task definition were built from, the first one is number 1.
    pub fn codes(&self, service: &EcsService) -> Vec<String> {
        let code = |image: &str| image.rsplit_once('@').map_or(image, |(_, code)| code).to_owned();
        self.services.read(|cluster| {
            let revisions = &cluster.services[service.service.as_str()].revisions;
            revisions.iter().map(|revision| code(&revision.image)).collect()
        })
    }

    /// Whether a revision of a service answers smoke tests otherwise than its team expects.
    pub fn is_unfit(&self, service: &EcsService, version: &Version) -> bool {
        let place = version.as_str().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let code = place.and_then(|place| self.codes(service).get(place).cloned());
        let unfit =
            |code| self.lambda.read(|a| a.unfit.contains(&(service.service.to_string(), code)));
        code.is_none_or(unfit)
    }

    /// Where an alias sends its traffic now.
    pub fn route(&self, lambda: &Lambda) -> Route {
        self.lambda.now(lambda).route
    }
}

/// The same in words of an alias.
fn as_route(split: &[(Version, Weight)]) -> Route {
    let alone = |version: &Version| Route::all_on(version);
    match split {
        [(version, _)] => alone(version),
        [(first, _), (second, weight), ..] => {
            Route { primary: first.clone(), split: Some((second.clone(), *weight)) }
        }
        [] => unreachable!("a service that runs has traffic"),
    }
}

/// The route of the alias while the release is in its phase, as last read back.
fn serving(release: &Release) -> Route {
    let (Some(ledger), Some(canary)) = (&release.ledger, &release.canary) else {
        unreachable!("a release with a canary has a ledger")
    };
    Route::at(ledger, canary, release.weight())
}

fn filler(release: &Release, seq: u64) -> JournalEntry {
    let what = if seq == 1 { What::ReleasePlanned } else { What::BakeJudged };
    JournalEntry {
        release: release.id.clone(),
        target: release.target.clone(),
        seq,
        at: release.started_at,
        what,
        cause: "placed by the test".to_owned(),
        evidence: None,
        smoke: Vec::new(),
        moment: None,
    }
}
