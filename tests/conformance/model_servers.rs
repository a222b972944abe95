//! What users of `TensorFlow` Serving, Triton and `KServe` reported about reloading models. How the real
//! servers behave is tried in `crates/serving/tests/live`; here are whole releases.

use perch_app::announce::{Announcement, Answer, run as announce};
use perch_app::on_alarm::{self, Alarm};
use perch_core::artifact::Artifact;
use perch_core::journal::What;
use perch_core::names::{ReleaseId, Version};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use perch_testkit::World;
use perch_testkit::fleet::{Mishap, Server};
use perch_testkit::scene::{Scene, target, upload};
use serde_json::json;

fn change(scene: &Scene, replica: &str, change: impl FnOnce(&mut Server)) {
    scene.world.fleet.change(|fleet| change(fleet.servers.get_mut(replica).unwrap()));
}

fn v(version: &str) -> Version {
    version.parse().unwrap()
}

/// Starts the release of another model.
async fn start(scene: &Scene, artifact: Artifact, event: &str) -> ReleaseId {
    let World { store, executions, .. } = &scene.world;
    let (event, pushed_at) = (event.to_owned(), scene.machines.now());
    let announcement = Announcement { artifact, event, pushed_at };
    let answers = announce(store, executions, &announcement, pushed_at).await.unwrap();
    match &answers[0].1 {
        Answer::Started(id) => id.clone(),
        other => panic!("{other:?}"),
    }
}

fn rejection(release: &Release) -> &str {
    match &release.phase {
        Phase::Rejected { why } => why,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn serving_1086_half_an_upload_is_never_loaded() {
    for lost in ["news/v2/model.onnx", "news/v2/golden.json", "news/v2/manifest.json"] {
        let scene = Scene::of(4, &target(&[]));
        scene.world.uploads.delete(lost);
        let scene = scene.released().await;
        let (file, why) = (lost.rsplit('/').next().unwrap(), scene.release());
        assert!(rejection(&why).contains(file), "{lost}: {}", rejection(&why));
        assert_eq!(scene.world.calls.count("stage"), 0, "no server was told of it");
        assert_eq!((scene.serving(), scene.broken()), (vec!["v1".to_owned(); 4], vec![]));
    }
}

#[tokio::test]
async fn serving_1738_a_network_error_while_loading_is_tried_again_and_never_passed_over() {
    for (errors, phase) in [(2, "Promoted"), (99, "RolledBack")] {
        let scene = Scene::of(4, &target(&[]));
        change(&scene, "r00", |server| server.mishap = Some(Mishap::FailsToLoad(errors)));
        let scene = scene.released().await;
        assert_eq!((scene.phase(), scene.broken()), (phase, vec![]), "{errors}");
        let told = scene.journal().into_iter().any(|(_, cause)| cause.contains("storage"));
        assert_eq!(told, phase == "RolledBack", "{:?}", scene.journal());
    }
}

#[tokio::test]
async fn serving_572_when_two_of_twenty_fail_all_go_back_or_people_are_paged() {
    for (complete, phase, new) in
        [(json!("all"), "RolledBack", 0), (json!({ "atLeast": 18 }), "Promoted", 18)]
    {
        let scene = Scene::of(20, &target(&[("/service/modelServers/complete", complete)]));
        for replica in ["r07", "r19"] {
            change(&scene, replica, |server| server.mishap = Some(Mishap::FailsToLoad(99)));
        }
        let scene = scene.released().await;
        let serve = scene.serving().iter().filter(|version| *version == "v2").count();
        assert_eq!((scene.phase(), serve), (phase, new));
        assert_eq!(scene.paged(), phase == "Promoted", "{:?}", scene.journal());
        let named = scene.journal().into_iter().any(|(_, cause)| cause.contains("r07"));
        assert!(named, "{:?}", scene.journal());
    }
}

#[tokio::test]
async fn serving_2017_a_server_without_memory_for_two_models_is_not_asked() {
    let scene = Scene::of(2, &target(&[]));
    change(&scene, "r00", |server| server.mishap = Some(Mishap::NoMemory));
    let scene = scene.released().await;
    assert_eq!((scene.phase(), scene.broken()), ("RolledBack", vec![]));
    let first = scene.world.fleet.now().servers["r00"].loaded.keys().cloned().collect::<Vec<_>>();
    assert_eq!(first, [v("v1")], "it was not told to load a second one");
    let told = scene.journal().into_iter().any(|(_, cause)| cause.contains("1 are free"));
    assert!(told, "{:?}", scene.journal());
}

#[tokio::test]
async fn serving_1480_storage_that_is_gone_takes_neither_model_away() {
    let mut scene = Scene::of(3, &target(&[]));
    let Answer::Started(id) = scene.announce().await else { panic!() };
    let promoted = |world: &World| matches!(world.release(&id).phase, Phase::Watching { .. });
    assert!(scene.machines.run_until(&scene.world, promoted).await);
    for key in scene.world.uploads.keys() {
        scene.world.uploads.delete(&key);
    }
    let World { store, lambda, executions, .. } = &scene.world;
    let (event, at) = ("alarm-1".to_owned(), scene.machines.now());
    let alarm = Alarm { event, name: "errors".parse().unwrap(), reason: String::new(), at };
    on_alarm::run(store, lambda, executions, &alarm).await.unwrap();
    scene.machines.run(&scene.world).await;
    assert_eq!((scene.phase(), scene.broken()), ("RolledBack", vec![]));
    assert_eq!(scene.serving(), ["v1"; 3], "the way back was in memory");
}

#[tokio::test]
async fn triton_2076_at_no_moment_of_a_reload_a_server_has_no_model() {
    for wrong in [false, true] {
        let mut scene = Scene::of(4, &target(&[]));
        if wrong {
            change(&scene, "r03", |server| server.mishap = Some(Mishap::FailsToLoad(99)));
        }
        let Answer::Started(_) = scene.announce().await else { panic!() };
        while scene.machines.step(&scene.world).await {
            for (name, active) in scene.world.fleet.serving() {
                let server = scene.world.fleet.now().servers[&name].clone();
                let ready = active.as_ref().and_then(|active| server.loaded.get(active));
                assert_eq!(ready, Some(&0), "{name} answers with {active:?}");
            }
        }
        let phase = if wrong { "RolledBack" } else { "Promoted" };
        assert_eq!((scene.phase(), scene.broken()), (phase, vec![]));
    }
}

#[tokio::test]
async fn triton_6534_after_a_model_that_can_not_be_loaded_the_next_one_can() {
    let mut scene = Scene::of(3, &target(&[]));
    change(&scene, "r00", |server| server.mishap = Some(Mishap::FailsToLoad(3)));
    let Answer::Started(_) = scene.announce().await else { panic!() };
    scene.machines.run(&scene.world).await;
    assert_eq!((scene.phase(), scene.broken()), ("RolledBack", vec![]));
    scene.machines.wait(1);
    let next = start(&scene, upload(&scene.world, "v3"), "event-2").await;
    scene.machines.run(&scene.world).await;
    assert_eq!(scene.world.release(&next).phase, Phase::Promoted);
    assert_eq!(scene.serving(), ["v3"; 3]);
}

#[tokio::test]
async fn triton_2853_a_server_that_keeps_the_old_model_is_found_by_the_read_back() {
    for replica in ["r00", "r02"] {
        let scene = Scene::of(4, &target(&[]));
        change(&scene, replica, |server| server.mishap = Some(Mishap::KeepsTheOld));
        let scene = scene.released().await;
        assert_eq!((scene.phase(), scene.broken()), ("RolledBack", vec![]), "{replica}");
        assert!(!scene.whats().contains(&What::CanaryPromoted), "it was never called promoted");
    }
}

#[tokio::test]
async fn triton_4416_of_many_versions_the_released_one_alone_is_loaded() {
    let scene = Scene::of(3, &target(&[]));
    for version in ["v3", "v4", "v5"] {
        upload(&scene.world, version);
    }
    let scene = scene.released().await;
    assert_eq!((scene.phase(), scene.broken()), ("Promoted", vec![]));
    for server in scene.world.fleet.now().servers.values() {
        assert_eq!(server.loaded.keys().collect::<Vec<_>>(), [&v("v2")], "and v1 has left");
    }
}

#[tokio::test]
async fn kserve_3085_a_model_that_is_healthy_and_wrong_is_not_promoted() {
    let scene = Scene::of(4, &target(&[]));
    scene.world.fleet.change(|fleet| fleet.wrong.insert(v("v2")));
    let scene = scene.released().await;
    let Phase::RolledBack { cause: RollbackCause::Golden { differences, .. } } =
        scene.release().phase
    else {
        panic!("{:?}", scene.release().phase)
    };
    assert!(differences[0].contains("expected \"vote\", got \"wrong\""), "{differences:?}");
    assert_eq!(scene.world.fleet.now().activations, [""; 0], "no caller saw it");
}

#[tokio::test]
async fn kserve_5672_a_canary_is_a_share_of_the_replicas_wherever_they_run() {
    let mut scene = Scene::of(4, &target(&[]));
    let Answer::Started(id) = scene.announce().await else { panic!() };
    let baking = |world: &World| matches!(world.release(&id).phase, Phase::Baking { .. });
    assert!(scene.machines.run_until(&scene.world, baking).await);
    assert_eq!(scene.serving(), ["v2", "v1", "v1", "v1"]);
    assert_eq!(scene.world.release(&id).weight().percent(), 25);
    assert_eq!(scene.pointer().as_deref(), Some("v1"), "its answers are kept apart");
}
