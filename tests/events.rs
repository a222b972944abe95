//! Every event file is read by the function that takes it, with the outcome that its name promises.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use perch_app::announce::{self, Announcement, Answer};
use perch_app::announce_model::{self, Uploaded};
use perch_app::close_release::CloseInput;
use perch_app::deployment::changed::Changed;
use perch_app::on_alarm::{self, Alarm};
use perch_app::reload::{FleetInput, PrepareInput};
use perch_app::restore_traffic::RollbackInput;
use perch_app::step::StepInput;
use perch_aws::events::{self, Delivered, EventError};
use perch_core::artifact::Artifact;
use perch_core::target::Target;
use perch_testkit::World;
use perch_tests::{entries, functions, json, name, yaml};
use serde_json::{Value, json};

/// What an event means to the function that takes it.
#[derive(Debug, PartialEq)]
enum Meaning {
    Push(Announcement),
    Upload(Uploaded),
    Alarm(Alarm),
    Nothing,
    Refused(String),
}

fn delivered(event: &Value) -> Delivered {
    serde_json::from_value(event.clone()).unwrap()
}

fn refused(error: EventError) -> Meaning {
    Meaning::Refused(error.to_string())
}

fn image(event: &Value) -> Meaning {
    let found = events::image_of(&delivered(event));
    found.map_or_else(refused, |push| push.map_or(Meaning::Nothing, Meaning::Push))
}

fn package(event: &Value) -> Meaning {
    events::package_of(&delivered(event)).map_or_else(refused, Meaning::Push)
}

fn model(event: &Value) -> Meaning {
    events::model_of(&delivered(event)).map_or_else(refused, Meaning::Upload)
}

fn alarm(event: &Value) -> Meaning {
    let found = events::alarm_of(&delivered(event));
    found.map_or_else(refused, |alarm| alarm.map_or(Meaning::Nothing, Meaning::Alarm))
}

/// What the function of this event's source makes of it.
fn meaning(event: &Value) -> Meaning {
    match event["source"].as_str() {
        Some("aws.ecr") => image(event),
        Some("aws.s3") => match event["detail"]["object"]["key"].as_str() {
            Some(key) if key.ends_with("/manifest.json") => model(event),
            _ => package(event),
        },
        Some("aws.cloudwatch") => alarm(event),
        other => panic!("nobody takes events of {other:?}"),
    }
}

fn names(folder: &str) -> Vec<String> {
    let files = entries(folder).into_iter().filter(|file| file.extension().is_some());
    files.map(|file| name(&file)).filter(|name| name.ends_with(".json")).collect()
}

fn event(name: &str) -> Value {
    json(Path::new("events").join(name))
}

/// The target that the events are about, and the one that takes packages.
fn targets() -> [Target; 2] {
    ["examples/news-classifier/target.demo.yaml", "events/target-zip.yaml"]
        .map(|path| serde_json::from_value(yaml(path)).unwrap())
}

fn world() -> World {
    let world = World::empty();
    for target in targets() {
        world.add(&target);
    }
    world
}

#[test]
fn every_function_has_an_event() {
    let expected: Vec<String> = functions().iter().map(|f| format!("{f}.json")).collect();
    assert_eq!(names("events"), expected);
}

#[test]
fn steps_read_their_input() {
    for step in [
        "follow-deployment",
        "judge-canary",
        "prepare-canary",
        "promote-canary",
        "reload-replicas",
        "restore-replicas",
        "run-smoke-tests",
        "shift-weight",
        "stop-deployment",
    ] {
        serde_json::from_value::<StepInput>(event(&format!("{step}.json"))).unwrap();
    }
    let prepare: PrepareInput = serde_json::from_value(event("prepare-model.json")).unwrap();
    assert_eq!(prepare.fleet.replicas.len(), 2);
    let read: FleetInput = serde_json::from_value(event("read-replicas.json")).unwrap();
    assert!(matches!(read, FleetInput::Target { .. }));
    let close: CloseInput = serde_json::from_value(event("close-release.json")).unwrap();
    assert_eq!(close.failure, None);
    let restore: RollbackInput = serde_json::from_value(event("restore-traffic.json")).unwrap();
    assert!(restore.cause.is_some());
}

/// The content does not matter: the handler reads none of it.
#[test]
fn the_sweep_comes_with_a_scheduled_event() {
    let event = delivered(&event("reconcile.json"));
    let found = (event.detail_type.as_str(), event.source.as_str(), event.detail);
    assert_eq!(found, ("Scheduled Event", "aws.events", json!({})));
}

#[test]
fn pushes_and_alarms_are_read() {
    let pushed = image(&event("on-image-push.json"));
    let Meaning::Push(Announcement { artifact: Artifact::Image { repository, tag, .. }, .. }) =
        &pushed
    else {
        panic!("{pushed:?}")
    };
    assert_eq!((repository.as_str(), tag.is_some()), ("news-classifier", true));

    let uploaded = package(&event("on-package-upload.json"));
    let Meaning::Push(Announcement { artifact, event: id, pushed_at }) = &uploaded else {
        panic!("{uploaded:?}")
    };
    assert_eq!(
        artifact.identity(),
        "s3://news-classifier-packages/builds/news-classifier-20260302091402118.zip\
         @IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"
    );
    assert_eq!(id, "17793124-05d4-b198-2fde-7ededc63b103");
    assert_eq!(pushed_at.to_string(), "2026-03-02T09:15:11Z");

    let went_off = alarm(&event("on-alarm.json"));
    let Meaning::Alarm(alarm) = &went_off else { panic!("{went_off:?}") };
    assert!(targets()[0].guards.contains(&alarm.name) && !alarm.reason.is_empty());
}

#[test]
fn the_end_of_a_deployment_is_read() {
    let ended = event("on-deployment-change.json");
    let found = |event: &Value| events::deployment_of(&delivered(event));
    let deployment = Changed::Deployment("d-A1B2C3D4E".parse().unwrap());
    assert_eq!(found(&ended).unwrap().unwrap(), deployment);
    assert_eq!(found(&extended(&ended)).unwrap().unwrap(), deployment);
    for (state, ends) in [("SUCCESS", true), ("STOP", true), ("START", false), ("READY", false)] {
        let mut other = ended.clone();
        other["detail"]["state"] = json!(state);
        assert_eq!(found(&other).unwrap().is_some(), ends, "{state}");
    }
    let mut nameless = ended;
    nameless["detail"].as_object_mut().unwrap().remove("deploymentId");
    let error = found(&nameless).unwrap_err().to_string();
    assert!(error.contains("missing field `deploymentId`"), "{error}");
}

#[test]
fn the_end_of_a_service_deployment_is_read() {
    // ECS Developer Guide, "Amazon ECS service deployment state change events", example.
    let event = |name: &str| {
        json!({
            "version": "0", "id": "ddca6449-b258-46c0-8653-e0e3aEXAMPLE", "source": "aws.ecs",
            "detail-type": "ECS Deployment State Change", "account": "111122223333",
            "time": "2020-05-23T12:31:14Z", "region": "us-west-2",
            "resources": ["arn:aws:ecs:us-west-2:111122223333:service/default/servicetest"],
            "detail": {
                "eventType": "INFO", "eventName": name, "deploymentId": "ecs-svc/123",
                "updatedAt": "2020-05-23T11:11:11Z", "reason": "ECS deployment ecs-svc/123 ended.",
            },
        })
    };
    let found = |event: &Value| events::deployment_of(&delivered(event)).unwrap();
    for name in ["SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"] {
        for event in [event(name), extended(&event(name))] {
            let Some(Changed::Service(of)) = found(&event) else { panic!("{name}") };
            assert_eq!((of.cluster.as_str(), of.service.as_str()), ("default", "servicetest"));
        }
    }
    assert_eq!(found(&event("SERVICE_DEPLOYMENT_IN_PROGRESS")), None);
}

/// What an event of `events/bad` comes to.
enum Expected {
    /// It is understood; what it is about may still lead to nothing.
    Understood,
    Nothing,
    /// It is refused with a text that has this in it.
    Refused(&'static str),
}

#[test]
fn bad_events_come_to_what_they_should() {
    use Expected::{Nothing, Refused, Understood};
    let expected = [
        ("alarm-composite.json", Understood),
        ("alarm-math.json", Understood),
        ("alarm-single-metric.json", Understood),
        ("alarm-to-ok.json", Nothing),
        ("image-delete.json", Nothing),
        ("image-push-failed.json", Nothing),
        ("image-push-foreign-tag.json", Understood),
        ("image-push-malformed-digest.json", Refused("`image-digest`: ")),
        ("image-push-missing-field.json", Refused("missing field `repository-name`")),
        ("image-push-unknown-repository.json", Understood),
        ("image-push-untagged.json", Understood),
        ("image-storage-class.json", Nothing),
        ("model-upload-no-bucket.json", Refused("missing field `bucket`")),
        ("model-upload-unversioned.json", Understood),
        ("package-upload-unversioned.json", Refused("`object.version-id`")),
    ];
    let listed: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    assert_eq!(names("events/bad"), listed);
    for (name, expected) in expected {
        let found = meaning(&json(Path::new("events/bad").join(name)));
        let fine = match (&expected, &found) {
            (Understood, Meaning::Push(_) | Meaning::Upload(_) | Meaning::Alarm(_))
            | (Nothing, Meaning::Nothing) => true,
            (Refused(part), Meaning::Refused(text)) => text.contains(part),
            _ => false,
        };
        assert!(fine, "{name}: {found:?}");
    }
}

#[test]
fn an_action_that_is_no_push_leaves_a_note_that_says_so() {
    for (name, text) in [
        ("image-delete.json", "the action is DELETE with result SUCCESS"),
        ("image-push-failed.json", "the action is PUSH with result FAILURE"),
        ("image-storage-class.json", "the action is UPDATE_STORAGE_CLASS with result SUCCESS"),
    ] {
        let event = json(Path::new("events/bad").join(name));
        let note = events::not_a_push(&delivered(&event));
        assert!(note.text.starts_with(text), "{note:?}");
        assert!(note.subject.starts_with("news-classifier@sha256:"), "{note:?}");
        assert_eq!((note.event.as_str(), note.target), (event["id"].as_str().unwrap(), None));
    }
}

/// What a push or an upload leads to in an installation that has both targets.
async fn announced(path: &str) -> Vec<Answer> {
    let world = world();
    let Meaning::Push(announcement) = meaning(&json(path)) else { panic!("{path}") };
    let now = announcement.pushed_at;
    let answers = announce::run(&world.store, &world.executions, &announcement, now).await.unwrap();
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[tokio::test]
async fn the_steps_are_about_the_release_that_the_push_starts() {
    let answers = announced("events/on-image-push.json").await;
    let [Answer::Started(id)] = answers.as_slice() else { panic!("{answers:?}") };
    let others = ["answer-hook", "notify", "publish-events", "read-replicas", "reconcile"];
    let steps =
        functions().into_iter().filter(|f| !f.starts_with("on-") && !others.contains(&f.as_str()));
    for step in steps {
        assert_eq!(event(&format!("{step}.json"))["releaseId"], id.as_str(), "{step}");
    }
    for file in ["notify.json", "publish-events.json"] {
        let record = &event(file)["Records"][0]["dynamodb"]["NewImage"];
        assert_eq!(record["release"]["S"], id.as_str());
    }
}

#[tokio::test]
async fn an_upload_starts_a_release_of_the_target_that_takes_packages() {
    let answers = announced("events/on-package-upload.json").await;
    let [Answer::Started(id)] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(id.as_str().starts_with("news-classifier-zip-20260302-091511-"), "{id}");
}

/// What an upload leads to where the target of `events/target-model.yaml` takes it and the bucket has
/// `text` as its manifest.
async fn uploaded(path: &str, text: &str) -> Vec<Answer> {
    let world = World::empty();
    world.add(&serde_json::from_value(yaml("events/target-model.yaml")).unwrap());
    let Meaning::Upload(told) = meaning(&json(path)) else { panic!("{path}") };
    let written = world.models.announce(&told.key, text);
    let upload = Uploaded { object: told.object.as_ref().and(written.object), ..told };
    let World { store, models, executions, .. } = &world;
    let now = upload.at;
    let answers = announce_model::run(store, models, executions, &upload, now).await.unwrap();
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[tokio::test]
async fn a_model_upload_is_checked_for_the_target_that_takes_it() {
    let file = r#"{"path": "model.onnx", "size": 1, "sha256": "SUM", "versionId": "a"}"#;
    let manifest = r#"{"schemaVersion": 1, "model": "news", "version": "v2", "files": [FILE],
        "metrics": {"accuracy": 0.93}, "createdBy": "ada", "createdAt": "2026-03-02T09:15:00Z"}"#;
    let text = manifest.replace("FILE", file).replace("SUM", &"0".repeat(64));
    for (path, why) in [
        ("events/on-model-upload.json", "1 of 1 files: model.onnx: is not there"),
        ("events/bad/model-upload-unversioned.json", "keeps no versions of its objects"),
    ] {
        let answers = uploaded(path, &text).await;
        let [Answer::Ignored(text)] = answers.as_slice() else { panic!("{path}: {answers:?}") };
        assert!(text.contains(why), "{path}: {text}");
    }
}

#[tokio::test]
async fn pushes_that_no_target_takes_say_why() {
    for (file, why) in [
        (
            "image-push-foreign-tag.json",
            "tag nightly-20260302 matches none of the target's globs: v*",
        ),
        ("image-push-unknown-repository.json", "no target takes artifacts from this source"),
        ("image-push-untagged.json", "the push has no tag"),
    ] {
        let answers = announced(&format!("events/bad/{file}")).await;
        let [Answer::Ignored(text)] = answers.as_slice() else { panic!("{file}: {answers:?}") };
        assert!(text.contains(why), "{file}: {text}");
    }
}

#[tokio::test]
async fn an_alarm_without_a_release_changes_nothing() {
    let world = world();
    let Meaning::Alarm(alarm) = alarm(&event("on-alarm.json")) else { panic!() };
    let answers =
        on_alarm::run(&world.store, &world.lambda, &world.executions, &alarm).await.unwrap();
    let [target, _] = targets();
    assert_eq!(answers, [(target.name, on_alarm::Answer::NothingInFlight)]);
}

/// The event with a field more in every object.
fn extended(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), extended(value))).collect();
            fields.insert("added-later".into(), json!({ "by": "AWS" }));
            fields.into()
        }
        Value::Array(items) => items.iter().map(extended).collect(),
        other => other.clone(),
    }
}

#[test]
fn fields_that_are_added_later_are_ignored() {
    for name in ["on-image-push.json", "on-package-upload.json", "on-alarm.json"] {
        let event = event(name);
        let more = extended(&event);
        assert_ne!(more, event);
        assert_eq!(meaning(&more), meaning(&event), "{name}");
    }
}

#[test]
fn a_missing_or_wrong_field_is_named_with_the_event() {
    for (name, fields) in [
        (
            "on-image-push.json",
            vec!["/result", "/action-type", "/repository-name", "/image-digest"],
        ),
        ("on-package-upload.json", vec!["/bucket", "/bucket/name", "/object", "/object/key"]),
        ("on-alarm.json", vec!["/alarmName", "/state", "/state/value"]),
    ] {
        for field in fields {
            let (parent, last) = field.rsplit_once('/').unwrap();
            let mut without = event(name);
            let at = format!("/detail{parent}");
            without.pointer_mut(&at).unwrap().as_object_mut().unwrap().remove(last).unwrap();
            let id = without["id"].as_str().unwrap().to_owned();
            let Meaning::Refused(text) = meaning(&without) else { panic!("{name} {field}") };
            assert!(text.contains(&format!("missing field `{last}`")), "{text}");
            assert!(text.contains(&id), "{text}");

            let mut wrong = event(name);
            *wrong.pointer_mut(&format!("/detail{field}")).unwrap() = json!(7);
            let Meaning::Refused(text) = meaning(&wrong) else { panic!("{name} {field}") };
            let path = field[1..].replace('/', ".");
            assert!(text.contains(&format!("`{path}`: ")), "{text}");
        }
    }
}

#[test]
fn an_event_of_another_kind_says_what_was_expected() {
    let image_event = event("on-image-push.json");
    let Meaning::Refused(text) = alarm(&image_event) else { panic!() };
    assert_eq!(
        text,
        "expected a `CloudWatch Alarm State Change` event, got `ECR Image Action`; check the rule \
         that delivers it"
    );
    assert!(matches!(package(&image_event), Meaning::Refused(_)));
    assert!(matches!(image(&event("on-alarm.json")), Meaning::Refused(_)));
}

#[test]
fn something_that_is_no_event_is_refused_by_its_missing_field() {
    let error = serde_json::from_value::<Delivered>(json!({ "hello": "world" })).unwrap_err();
    assert!(error.to_string().contains("detail-type"), "{error}");
}

/// The samples of AWS's documentation, as published.
#[test]
fn documented_events_are_understood() {
    let folder = "tests/fixtures/aws-events";
    let mut understood = Vec::new();
    for name in names(folder) {
        let sample = json(Path::new(folder).join(&name));
        let kind = sample["detail-type"].as_str().unwrap_or_default();
        match (kind, meaning_of_sample(&sample)) {
            ("CloudWatch Alarm State Change", Some(found)) => {
                let detail = &sample["detail"];
                if detail["state"]["value"] == "ALARM" {
                    let Meaning::Alarm(alarm) = found else { panic!("{name}") };
                    assert_eq!(alarm.name.as_str(), detail["alarmName"]);
                    assert_eq!(alarm.reason, detail["state"]["reason"].as_str().unwrap());
                } else {
                    assert_eq!(found, Meaning::Nothing, "{name}");
                }
                understood.push(name);
            }
            // The digest in AWS's sample has 60 digits instead of 64.
            ("ECR Image Action", Some(found)) if sample["detail"]["action-type"] == "PUSH" => {
                let Meaning::Refused(text) = found else { panic!("{name}") };
                assert!(text.contains("`image-digest`: "), "{name}: {text}");
                understood.push(name);
            }
            ("ECR Image Action", Some(found)) => {
                assert_eq!(found, Meaning::Nothing, "{name}");
                understood.push(name);
            }
            ("Object Created", Some(found)) => {
                assert!(matches!(found, Meaning::Push(_)), "{name}: {found:?}");
                understood.push(name);
            }
            (_, Some(found)) => assert!(matches!(found, Meaning::Refused(_)), "{name}: {found:?}"),
            (_, None) => {}
        }
    }
    assert!(understood.len() >= 10, "{understood:?}");
}

/// `None` for samples that are no events that can be delivered: an SNS payload, and one of
/// 29 February 2023.
fn meaning_of_sample(sample: &Value) -> Option<Meaning> {
    let can_be_delivered = serde_json::from_value::<Delivered>(sample.clone()).is_ok();
    can_be_delivered.then(|| meaning(sample))
}
