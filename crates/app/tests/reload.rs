//! A model goes to its servers, and comes back: whole releases through the state machines, with what
//! can go wrong with replicas and caches.

use perch_app::announce::Answer;
use perch_app::order;
use perch_app::ports::{Machine, StartExecution};
use perch_app::restore_traffic::RollbackInput;
use perch_core::journal::What;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::target::{Complete, OnCacheFailure};
use perch_testkit::fleet::Mishap;
use perch_testkit::scene::{Scene, target};
use perch_testkit::{Fault, World};
use serde_json::json;

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
