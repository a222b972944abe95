//! A model and its servers: so many replicas with a cache in front, an upload, and what came of it.

use perch_app::announce::{Announcement, Answer, run as announced};
use perch_app::ports::SaveTarget;
use perch_core::artifact::Artifact;
use perch_core::journal::{Severity, What};
use perch_core::judge::sequential::{Bucket, Counts};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;
use serde_json::{Value, json};

use crate::build::at;
use crate::machines::Machines;
use crate::uploads;
use crate::world::World;

/// A target with model servers only; its first step is a quarter for two minutes.
pub fn target(changes: &[(&str, Value)]) -> Target {
    let mut json = json!({
        "apiVersion": "perch/v1", "kind": "Target", "name": "news",
        "service": { "modelServers": {
            "protocol": "perch", "model": "news",
            "replicas": { "static": ["http://r00"] },
            "batch": 2, "maxConcurrency": 2, "complete": "all", "replicaTimeout": "1m",
        } },
        "sources": { "model": { "bucket": "models", "prefix": "news" } },
        "rollout": { "steps": [{ "weight": "25%", "bake": "2m" }] },
        "judge": { "rule": "thresholds", "metrics": { "namespace": "News" } },
        "watch": "2m", "guards": ["errors"],
        "cache": { "redis": { "url": "redis://cache:6379" }, "onFailure": "fail" },
    });
    for (pointer, value) in changes {
        *json.pointer_mut(pointer).unwrap() = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

const WEIGHTS: &[u8] = b"the weights";

/// Uploads a version whose golden request every server can answer; the model.
pub fn upload(world: &World, version: &str) -> Artifact {
    let golden = json!([{ "name": "politics", "input": "vote", "expect": { "answer": "vote" } }]);
    let golden = golden.to_string();
    let file = |path: &str, content: &[u8]| {
        world.uploads.put(&format!("news/{version}/{path}"), content);
        let (sum, id) = (uploads::sum(content), uploads::id(content));
        json!({ "path": path, "size": content.len(), "sha256": sum, "versionId": id })
    };
    let files = [file("model.onnx", WEIGHTS), file("golden.json", golden.as_bytes())];
    let manifest = json!({
        "schemaVersion": 1, "model": "news", "version": version, "files": files,
        "createdBy": "ada", "createdAt": "2026-11-21T10:00:00Z", "golden": "golden.json",
    });
    let key = format!("news/{version}/manifest.json");
    let object = world.uploads.put(&key, manifest.to_string().as_bytes());
    let (bucket, version) = ("models".parse().unwrap(), version.parse().unwrap());
    Artifact::Model { bucket, key, object, version }
}

/// Servers, a cache, and a model that is released to them.
#[derive(Debug)]
pub struct Scene {
    /// The world.
    pub world: World,
    /// The state machines.
    pub machines: Machines,
    /// The model that is released.
    pub artifact: Artifact,
}

impl Scene {
    /// So many replicas serve v1, the cache reads v1, and v2 is uploaded.
    pub fn of(replicas: usize, target: &Target) -> Self {
        let world = World::empty();
        crate::run(world.store.save_target(target, None, at(0))).unwrap();
        world.fleet.start(replicas, "v1");
        world.fleet.change(|fleet| {
            fleet.pointer = Some("v1".to_owned());
            fleet.loading = 2;
        });
        world.alarms.set("errors", false);
        let arm = |requests: f64| Counts { requests, errors: 0.0, slow: [[0.0; 3]; 4] };
        for minute in -5..200 {
            let bucket = Bucket { canary: arm(1000.0), baseline: arm(3000.0), ..Bucket::default() };
            world.metrics.set_bucket(at(60 * minute), bucket);
        }
        upload(&world, "v1");
        let artifact = upload(&world, "v2");
        Self { world, machines: Machines::new(at(1)), artifact }
    }

    /// Announces v2.
    pub async fn announce(&self) -> Answer {
        let World { store, executions, .. } = &self.world;
        let announcement = Announcement {
            artifact: self.artifact.clone(),
            event: "event-1".to_owned(),
            pushed_at: at(1),
        };
        let answers = announced(store, executions, &announcement, at(1)).await.unwrap();
        answers.into_iter().next().unwrap().1
    }

    /// Announces v2 and runs until nothing runs any more.
    pub async fn released(mut self) -> Self {
        let Answer::Started(_) = self.announce().await else { panic!("it did not start") };
        self.machines.run(&self.world).await;
        self
    }

    /// The release, as it is now.
    pub fn release(&self) -> Release {
        self.world.store.read(|items| items.releases.values().next().unwrap().clone())
    }

    /// The name of its phase.
    pub fn phase(&self) -> &'static str {
        self.release().phase.name()
    }

    /// The version that each server answers with; `-` for one that is dead.
    pub fn serving(&self) -> Vec<String> {
        let found = self.world.fleet.serving();
        found.values().map(|v| v.as_ref().map_or("-".to_owned(), ToString::to_string)).collect()
    }

    /// The generation that the cache's pointer has.
    pub fn pointer(&self) -> Option<String> {
        self.world.fleet.now().pointer
    }

    /// What happened, and why.
    pub fn journal(&self) -> Vec<(What, String)> {
        let entries = self.world.journal(&self.release().id);
        entries.into_iter().map(|entry| (entry.what, entry.cause)).collect()
    }

    /// What happened besides looks.
    pub fn whats(&self) -> Vec<What> {
        self.journal()
            .into_iter()
            .map(|(what, _)| what)
            .filter(|w| *w != What::BakeJudged)
            .collect()
    }

    /// Whether people were paged.
    pub fn paged(&self) -> bool {
        self.journal().iter().any(|(what, _)| what.severity() == Severity::Page)
    }

    /// What a release that has ended must not leave behind without a page.
    pub fn broken(&self) -> Vec<String> {
        let release = self.release();
        let mut broken = Vec::new();
        if !release.phase.is_final() {
            broken.push(format!("it ended in {}", release.phase.name()));
        }
        let ledger = release.ledger.as_ref();
        let expected = match &release.phase {
            Phase::Promoted => release.canary.clone(),
            _ => Some(ledger.map_or("v1".parse().unwrap(), |ledger| ledger.baseline.clone())),
        };
        if self.paged() {
            return broken;
        }
        for (name, active) in self.world.fleet.serving() {
            if active.is_some() && active != expected {
                broken.push(format!("{name} serves {active:?} after {}", release.phase.name()));
            }
        }
        let pointer = self.pointer();
        if pointer != expected.map(|version| version.to_string()) {
            broken.push(format!("the cache has {pointer:?} after {}", release.phase.name()));
        }
        broken
    }
}
