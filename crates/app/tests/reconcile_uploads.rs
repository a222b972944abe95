//! The sweep and models: what no event announced is found, and nothing is looked at twice.

use perch_app::announce::Answer;
use perch_app::announce_model::{self, Uploaded};
use perch_app::ports::SweepRun;
use perch_app::reconcile;
use perch_core::artifact::Artifact;
use perch_core::names::TargetName;
use perch_core::target::{ModelSource, Target};
use perch_testkit::{Fault, World, at, target};
use serde_json::{Value, json};

fn news() -> TargetName {
    "news".parse().unwrap()
}

fn taking(more: Value) -> Target {
    target().taking_models(more).guarded_by(&[]).build()
}

fn source(world: &World) -> ModelSource {
    world.store.read(|items| items.targets[&news()].sources.model.clone().unwrap())
}

/// Uploads a version at this time; its event is lost.
fn push(world: &World, version: &str, seconds: i64) -> Artifact {
    world.uploads.push(&source(world), &version.parse().unwrap(), at(seconds))
}

async fn sweep(world: &World, seconds: i64) -> SweepRun {
    let World { store, lambda, registry, uploads, executions, .. } = world;
    let sources = (registry, uploads);
    reconcile::run(store, (lambda, &world.services), sources, executions, at(seconds), || true)
        .await
        .unwrap()
}

/// Takes an upload as the function does.
async fn take(world: &World, uploaded: &Uploaded) -> Answer {
    let World { store, uploads, executions, .. } = world;
    let now = uploaded.at;
    let answers = announce_model::run(store, uploads, executions, uploaded, now).await.unwrap();
    answers.into_iter().next().unwrap().1
}

/// Takes what the sweep has announced after the first `known`.
async fn take_announced(world: &World, known: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for uploaded in &world.uploads.announced()[known..] {
        answers.push(take(world, uploaded).await);
    }
    answers
}

fn announced(world: &World) -> Vec<String> {
    world.uploads.announced().into_iter().map(|uploaded| uploaded.key).collect()
}

#[tokio::test]
async fn the_newest_model_that_no_event_announced_is_released() {
    let world = World::with(&taking(json!({})));
    let found = "no event announced model v10: its check begins";
    // By name v9 would be the newest.
    for (version, seconds) in [("v8", 10), ("v10", 30), ("v9", 20)] {
        push(&world, version, seconds);
    }
    assert_eq!(sweep(&world, 60).await.did, [format!("news: {found}")]);
    let [uploaded] = &world.uploads.announced()[..] else { panic!() };
    assert_eq!((uploaded.key.as_str(), uploaded.at), ("models/news/v10/manifest.json", at(30)));
    let [Answer::Started(id)] = &take_announced(&world, 0).await[..] else { panic!() };
    let release = world.release(id);
    assert_eq!(release.artifact.to_string(), "model v10");
    assert!(release.cause.to_string().ends_with("because no event announced it"));
    // The others are older than what is under way, and its event comes after all.
    assert_eq!(sweep(&world, 365).await.did, [""; 0]);
    let late = Uploaded { event: "late".to_owned(), missed: false, ..uploaded.clone() };
    assert!(matches!(take(&world, &late).await, Answer::Ignored(why) if why.contains("already")));
    assert_eq!(world.store.read(|items| items.releases.len()), 1);
}

#[tokio::test]
async fn a_listing_that_fails_does_not_hide_what_was_done_before_it() {
    let mut both = target().build();
    both.sources.model =
        serde_json::from_value(json!({ "bucket": "models", "prefix": "news" })).unwrap();
    let world = World::with(&both);
    world.registry.push(perch_testkit::image('b', "v2"), at(30));
    world.calls.inject(Fault::of("uploads"));
    let run = sweep(&world, 60).await;
    assert_eq!((run.did.len(), run.failed.len(), run.looked_at), (1, 1, 1), "{run:?}");
    assert!(run.did[0].starts_with("news: "), "{run:?}");
    assert_eq!(world.store.read(|items| items.releases.len()), 1);
}

#[tokio::test]
async fn a_quiet_target_costs_one_read_and_one_listing_more() {
    let world = World::with(&taking(json!({})));
    push(&world, "v1", -10);
    assert_eq!(sweep(&world, 10).await.did, [""; 0], "it lay there before the target");
    world.calls.clear();
    assert_eq!(sweep(&world, 1000).await.did, [""; 0]);
    let calls = ["due", "claim", "standing", "target", "heard", "uploads", "claim", "due", "run"];
    assert_eq!(world.calls.log(), calls);
}

#[tokio::test]
async fn what_an_event_announced_is_not_looked_at_again() {
    let world = World::with(&taking(json!({ "maxBytes": "5B" })));
    let Artifact::Model { bucket, key, object, .. } = push(&world, "v2", 5) else { panic!() };
    let (event, object) = ("event-1".to_owned(), Some(object));
    let uploaded = Uploaded { bucket, key, object, event, at: at(5), missed: false };
    assert!(matches!(take(&world, &uploaded).await, Answer::Ignored(why) if why.contains("5 B")));
    world.calls.clear();
    assert_eq!(sweep(&world, 60).await.did, [""; 0]);
    assert_eq!(world.calls.count("written"), 0);
}

#[tokio::test]
async fn where_the_newest_is_refused_the_one_before_has_its_turn() {
    let world = World::with(&taking(json!({})));
    push(&world, "v2", 10);
    push(&world, "v3", 20);
    world.uploads.delete("models/news/v3/model.onnx");
    sweep(&world, 60).await;
    let [Answer::Ignored(why)] = &take_announced(&world, 0).await[..] else { panic!() };
    assert!(why.contains("model.onnx: is not there"), "{why}");
    assert_eq!(sweep(&world, 1000).await.did.len(), 1);
    let answers = take_announced(&world, 1).await;
    assert!(matches!(answers[..], [Answer::Started(_)]), "{answers:?}");
    assert_eq!(announced(&world)[1], "models/news/v2/manifest.json");
}

#[tokio::test]
async fn an_upload_without_its_manifest_waits_for_it() {
    let world = World::with(&taking(json!({})));
    push(&world, "v2", 10);
    world.uploads.delete("models/news/v2/manifest.json");
    assert_eq!(sweep(&world, 60).await.did, [""; 0]);
    push(&world, "v2", 70);
    assert_eq!(sweep(&world, 1000).await.did.len(), 1);
}

#[tokio::test]
async fn what_is_gone_from_the_bucket_is_forgotten() {
    let world = World::with(&taking(json!({})));
    push(&world, "v1", -10);
    push(&world, "v2", -5);
    sweep(&world, 60).await;
    let known = |world: &World| -> Vec<usize> {
        world.store.read(|items| items.heard.values().map(|heard| heard.versions.len()).collect())
    };
    assert_eq!(known(&world), [2]);
    for file in ["model.onnx", "manifest.json"] {
        world.uploads.delete(&format!("models/news/v1/{file}"));
    }
    sweep(&world, 1000).await;
    assert_eq!(known(&world), [1]);
}

#[tokio::test]
async fn of_plain_files_the_newest_is_found() {
    let world = World::with(&taking(json!({ "upload": "file", "keys": ["*.onnx"] })));
    world.uploads.put_at("models/news/a.onnx", b"one", at(20));
    world.uploads.put_at("models/news/b.onnx", b"two", at(10));
    world.uploads.put_at("models/news/readme.txt", b"three", at(30));
    assert_eq!(sweep(&world, 60).await.did.len(), 1);
    assert_eq!(announced(&world), ["models/news/a.onnx"]);
    let answers = take_announced(&world, 0).await;
    assert!(matches!(answers[..], [Answer::Started(_)]), "{answers:?}");
    assert_eq!(sweep(&world, 365).await.did, [""; 0]);
}

#[tokio::test]
async fn targets_of_one_source_share_its_listing_and_its_looks() {
    let world = World::empty();
    let model = taking(json!({})).sources.model;
    for number in 0..250 {
        let name = format!("news-{number}");
        let mut target = target().named(&name).function(&name).build();
        target.sources.model.clone_from(&model);
        world.add(&target);
    }
    let version = "v2".parse().unwrap();
    world.uploads.push(&model.unwrap(), &version, at(5));
    world.calls.clear();
    let run = sweep(&world, 10).await;
    assert_eq!((run.looked_at, run.did.len()), (250, 250));
    for (call, count) in [("uploads", 1), ("written", 1), ("heard", 250), ("announce", 250)] {
        assert_eq!(world.calls.count(call), count, "{call}");
    }
}

#[tokio::test]
async fn a_call_that_fails_only_delays_it() {
    for call in 0..9 {
        for fault in [Fault::call(call), Fault::call(call).after()] {
            let world = World::with(&taking(json!({})));
            push(&world, "v2", 5);
            world.calls.inject(fault);
            let World { store, lambda, registry, uploads, executions, .. } = &world;
            let sources = (registry, uploads);
            reconcile::run(store, (lambda, &world.services), sources, executions, at(60), || true)
                .await
                .ok();
            sweep(&world, 400).await;
            sweep(&world, 2000).await;
            take_announced(&world, 0).await;
            assert_eq!(world.store.read(|items| items.releases.len()), 1, "call {call}");
        }
    }
}
