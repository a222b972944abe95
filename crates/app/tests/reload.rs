//! A model goes to its servers, and comes back: whole releases through the state machines, with what
//! can go wrong with replicas and caches.

use perch_app::announce::Answer;
use perch_app::order;
use perch_app::ports::{Machine, SaveTarget, StartExecution};
use perch_app::restore_traffic::RollbackInput;
use perch_core::artifact::Artifact;
use perch_core::journal::{Severity, What};
use perch_core::judge::sequential::{Bucket, Counts};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_core::target::{Complete, OnCacheFailure, Target};
use perch_testkit::fleet::Mishap;
use perch_testkit::{Fault, Machines, World, at, uploads};
use serde_json::{Value, json};

/// A target with model servers only; its first step is a quarter for two minutes.
fn target(changes: &[(&str, Value)]) -> Target {
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

fn upload(world: &World, version: &str) -> Artifact {
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

struct Scene {
    world: World,
    machines: Machines,
    artifact: Artifact,
}

impl Scene {
    /// So many replicas serve v1, the cache reads v1, and v2 is uploaded.
    fn of(replicas: usize, target: &Target) -> Self {
        let world = World::empty();
        perch_testkit::run(world.store.save_target(target, None, at(0))).unwrap();
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

    async fn announce(&self) -> Answer {
        let World { store, executions, .. } = &self.world;
        let announcement = perch_app::announce::Announcement {
            artifact: self.artifact.clone(),
            event: "event-1".to_owned(),
            pushed_at: at(1),
        };
        let answers =
            perch_app::announce::run(store, executions, &announcement, at(1)).await.unwrap();
        answers.into_iter().next().unwrap().1
    }

    /// Announces v2 and runs until nothing runs any more.
    async fn released(mut self) -> Self {
        let Answer::Started(_) = self.announce().await else { panic!("it did not start") };
        self.machines.run(&self.world).await;
        self
    }

    fn release(&self) -> Release {
        self.world.store.read(|items| items.releases.values().next().unwrap().clone())
    }

    fn phase(&self) -> &'static str {
        self.release().phase.name()
    }

    fn serving(&self) -> Vec<String> {
        let found = self.world.fleet.serving();
        found.values().map(|v| v.as_ref().map_or("-".to_owned(), ToString::to_string)).collect()
    }

    fn pointer(&self) -> Option<String> {
        self.world.fleet.now().pointer
    }

    fn journal(&self) -> Vec<(What, String)> {
        let entries = self.world.journal(&self.release().id);
        entries.into_iter().map(|entry| (entry.what, entry.cause)).collect()
    }

    fn whats(&self) -> Vec<What> {
        self.journal()
            .into_iter()
            .map(|(what, _)| what)
            .filter(|w| *w != What::BakeJudged)
            .collect()
    }

    fn paged(&self) -> bool {
        self.journal().iter().any(|(what, _)| what.severity() == Severity::Page)
    }

    /// What a release that has ended must not leave behind without a page.
    fn broken(&self) -> Vec<String> {
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

#[tokio::test]
async fn a_model_goes_over_replica_by_replica_and_the_cache_last() {
    let scene = Scene::of(4, &target(&[])).released().await;
    assert_eq!(scene.phase(), "Promoted", "{:#?}", scene.journal());
    assert_eq!(scene.broken(), [""; 0]);
    assert_eq!(scene.serving(), ["v2"; 4]);
    assert_eq!(
        scene.whats(),
        [
            What::ReleasePlanned,
            What::LedgerTaken,
            What::ModelChecked,
            What::CanaryPublished,
            What::WeightShifted,
            What::PromotionDecided,
            What::ReplicasReloaded,
            What::ReplicasReloaded,
            What::CacheSwitched,
            What::CanaryPromoted,
            What::ReleasePromoted,
        ]
    );
    let fleet = scene.world.fleet.now();
    assert_eq!(fleet.activations.len(), 4, "{:?}", fleet.activations);
    assert_eq!(fleet.activations[0], "r00 v2");
    let left: Vec<usize> = fleet.servers.values().map(|server| server.loaded.len()).collect();
    assert_eq!(left, [1; 4], "the former model is out of memory after the watch");
    let head = scene.world.head(&"news".parse().unwrap());
    assert_eq!(head.model_serving.unwrap().version.as_str(), "v2");
}

#[tokio::test]
async fn wrong_answers_to_golden_requests_never_see_traffic() {
    let scene = Scene::of(4, &target(&[]));
    scene.world.fleet.change(|fleet| fleet.wrong.insert("v2".parse().unwrap()));
    let scene = scene.released().await;
    assert_eq!((scene.phase(), scene.broken()), ("RolledBack", vec![]));
    assert_eq!(scene.world.fleet.now().activations, [""; 0], "nobody was told to serve it");
    let Phase::RolledBack { cause: RollbackCause::Golden { replica, differences } } =
        scene.release().phase
    else {
        panic!("{:?}", scene.release().phase)
    };
    assert_eq!(replica, "r00");
    assert_eq!(differences, ["politics: $.answer: expected \"vote\", got \"wrong\""]);
}

#[tokio::test]
async fn what_is_wrong_with_a_replica_ends_as_the_policy_says() {
    let least = json!({ "atLeast": 3 });
    for (who, mishap, complete, phase, serving) in [
        ("r00", Mishap::FailsToLoad(1), json!("all"), "Promoted", ["v2"; 4]),
        ("r00", Mishap::FailsToLoad(9), json!("all"), "RolledBack", ["v1"; 4]),
        ("r02", Mishap::FailsToLoad(9), json!("all"), "RolledBack", ["v1"; 4]),
        ("r02", Mishap::FailsToLoad(9), least.clone(), "Promoted", ["v2", "v2", "v1", "v2"]),
        ("r00", Mishap::Hangs, json!("all"), "RolledBack", ["v1"; 4]),
        ("r03", Mishap::Hangs, least.clone(), "Promoted", ["v2", "v2", "v2", "v1"]),
        ("r03", Mishap::KeepsTheOld, json!("all"), "RolledBack", ["v1"; 4]),
        ("r01", Mishap::NoMemory, json!("all"), "RolledBack", ["v1"; 4]),
        ("r02", Mishap::DiesLoading, least, "Promoted", ["v2", "v2", "-", "v2"]),
    ] {
        let scene = Scene::of(4, &target(&[("/service/modelServers/complete", complete)]));
        scene.world.fleet.change(|fleet| {
            fleet.servers.get_mut(who).unwrap().mishap = Some(mishap);
        });
        let scene = scene.released().await;
        assert_eq!((scene.phase(), scene.serving()), (phase, serving.map(str::to_owned).to_vec()));
        assert_eq!(scene.broken(), [""; 0], "{who} {mishap:?}");
        let left_out = phase == "Promoted" && serving != ["v2"; 4];
        assert_eq!(scene.paged(), left_out, "{who} {mishap:?}: {:?}", scene.journal());
    }
}

#[tokio::test]
async fn a_replica_that_dies_and_stays_dead_in_a_rollback_pages() {
    let scene = Scene::of(4, &target(&[]));
    scene.world.fleet.change(|fleet| {
        fleet.servers.get_mut("r02").unwrap().mishap = Some(Mishap::DiesLoading);
    });
    let scene = scene.released().await;
    assert_eq!(scene.phase(), "Stuck");
    assert_eq!(scene.serving(), ["v1", "v1", "-", "v1"]);
    assert!(scene.paged());
}

#[tokio::test]
async fn eighteen_of_twenty_are_enough_where_the_target_says_so() {
    let complete = ("/service/modelServers/complete", json!({ "atLeast": 18 }));
    let scene = Scene::of(20, &target(&[complete]));
    for who in ["r07", "r19"] {
        scene.world.fleet.change(|fleet| {
            fleet.servers.get_mut(who).unwrap().mishap = Some(Mishap::FailsToLoad(99));
        });
    }
    let scene = scene.released().await;
    assert_eq!(scene.phase(), "Promoted");
    let serve = scene.serving().iter().filter(|version| *version == "v2").count();
    assert_eq!((serve, scene.paged()), (18, true));
    let named: Vec<String> = scene
        .journal()
        .into_iter()
        .filter(|(what, _)| *what == What::ReplicasLeftOut)
        .map(|(_, cause)| cause)
        .collect();
    let text = named.join(" ");
    assert!(text.contains("r07") && text.contains("r19") && text.contains("storage"), "{text}");
}

#[tokio::test]
async fn a_cache_out_of_reach_stops_the_release_or_pages() {
    for (policy, phase) in [("fail", "RolledBack"), ("warn", "Promoted")] {
        let scene = Scene::of(2, &target(&[("/cache/onFailure", json!(policy))]));
        let Answer::Started(_) = scene.announce().await else { panic!() };
        let mut scene = scene;
        let serves = |world: &World| !world.fleet.now().activations.is_empty();
        assert!(scene.machines.run_until(&scene.world, serves).await);
        scene.world.fleet.change(|fleet| fleet.cache_is_down = true);
        let is_back = |world: &World| {
            let phase = world.store.read(|i| i.releases.values().next().unwrap().phase.clone());
            matches!(phase, Phase::RollingBack { .. } | Phase::Watching { .. })
        };
        assert!(scene.machines.run_until(&scene.world, is_back).await);
        if policy == "fail" {
            scene.world.fleet.change(|fleet| fleet.cache_is_down = false);
        }
        scene.machines.run(&scene.world).await;
        assert_eq!((scene.phase(), scene.broken()), (phase, vec![]), "{policy}");
        assert_eq!(scene.pointer().as_deref(), Some("v1"));
        assert_eq!(scene.paged(), policy == "warn", "{:?}", scene.journal());
    }
    assert_eq!(OnCacheFailure::default(), OnCacheFailure::Fail);
}

#[tokio::test]
async fn a_pointer_that_someone_else_set_is_left_alone() {
    let mut scene = Scene::of(2, &target(&[]));
    let Answer::Started(_) = scene.announce().await else { panic!() };
    let baking = |world: &World| !world.fleet.now().activations.is_empty();
    assert!(scene.machines.run_until(&scene.world, baking).await);
    scene.world.fleet.change(|fleet| fleet.pointer = Some("v9".to_owned()));
    scene.machines.run(&scene.world).await;
    assert_eq!(scene.phase(), "RolledBack");
    assert_eq!(
        (scene.serving(), scene.pointer().unwrap()),
        (vec!["v1".to_owned(); 2], "v9".to_owned())
    );
}

#[tokio::test]
async fn a_replica_that_falls_back_in_the_bake_or_the_watch_takes_the_release_back() {
    for phase in ["Baking", "Watching"] {
        let mut scene = Scene::of(4, &target(&[]));
        let Answer::Started(_) = scene.announce().await else { panic!() };
        let there = |world: &World| {
            world.store.read(|i| i.releases.values().next().unwrap().phase.name() == phase)
        };
        assert!(scene.machines.run_until(&scene.world, there).await);
        scene.world.fleet.change(|fleet| {
            fleet.servers.get_mut("r00").unwrap().active = Some("v1".parse().unwrap());
        });
        scene.machines.run(&scene.world).await;
        assert_eq!((scene.phase(), scene.broken()), ("RolledBack", vec![]), "{phase}");
        let cause = scene.journal().into_iter().find(|(what, _)| *what == What::RollbackDecided);
        let text = cause.unwrap().1;
        assert!(text.contains("r00 serves model v1 instead of v2"), "{text}");
    }
}

#[tokio::test]
async fn an_alarm_in_the_watch_brings_model_and_cache_back() {
    let mut scene = Scene::of(3, &target(&[]));
    let Answer::Started(id) = scene.announce().await else { panic!() };
    let watching = |world: &World| matches!(world.release(&id).phase, Phase::Watching { .. });
    assert!(scene.machines.run_until(&scene.world, watching).await);
    assert_eq!(scene.pointer().as_deref(), Some("v2"));
    let World { store, lambda, executions, .. } = &scene.world;
    let alarm = perch_app::on_alarm::Alarm {
        event: "alarm-1".to_owned(),
        name: "errors".parse().unwrap(),
        reason: "5 % errors".to_owned(),
        at: scene.machines.now(),
    };
    perch_app::on_alarm::run(store, lambda, executions, &alarm).await.unwrap();
    scene.machines.run(&scene.world).await;
    assert_eq!((scene.phase(), scene.broken()), ("RolledBack", vec![]));
}

#[tokio::test]
async fn every_call_may_fail_before_or_after_its_effect() {
    let calls = {
        let scene = Scene::of(2, &target(&[])).released().await;
        scene.world.calls.total()
    };
    assert!(calls > 60, "{calls}");
    for number in 0..calls {
        for after in [false, true] {
            let mut scene = Scene::of(2, &target(&[]));
            let Answer::Started(_) = scene.announce().await else { panic!() };
            let fault = Fault::call(scene.world.calls.total() + number);
            scene.world.calls.inject(if after { fault.after() } else { fault });
            scene.machines.run(&scene.world).await;
            let broken = scene.broken();
            assert_eq!(broken, [""; 0], "call {number}, after {after}: {:?}", scene.journal());
            assert_eq!(scene.phase(), "Promoted", "call {number}, after {after}");
        }
    }
}

#[tokio::test]
async fn every_step_may_be_done_twice() {
    let mut scene = Scene::of(4, &target(&[]));
    scene.machines = scene.machines.delivering_twice();
    let scene = scene.released().await;
    assert_eq!((scene.phase(), scene.broken()), ("Promoted", vec![]));
}

#[tokio::test]
async fn half_an_upload_and_replicas_that_disagree_never_start() {
    let scene = Scene::of(2, &target(&[]));
    scene.world.uploads.delete("news/v2/model.onnx");
    let scene = scene.released().await;
    let Phase::Rejected { why } = scene.release().phase else { panic!("{}", scene.phase()) };
    assert!(why.contains("model.onnx"), "{why}");
    assert_eq!(scene.world.fleet.now().activations, [""; 0]);

    let scene = Scene::of(2, &target(&[]));
    scene.world.fleet.change(|fleet| {
        fleet.servers.get_mut("r01").unwrap().active = Some("v0".parse().unwrap());
    });
    let scene = scene.released().await;
    let Phase::Rejected { why } = scene.release().phase else { panic!("{}", scene.phase()) };
    assert!(why.contains("v0 on r01") && why.contains("v1 on r00"), "{why}");
}

#[tokio::test]
async fn a_person_goes_back_to_the_model_before() {
    let mut scene = Scene::of(3, &target(&[])).released().await;
    let World { store, uploads, executions, .. } = &scene.world;
    let (name, now) = ("news".parse().unwrap(), scene.machines.now());
    let word = ("kim", "wrong labels");
    let id = order::go_back_to_model(store, uploads, executions, (&name, None), word, now)
        .await
        .unwrap();
    scene.machines.run(&scene.world).await;
    let release = scene.world.release(&id);
    assert_eq!(release.phase.name(), "Promoted", "{:?}", scene.world.journal(&id));
    assert_eq!(
        (scene.serving(), scene.pointer().unwrap()),
        (vec!["v1".to_owned(); 3], "v1".to_owned())
    );
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Something that happens to replicas, the cache, the ports or the release.
async fn mishap(scene: &Scene, dice: &mut Dice) {
    let replicas = scene.world.fleet.now().servers.len() as u64;
    let who = format!("r{:02}", dice.below(replicas));
    let kinds = [
        Mishap::Dead,
        Mishap::DiesLoading,
        Mishap::FailsToLoad(1 + u32::try_from(dice.below(4)).unwrap()),
        Mishap::Hangs,
        Mishap::KeepsTheOld,
        Mishap::NoMemory,
    ];
    let kind = kinds[usize::try_from(dice.below(6)).unwrap()];
    let call = ["state", "stage", "activate", "switch", "commit", "standing", "open", "probe"];
    let call = call[usize::try_from(dice.below(8)).unwrap()];
    match dice.below(7) {
        0 | 1 => scene.world.fleet.change(|fleet| {
            fleet.servers.get_mut(&who).unwrap().mishap = Some(kind);
        }),
        // It flaps: restarted, it serves what it was built with.
        2 => scene.world.fleet.change(|fleet| {
            let server = fleet.servers.get_mut(&who).unwrap();
            server.active = Some("v1".parse().unwrap());
            server.loaded = [("v1".parse().unwrap(), 0)].into();
            server.mishap = None;
        }),
        3 => scene.world.fleet.change(|fleet| fleet.cache_is_down = !fleet.cache_is_down),
        4 => scene
            .world
            .calls
            .inject(Fault::of(call).times(1 + u32::try_from(dice.below(8)).unwrap())),
        5 => scene.world.calls.inject(Fault::of(call).after()),
        _ => {
            let release_id = scene.release().id;
            let (by, reason) = ("kim".to_owned(), "a hunch".to_owned());
            let cause = Some(RollbackCause::Abort { by, reason });
            let input = json!(RollbackInput { release_id: release_id.clone(), cause });
            let executions = &scene.world.executions;
            let _ = executions.start(Machine::Rollback, &release_id, &input).await;
        }
    }
}

/// All is well again: what is dead is replaced by a server with the first model.
fn mend(scene: &Scene) {
    scene.world.fleet.change(|fleet| {
        fleet.cache_is_down = false;
        for server in fleet.servers.values_mut() {
            if server.is_dead() {
                server.active = Some("v1".parse().unwrap());
                server.loaded = [("v1".parse().unwrap(), 0)].into();
            }
            server.mishap = None;
        }
    });
}

#[tokio::test]
async fn whatever_happens_no_replica_is_left_on_the_wrong_model_without_a_page() {
    let mut ends = std::collections::BTreeMap::<&str, u32>::new();
    for seed in 0..1500 {
        let mut dice = Dice(seed);
        let replicas = 1 + usize::try_from(dice.below(5)).unwrap();
        let complete = if dice.below(2) == 0 { json!("all") } else { json!({ "atLeast": 1 }) };
        let policy = if dice.below(2) == 0 { "fail" } else { "warn" };
        let target = target(&[
            ("/service/modelServers/complete", complete),
            ("/cache/onFailure", json!(policy)),
        ]);
        let mut scene = Scene::of(replicas, &target);
        if dice.below(8) == 0 {
            scene.world.fleet.change(|fleet| fleet.wrong.insert("v2".parse().unwrap()));
        }
        if !matches!(scene.announce().await, Answer::Started(_)) {
            continue;
        }
        let mut left = dice.below(4);
        let mut until_mended = 30 + dice.below(200);
        let mut states = 0;
        while scene.machines.step(&scene.world).await {
            states += 1;
            assert!(states < 5000, "seed {seed} goes on and on: {:?}", scene.journal().last());
            // What happens once nobody looks any more is for `perch model verify`.
            if scene.release().phase.is_final() {
                continue;
            }
            if left > 0 && dice.below(12) == 0 {
                left -= 1;
                mishap(&scene, &mut dice).await;
            }
            until_mended = until_mended.saturating_sub(1);
            if until_mended == 1 {
                mend(&scene);
            }
        }
        let broken = scene.broken();
        assert_eq!(broken, [""; 0], "seed {seed}: {:#?} {:?}", scene.journal(), scene.serving());
        *ends.entry(scene.phase()).or_default() += 1;
    }
    assert!(ends["Promoted"] > 300 && ends["RolledBack"] > 200, "{ends:?}");
    assert_eq!(Complete::default(), Complete::All);
}
