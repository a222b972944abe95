//! Uploads of models: what is complete starts a release, and everything else leaves a note that says
//! why. The scenarios are those that model servers are known to get wrong: half uploads
//! (tensorflow/serving#1086), files changed under a server (triton#2853), events that come late or twice.

use perch_app::announce::Answer;
use perch_app::announce_model::{self, AnnounceError, Uploaded};
use perch_app::check_model::{Rules, golden, model_files};
use perch_app::model_list::{self, State};
use perch_app::ports::{ObjectId, ReadModels as _};
use perch_core::artifact::Artifact;
use perch_core::head::Serving;
use perch_core::manifest::{SigningKey, signed_bytes};
use perch_core::names::TargetName;
use perch_core::target::{Target, WhileReleasing};
use perch_testkit::{Fault, MemoryModels, World, at, run, target};
use serde_json::{Value, json};

const FILES: [(&str, &str); 2] = [("1/model.onnx", "weights"), ("labels.txt", "sport\nworld\n")];
const KEY: &str = "models/news/v2/manifest.json";

fn taking(more: Value) -> Target {
    target().taking_models(more).guarded_by(&[]).build()
}

fn world(more: Value) -> World {
    World::with(&taking(more))
}

async fn announce(world: &World, uploaded: &Uploaded) -> Vec<Answer> {
    let World { store, models, executions, .. } = world;
    let answers = announce_model::run(store, models, executions, uploaded, at(1)).await.unwrap();
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn notes(world: &World) -> Vec<(Option<TargetName>, String)> {
    let all = world.store.read(|items| items.notes.values().cloned().collect::<Vec<_>>());
    all.into_iter().map(|note| (note.target, note.text)).collect()
}

fn news() -> TargetName {
    "news".parse().unwrap()
}

/// The upload leaves one note, however often its event comes, and changes nothing else.
async fn refused(world: &World, uploaded: &Uploaded, why: &str) {
    let before = world.head(&news());
    for _ in 0..2 {
        let answers = announce(world, uploaded).await;
        assert!(
            matches!(&answers[..], [Answer::Ignored(text)] if text.contains(why)),
            "{answers:?}"
        );
    }
    let notes = notes(world);
    assert_eq!((notes.len(), &notes[0].0), (1, &Some(news())), "the same event is the same note");
    assert!(notes[0].1.contains(why), "{}", notes[0].1);
    assert!(world.store.read(|items| items.releases.is_empty() && items.artifacts.is_empty()));
    assert_eq!((world.head(&news()), world.executions.started()), (before, vec![]));
}

#[tokio::test]
async fn a_complete_upload_starts_a_release() {
    let world = world(json!({}));
    let uploaded = world.models.push("v2", &FILES, json!({}));
    let [Answer::Started(id)] = &announce(&world, &uploaded).await[..] else { panic!() };
    let artifact = world.release(id).artifact;
    assert_eq!(artifact.identity(), "s3://models/models/news/v2");
    let Artifact::Model { key, object, version, .. } = &artifact else { panic!("{artifact}") };
    assert_eq!(
        (key.as_str(), Some(object), version.as_str()),
        (KEY, uploaded.object.as_ref(), "v2")
    );
    assert_eq!(notes(&world), []);
    assert_eq!(world.calls.count("digest"), 0, "nothing is downloaded");
    assert_eq!(world.calls.count("content"), 1, "but the manifest");
    let files = model_files(&world.models, &artifact).await.unwrap().unwrap();
    assert_eq!((files.source.as_str(), files.bytes), ("s3://models/models/news/v2/", 19));
    assert_eq!(
        files.files[0].url,
        "https://models/models/news/v2/1/model.onnx?versionId=object0001"
    );
}

#[tokio::test]
async fn a_repeated_event_has_no_second_effect() {
    let world = world(json!({}));
    let uploaded = world.models.push("v2", &FILES, json!({}));
    let first = announce(&world, &uploaded).await;
    world.models.erase("models/news/v2/labels.txt");
    assert_eq!(
        announce(&world, &uploaded).await,
        first,
        "what came to the bucket since is not its affair"
    );
    let again = Uploaded { event: "event-again".to_owned(), ..uploaded };
    let answers = announce(&world, &again).await;
    assert!(
        matches!(&answers[..], [Answer::Ignored(why)] if why.contains("had its release already"))
    );
    assert_eq!(world.executions.started().len(), 1);
    assert_eq!(world.store.read(|items| items.releases.len()), 1);
}

#[tokio::test]
async fn half_an_upload_is_not_released() {
    for lost in ["models/news/v2/1/model.onnx", "models/news/v2/labels.txt"] {
        let world = world(json!({}));
        let uploaded = world.models.push("v2", &FILES, json!({}));
        world.models.erase(lost);
        let path = &lost["models/news/v2/".len()..];
        let why = format!("not complete: 1 of 2 files: {path}: is not there");
        refused(&world, &uploaded, &why).await;
    }
}

#[tokio::test]
async fn a_manifest_before_its_objects_waits_for_nothing_and_breaks_nothing() {
    let world = world(json!({}));
    // Version ids are in their order here, so that of a later object is known.
    let sha256 = "2bf2bb7bc9f9c1d7e8b5e7f7f7a9c9b4d1c1a0d0e0f0a0b0c0d0e0f0a0b0c0d0";
    let files =
        json!([{ "path": "m.bin", "size": 3, "sha256": sha256, "versionId": "object0002" }]);
    let uploaded = world.models.push("v2", &[], json!({ "files": files }));
    refused(&world, &uploaded, "1 of 1 files: m.bin: is not there").await;
    world.models.put("models/news/v2/m.bin", "abc");
    let answers = announce(&world, &uploaded).await;
    let text = format!("{answers:?}");
    assert!(text.contains("m.bin: has SHA-256"), "another content is refused, too: {text}");
}

#[tokio::test]
async fn a_manifest_written_twice_is_not_released() {
    let world = world(json!({}));
    let first = world.models.push("v2", &FILES, json!({}));
    let second = world.models.push("v2", &FILES, json!({ "metrics": { "accuracy": 1.0 } }));
    for uploaded in [&second, &first] {
        let answers = announce(&world, uploaded).await;
        let text = format!("{answers:?}");
        assert!(
            text.contains("was written more than once; the name of a version is given once"),
            "{text}"
        );
    }
    assert!(world.store.read(|items| items.releases.is_empty()));
}

#[tokio::test]
async fn a_manifest_overwritten_after_its_release_began_changes_nothing() {
    let world = world(json!({}));
    announce(&world, &world.models.push("v2", &FILES, json!({}))).await;
    let second = world.models.push("v2", &FILES, json!({ "metrics": { "accuracy": 1.0 } }));
    let answers = announce(&world, &second).await;
    assert!(
        matches!(&answers[..], [Answer::Ignored(why)] if why.contains("had its release already"))
    );
    assert_eq!(world.store.read(|items| items.releases.len()), 1);
}

#[tokio::test]
async fn an_object_deleted_or_overwritten_after_the_manifest_is_noticed() {
    let deleted = world(json!({}));
    let uploaded = deleted.models.push("v2", &FILES, json!({}));
    deleted.models.delete("models/news/v2/labels.txt");
    refused(&deleted, &uploaded, "labels.txt: was deleted after the upload").await;
    let changed = world(json!({}));
    let uploaded = changed.models.push("v2", &FILES, json!({}));
    changed.models.put("models/news/v2/labels.txt", "sport\n");
    refused(&changed, &uploaded, "labels.txt: was overwritten: version object0002 was uploaded")
        .await;
    let gone = world(json!({}));
    let uploaded = gone.models.push("v2", &FILES, json!({}));
    gone.models.delete(KEY);
    refused(&gone, &uploaded, "manifest.json was deleted after the upload").await;
}

#[tokio::test]
async fn a_bucket_without_versions_is_refused_with_the_command_that_helps() {
    let suspended = world(json!({}));
    let uploaded = suspended.models.push("v2", &FILES, json!({}));
    suspended.models.suspend();
    refused(&suspended, &uploaded, "aws s3api put-bucket-versioning --bucket models").await;
    let never = world(json!({}));
    let uploaded = Uploaded { object: None, ..never.models.push("v2", &FILES, json!({})) };
    refused(&never, &uploaded, "bucket models keeps no versions").await;
}

#[tokio::test]
async fn content_that_is_not_what_was_uploaded_is_refused() {
    let zeros = "0".repeat(64);
    for (field, value, why) in [
        ("sha256", json!(zeros), "labels.txt: has SHA-256"),
        ("size", json!(11), "labels.txt: has 12 bytes, 11 were uploaded"),
        ("versionId", json!("other"), "labels.txt: was overwritten"),
    ] {
        let world = world(json!({}));
        let draft = world.models.push("draft", &FILES, json!({}));
        let object = ObjectId {
            bucket: &draft.bucket,
            key: &draft.key,
            version: draft.object.as_ref().unwrap(),
        };
        let text = world.models.content(object, 9999).await.unwrap();
        let mut files = serde_json::from_slice::<Value>(&text).unwrap()["files"].clone();
        for (path, content) in FILES {
            let id = world.models.put(&format!("models/news/v2/{path}"), content);
            let file =
                files.as_array_mut().unwrap().iter_mut().find(|f| f["path"] == path).unwrap();
            file["versionId"] = json!(id);
        }
        files[1][field] = value;
        let uploaded = world.models.push("v2", &[], json!({ "files": files }));
        refused(&world, &uploaded, why).await;
    }
}

#[tokio::test]
async fn a_file_without_a_sum_in_s3_is_read_piece_by_piece() {
    for (content, fine) in [("weights", true), ("Weights", false)] {
        let world = world(json!({}));
        let mut uploaded = world.models.push("draft", &FILES[..1], json!({}));
        let id = world.models.put_without_sum("models/news/v2/m.bin", content);
        let draft = model_files(&world.models, &artifact_of(&uploaded)).await.unwrap().unwrap();
        let sha256 = &draft.files[0].sha256;
        let files = json!([{ "path": "m.bin", "size": 7, "sha256": sha256, "versionId": id }]);
        uploaded = world.models.push("v2", &[], json!({ "files": files }));
        world.calls.clear();
        let answers = announce(&world, &uploaded).await;
        assert_eq!(world.calls.count("digest"), 1);
        assert_eq!(matches!(answers[..], [Answer::Started(_)]), fine, "{answers:?}");
    }
}

fn artifact_of(uploaded: &Uploaded) -> Artifact {
    Artifact::Model {
        bucket: uploaded.bucket.clone(),
        key: uploaded.key.clone(),
        object: uploaded.object.clone().unwrap(),
        version: "draft".parse().unwrap(),
    }
}

#[tokio::test]
async fn rules_of_the_target_are_held() {
    for (rules, manifest, why) in [
        (
            json!({ "maxBytes": "18B" }),
            json!({}),
            "too large: its 2 files have 19 B, above the target's 18 B",
        ),
        (
            json!({ "require": ["accuracy >= 0.9"] }),
            json!({ "metrics": { "accuracy": 0.89 } }),
            "`accuracy >= 0.9`: accuracy is 0.89, the limit is 0.9",
        ),
        (
            json!({ "require": ["accuracy >= baseline"] }),
            json!({}),
            "the manifest has no metric `accuracy`",
        ),
        (json!({}), json!({ "version": "v3" }), "`version` is v3, expected v2"),
        (
            json!({}),
            json!({ "model": "weather" }),
            "`model` is weather, but the target's servers know their model as news \
             (`service.modelServers.model`): push it under another version with that name",
        ),
        (json!({}), json!({ "golden": "labels.txt" }), "golden requests: "),
    ] {
        let world = world(rules);
        let uploaded = world.models.push("v2", &FILES, manifest);
        refused(&world, &uploaded, why).await;
    }
}

/// A world where model v1 serves and measures this.
async fn serving(rules: Value, metrics: Value) -> World {
    let world = world(rules);
    let uploaded = world.models.push("v1", &FILES, json!({ "metrics": metrics }));
    let version = "v1".parse().unwrap();
    let artifact = Artifact::Model {
        bucket: uploaded.bucket,
        key: uploaded.key,
        object: uploaded.object.unwrap(),
        version,
    };
    world.store.change(|items| {
        let head = items.heads.get_mut(&news()).unwrap();
        let (version, release) = ("v1".parse().unwrap(), "news-0".parse().unwrap());
        head.model_serving = Some(Serving { artifact, version, release });
    });
    world
}

#[tokio::test]
async fn metrics_are_held_against_those_of_the_model_that_serves() {
    let rules = json!({ "require": ["accuracy >= baseline - 0.01"] });
    for (before, after, why) in [
        (json!({ "accuracy": 0.92 }), 0.91, None),
        (
            json!({ "accuracy": 0.92 }),
            0.9,
            Some("accuracy is 0.9, the limit is 0.91 (baseline 0.92)"),
        ),
        (json!({}), 0.99, Some("the baseline's manifest has no metric `accuracy`")),
    ] {
        let world = serving(rules.clone(), before).await;
        let uploaded = world.models.push("v2", &FILES, json!({ "metrics": { "accuracy": after } }));
        match why {
            Some(why) => refused(&world, &uploaded, why).await,
            None => {
                let answers = announce(&world, &uploaded).await;
                assert!(matches!(answers[..], [Answer::Started(_)]), "{answers:?}");
            }
        }
    }
    let lost = serving(rules, json!({ "accuracy": 0.92 })).await;
    lost.models.delete("models/news/v1/manifest.json");
    let uploaded = lost.models.push("v2", &FILES, json!({ "metrics": { "accuracy": 1 } }));
    refused(&lost, &uploaded, "the manifest of the baseline v1 can't be read: it was deleted")
        .await;
}

const PRIVATE: &str = include_str!("../../core/src/manifest/tests/key.pem");

#[tokio::test]
async fn only_a_signature_of_the_targets_key_is_taken() {
    let key = SigningKey::read(PRIVATE).unwrap();
    let kms = "arn:aws:kms:us-east-1:123456789012:key/1";
    let ours = json!({ "signature": { "ed25519": key.public().to_string() } });
    let theirs = json!({ "signature": { "kms": kms } });
    let signed = |world: &World, sign: &dyn Fn(&[u8]) -> Value| {
        let draft = world.models.push("v2", &FILES, json!({}));
        let object = draft.object.clone().unwrap();
        let id = ObjectId { bucket: &draft.bucket, key: KEY, version: &object };
        let text = run(world.models.content(id, 9999)).unwrap();
        let mut manifest: Value = serde_json::from_slice(&text).unwrap();
        manifest["signature"] = sign(&signed_bytes(&text).unwrap());
        world.models.erase(KEY);
        world.models.announce(KEY, manifest.to_string())
    };
    let ed25519 = |bytes: &[u8]| serde_json::to_value(key.sign(bytes)).unwrap();
    let by_kms = |bytes: &[u8]| json!({ "algorithm": "ecdsa-sha256", "value": MemoryModels::signature(kms, bytes) });
    let forged = |_: &[u8]| serde_json::to_value(key.sign(b"something else")).unwrap();
    for (rule, sign, why) in [
        (&ours, &ed25519 as &dyn Fn(&[u8]) -> Value, None),
        (&theirs, &by_kms, None),
        (&ours, &forged, Some("the signature is not that of the target's key")),
        (&ours, &by_kms, Some("takes ed25519 signatures, and the manifest's is ecdsa-sha256")),
        (&theirs, &ed25519, Some("takes ecdsa-sha256 signatures")),
    ] {
        let world = world(rule.clone());
        let uploaded = signed(&world, sign);
        match why {
            Some(why) => refused(&world, &uploaded, why).await,
            None => {
                let answers = announce(&world, &uploaded).await;
                assert!(matches!(answers[..], [Answer::Started(_)]), "{answers:?}");
            }
        }
    }
    let unsigned = world(ours);
    let uploaded = unsigned.models.push("v2", &FILES, json!({}));
    refused(&unsigned, &uploaded, "the manifest has none: push with `--sign KEYFILE`").await;
}

#[tokio::test]
async fn a_manifest_that_can_not_be_read_is_for_the_dead_letter_queue() {
    let world = world(json!({}));
    let World { store, models, executions, .. } = &world;
    let uploaded = models.announce(KEY, "{\"schemaVersion\": 1, ");
    let error = announce_model::run(store, models, executions, &uploaded, at(1)).await.unwrap_err();
    assert!(
        matches!(&error, AnnounceError::Unreadable { place, .. } if place.ends_with("v2/manifest.json"))
    );
    assert!(notes(&world)[0].1.contains("manifest.json: "), "people are told, too");
    assert_eq!(executions.started(), []);
}

#[tokio::test]
async fn models_elsewhere_concern_no_target() {
    for key in
        ["models/newspaper/v2/manifest.json", "models/news/manifest.json", "v2/manifest.json"]
    {
        let world = world(json!({}));
        let uploaded = world.models.announce(key, "{}");
        let answers = announce(&world, &uploaded).await;
        assert!(
            matches!(&answers[..], [Answer::Ignored(why)] if why.contains("no target takes models"))
        );
        assert_eq!(notes(&world)[0].0, None);
    }
    let world = world(json!({}));
    let odd = world.models.announce("models/news/-v2/manifest.json", "{}");
    let answers = announce(&world, &odd).await;
    assert!(
        matches!(&answers[..], [Answer::Ignored(why)] if why.contains("`-v2` is not a version"))
    );
}

#[tokio::test]
async fn events_out_of_order_leave_the_newest_model() {
    let world = World::with(
        &target()
            .taking_models(json!({}))
            .guarded_by(&[])
            .while_releasing(WhileReleasing::Queue)
            .build(),
    );
    let (v2, v3) =
        (world.models.push("v2", &FILES, json!({})), world.models.push("v3", &FILES, json!({})));
    let (v2, v3) = (Uploaded { at: at(10), ..v2 }, Uploaded { at: at(20), ..v3 });
    let v4 = Uploaded { at: at(30), ..world.models.push("v4", &FILES, json!({})) };
    assert!(matches!(announce(&world, &v2).await[..], [Answer::Started(_)]));
    assert!(matches!(announce(&world, &v4).await[..], [Answer::Waits { .. }]));
    let late = announce(&world, &v3).await;
    assert_eq!(late, [Answer::Ignored("a newer artifact waits already: model v4".to_owned())]);
    assert_eq!(world.executions.started().len(), 1);
}

#[tokio::test]
async fn a_plain_file_is_a_version_where_the_target_says_so() {
    let world = world(json!({ "upload": "file", "keys": ["*.onnx"], "maxBytes": "10B" }));
    let first = world.models.announce("models/news/classifier.onnx", "weights");
    let [Answer::Started(id)] = &announce(&world, &first).await[..] else { panic!() };
    let artifact = world.release(id).artifact;
    assert_eq!(artifact.to_string(), "model classifier-object00");
    let files = model_files(&world.models, &artifact).await.unwrap().unwrap();
    assert_eq!((files.files[0].path.as_str(), files.bytes), ("classifier.onnx", 7));
    assert!(golden(&world.models, &artifact).await.unwrap().is_empty());

    let large = world.models.announce("models/news/large.onnx", "more than ten");
    assert!(format!("{:?}", announce(&world, &large).await).contains("above the target's 10 B"));
    let old = world.models.announce("models/news/twice.onnx", "1");
    world.models.announce("models/news/twice.onnx", "2");
    assert!(format!("{:?}", announce(&world, &old).await).contains("the newest upload counts"));
    let manifest = world.models.push("v2", &FILES, json!({}));
    assert!(format!("{:?}", announce(&world, &manifest).await).contains("no target takes models"));
}

#[tokio::test]
async fn a_call_that_fails_is_made_up_for() {
    let calls = {
        let world = world(json!({}));
        let uploaded = world.models.push("v2", &FILES, json!({}));
        announce(&world, &uploaded).await;
        world.calls.total()
    };
    for number in 0..calls {
        for fault in [Fault::call(number), Fault::call(number).after()] {
            let world = world(json!({}));
            let uploaded = world.models.push("v2", &FILES, json!({}));
            world.calls.inject(fault);
            let World { store, models, executions, .. } = &world;
            let first = announce_model::run(store, models, executions, &uploaded, at(1)).await;
            // What was heard of only saves the sweep a look.
            assert_eq!(first.is_err(), number + 1 < calls, "call {number}");
            let answers = announce(&world, &uploaded).await;
            assert!(matches!(answers[..], [Answer::Started(_)]), "call {number}: {answers:?}");
            assert_eq!(executions.started().len(), 1);
            assert_eq!(store.read(|items| items.releases.len()), 1);
            assert_eq!(notes(&world), []);
        }
    }
}

#[tokio::test]
async fn a_thousand_files_are_looked_at_sixteen_at_a_time() {
    let world = world(json!({}));
    let names: Vec<String> = (0..1000).map(|number| format!("shard-{number:04}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let uploaded = world.models.push("v2", &files, json!({}));
    assert!(matches!(announce(&world, &uploaded).await[..], [Answer::Started(_)]));
    assert_eq!(world.calls.count("object"), 1000);
    assert!(world.models.most_at_once() <= 16, "{}", world.models.most_at_once());
    for name in &names[..7] {
        world.models.delete(&format!("models/news/v2/{name}"));
    }
    world.store.change(|items| items.artifacts.clear());
    let text = format!("{:?}", announce(&world, &uploaded).await);
    assert!(text.contains("7 of 1000 files: shard-0000: was deleted"), "{text}");
    assert!(text.contains("and 2 more"), "{text}");
}

#[tokio::test]
async fn the_list_says_what_became_of_each_version() {
    let world = serving(json!({}), json!({ "accuracy": 0.92 })).await;
    announce(&world, &world.models.push("v2", &FILES, json!({}))).await;
    world.models.push("v3", &FILES, json!({}));
    world.models.put("models/news/v4/model.onnx", "half");
    world.models.put("models/news/v5/manifest.json", "{}");
    let target = taking(json!({}));
    let rules = Rules::of(&target).unwrap();
    let (store, models) = (&world.store, &world.models);
    let found = model_list::list(store, models, &news(), rules.source).await.unwrap();
    let mut found: Vec<_> = found.into_iter().map(|m| (m.version, m.state)).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let expected =
        [State::Serving, State::Releasing, State::Uploaded, State::Incomplete, State::Unreadable];
    assert_eq!(found.iter().map(|(_, state)| *state).collect::<Vec<_>>(), expected);
    let show = |version: &str| {
        let version = version.parse().unwrap();
        async move { model_list::show(store, models, (&news(), rules), &version).await.unwrap() }
    };
    assert_eq!(show("v3").await.unwrap().refusal, None);
    world.models.delete("models/news/v3/labels.txt");
    assert!(show("v3").await.unwrap().refusal.unwrap().contains("labels.txt: was deleted"));
    assert!(show("v4").await.unwrap().refusal.unwrap().contains("there is no manifest.json"));
    assert!(show("v9").await.is_none());
}
