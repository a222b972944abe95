//! A model on a Lambda function: the code that serves, pointed at the model; and images after it.

use perch_app::order;
use perch_app::ports::{Asked, Machine, StartExecution as _};
use perch_app::prepare_canary;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_core::artifact::{Artifact, Lane};
use perch_core::phase::Phase;
use perch_core::pointer::ModelPointer;
use perch_core::release::{Cause, Plan, Release};
use perch_core::target::{Lambda, Target};
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::lambda::Function;
use perch_testkit::{
    Failure, Fault, Machines, Paused, TargetBuilder, World, at, digest, healthy, image, release,
    target, uploads,
};
use serde_json::{Value, json};

async fn prepare(world: &World, seconds: i64) -> Result<StepOutput, StepError> {
    let World { store, lambda, uploads, alarms, metrics, .. } = world;
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    prepare_canary::run(store, lambda, (lambda, uploads, alarms, metrics), &input, at(seconds))
        .await
}

/// Prepares as often as a machine would; the last answer.
async fn prepared(world: &World) -> String {
    for seconds in 0..20 {
        match prepare(world, seconds).await {
            Ok(output) if output.next == "Prepare" => {}
            Ok(output) => return output.next,
            Err(_) => {}
        }
    }
    panic!("it goes on and on: {:?}", world.calls.log())
}

const WEIGHTS: &[u8] = b"the weights";

/// The golden requests that every model here brings.
fn golden() -> Value {
    let request = |name: &str| json!({ "name": name, "input": { "text": name }, "expect": { "label": "politics" } });
    json!([request("elections"), request("parliament")])
}

fn manifest(version: &str) -> Vec<u8> {
    let golden = golden().to_string();
    let file = |path: &str, content: &[u8]| {
        let (sum, id) = (uploads::sum(content), uploads::id(content));
        json!({ "path": path, "size": content.len(), "sha256": sum, "versionId": id })
    };
    let manifest = json!({
        "schemaVersion": 1, "model": "news", "version": version,
        "files": [file("model.onnx", WEIGHTS), file("golden.json", golden.as_bytes())],
        "metrics": { "accuracy": 0.93 },
        "createdBy": "ada", "createdAt": "2026-11-21T10:00:00Z", "golden": "golden.json",
    });
    manifest.to_string().into_bytes()
}

fn model(version: &str) -> Artifact {
    Artifact::Model {
        bucket: "models".parse().unwrap(),
        key: format!("news/{version}/manifest.json"),
        object: uploads::id(&manifest(version)),
        version: version.parse().unwrap(),
    }
}

/// The answer that every golden request expects.
fn right() -> Asked {
    Asked::Answer(json!({ "label": "politics", "score": 0.9 }))
}

/// The target, which takes models too.
fn takes_models(target: TargetBuilder) -> Target {
    let mut target = target.build();
    target.sources.model =
        serde_json::from_value(json!({ "bucket": "models", "prefix": "news" })).unwrap();
    target
}

/// Model v2 is uploaded, and answers its golden requests.
fn upload(world: &World) {
    upload_version(world, "v2");
}

fn upload_version(world: &World, version: &str) {
    world.uploads.put(&format!("news/{version}/model.onnx"), WEIGHTS);
    world.uploads.put(&format!("news/{version}/golden.json"), golden().to_string().as_bytes());
    world.uploads.put(&format!("news/{version}/manifest.json"), &manifest(version));
    world.lambda.change(|account| account.answers.insert(version.to_owned(), right()));
}

/// From now on a model has to measure more than any here does.
fn demand_more(world: &World) {
    let require = vec!["accuracy >= 0.99".parse().unwrap()];
    world.store.change(|items| {
        let source = items.targets.values_mut().next().unwrap().sources.model.as_mut();
        source.unwrap().require = require;
    });
}

fn pointer(version: &str) -> Option<ModelPointer> {
    ModelPointer::to(&model(version))
}

/// A pending release of this artifact, where version 1 serves with image a and model v1.
fn world(artifact: Artifact) -> World {
    let target = takes_models(target());
    let plan = Plan::of(&target, artifact.lane()).unwrap();
    let world = World::with(&target);
    world.place(&Release { artifact, plan, ..release().to(&target).build() });
    upload(&world);
    change(&world, |function| {
        function.model = pointer("v1");
        function.versions[0].as_mut().unwrap().model = pointer("v1");
    });
    world
}

fn change(world: &World, change: impl FnOnce(&mut Function)) {
    world.lambda.change(|account| change(account.functions.values_mut().next().unwrap()));
}

/// Code and model of the newest version, and of the unpublished function.
fn newest(world: &World) -> [(String, Option<ModelPointer>); 2] {
    world.lambda.read(|account| {
        let function = account.functions.values().next().unwrap();
        let version = function.versions.last().unwrap().as_ref().unwrap();
        [
            (version.code.clone(), version.model.clone()),
            (function.code.clone(), function.model.clone()),
        ]
    })
}

fn versions(world: &World) -> usize {
    world.lambda.read(|account| account.functions.values().next().unwrap().versions.len())
}

fn current(world: &World) -> Release {
    world.release(&"news-1".parse().unwrap())
}

fn rejection(world: &World) -> String {
    match current(world).phase {
        Phase::Rejected { why } => why,
        other => panic!("not rejected: {other:?}"),
    }
}

fn live() -> Lambda {
    target().build().service.lambda.unwrap()
}

#[tokio::test]
async fn a_model_is_published_with_the_code_that_serves() {
    let world = world(model("v2"));
    world.lambda.change(|account| (account.update_looks, account.version_looks) = (1, 1));
    assert_eq!(prepared(&world).await, "Shift");
    let expected = (digest('a').to_string(), pointer("v2"));
    assert_eq!(newest(&world), [expected.clone(), expected]);
    let release = current(&world);
    assert_eq!(release.canary.as_ref().unwrap().as_str(), "2");
    assert_eq!(release.ledger.unwrap().alias().unwrap().model, pointer("v1"));
    assert_eq!((world.calls.count("point_at"), world.calls.count("set_image")), (1, 0));
    assert_eq!(world.lambda.routes(&live()).len(), 1, "no traffic moved");
    let causes: Vec<String> =
        world.journal(&current(&world).id).into_iter().map(|e| e.cause).collect();
    let code = format!("model v2 runs with the code of version 1, {}", digest('a').hex());
    assert!(causes.contains(&code), "{causes:?}");
    assert_eq!(broken_always(&world), [""; 0]);
}

#[tokio::test]
async fn code_that_never_served_does_not_go_out_with_a_model() {
    let world = world(model("v2"));
    world.lambda.change(|account| {
        account.update_code(&live().function, digest('f').as_str()).unwrap();
    });
    assert_eq!(prepared(&world).await, "Shift");
    assert_eq!(newest(&world)[0], (digest('a').to_string(), pointer("v2")));
    assert_eq!(world.calls.count("set_image"), 1);
}

#[tokio::test]
async fn code_of_a_zip_function_that_never_served_ends_the_release() {
    let target = takes_models(target().taking_packages());
    let plan = Plan::of(&target, Lane::Model).unwrap();
    let pending = Release { artifact: model("v2"), plan, ..release().to(&target).build() };
    let world = World::with(&target);
    world.place(&pending);
    upload(&world);
    world.lambda.change(|account| {
        account.update_code(&live().function, "s3://models/news/never.zip@1").unwrap();
    });
    assert_eq!(prepared(&world).await, "Close");
    let why = "the unpublished code of news is not the code that serves";
    assert!(rejection(&world).starts_with(why), "{}", rejection(&world));
    assert_eq!((world.calls.count("point_at"), versions(&world)), (0, 1));
    // With the code that serves it is released.
    let world = World::with(&target);
    world.place(&pending);
    upload(&world);
    assert_eq!(prepared(&world).await, "Shift");
    assert_eq!(newest(&world)[0].1, pointer("v2"));
}

#[tokio::test]
async fn an_image_goes_out_with_the_model_that_serves_not_with_one_that_was_rolled_back() {
    let world = world(image('b', "v2"));
    change(&world, |function| function.model = pointer("v2-rolled-back"));
    assert_eq!(prepared(&world).await, "Shift");
    assert_eq!(newest(&world)[0], (digest('b').to_string(), pointer("v1")));
}

#[tokio::test]
async fn an_image_of_a_function_without_models_costs_no_call_more() {
    let world = World::amid(&release().build());
    assert_eq!(prepared(&world).await, "Shift");
    assert_eq!(world.calls.count("point_at"), 0);
    assert_eq!(world.calls.count("version"), 2, "the ledger's and the new one");
}

#[tokio::test]
async fn an_image_removes_a_model_where_none_served() {
    let world = world(image('b', "v2"));
    change(&world, |function| function.versions[0].as_mut().unwrap().model = None);
    assert_eq!(prepared(&world).await, "Shift");
    assert_eq!(newest(&world)[0], (digest('b').to_string(), None));
}

#[tokio::test]
async fn a_model_that_serves_already_is_not_released() {
    let world = world(model("v1"));
    assert_eq!(prepared(&world).await, "Close");
    assert_eq!(rejection(&world), "model v1 serves already, as version 1");
    assert_eq!(versions(&world), 1);
}

#[tokio::test]
async fn whatever_call_fails_the_same_version_comes_out_of_it() {
    let calls = {
        let world = world(model("v2"));
        assert_eq!(prepared(&world).await, "Shift");
        world.calls.total()
    };
    for call in 0..calls {
        for after in [false, true] {
            let world = world(model("v2"));
            let fault = Fault::call(call).with(Failure::Unavailable);
            world.calls.inject(if after { fault.after() } else { fault });
            assert_eq!(prepared(&world).await, "Shift", "call {call}, after {after}");
            let expected = (digest('a').to_string(), pointer("v2"));
            assert_eq!(newest(&world), [expected.clone(), expected], "call {call}");
            assert_eq!(versions(&world), 2, "call {call}, after {after}: one effect");
            assert_eq!(world.lambda.routes(&live()).len(), 1, "no traffic moved");
            assert_eq!(broken_always(&world), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_missing_right_ends_the_release_before_any_traffic() {
    for (call, code) in [("point_at", 'a'), ("publish", 'a'), ("set_image", 'f')] {
        let world = world(model("v2"));
        world.lambda.change(|account| {
            account.update_code(&live().function, digest(code).as_str()).unwrap();
        });
        world.calls.inject(Fault::of(call).with(Failure::Denied));
        assert_eq!(prepared(&world).await, "Close");
        let why = format!("permission denied for {call}");
        assert!(rejection(&world).starts_with(&why), "{}", rejection(&world));
        assert_eq!((versions(&world), world.lambda.routes(&live()).len()), (1, 1));
        assert_eq!(broken_at_rest(&world), [""; 0]);
    }
}

#[tokio::test]
async fn an_environment_that_can_not_be_read_is_not_written() {
    let world = world(model("v2"));
    change(&world, |function| function.sealed = Some("no right to the KMS key".to_owned()));
    assert_eq!(prepared(&world).await, "Close");
    assert_eq!(
        rejection(&world),
        "the environment of function news was refused: no right to the KMS key"
    );
    assert_eq!((versions(&world), &newest(&world)[1].1), (1, &pointer("v1")));
}

#[tokio::test]
async fn an_environment_that_somebody_changes_meanwhile_is_not_released() {
    let world = world(model("v2"));
    // The ledger, the check, the code, the environment; then the look before the publication.
    for seconds in 0..4 {
        prepare(&world, seconds).await.unwrap();
    }
    assert_eq!(world.calls.count("point_at"), 1);
    let paused = Paused::new(&world.calls, prepare(&world, 5)).before("publish");
    change(&world, |function| function.model = pointer("v9"));
    assert_eq!(paused.finish().unwrap().next, "Close");
    let why = "someone else changed the environment of news while its version was to be published";
    assert!(rejection(&world).starts_with(why), "{}", rejection(&world));
    assert_eq!(world.lambda.routes(&live()).len(), 1, "no traffic moved");
}

#[tokio::test]
async fn golden_requests_go_to_the_version_by_its_number_before_it_has_traffic() {
    let world = world(model("v2"));
    assert_eq!(prepared(&world).await, "Shift");
    let sent = world.lambda.read(|account| account.requests.clone());
    let inputs = golden();
    let inputs = inputs.as_array().unwrap().iter();
    let expected: Vec<_> =
        inputs.map(|request| ("news:2".to_owned(), request["input"].clone())).collect();
    assert_eq!(sent, expected);
    let facts = current(&world).reload.unwrap().facts;
    assert_eq!((facts.files, facts.golden), (2, 2));
}

#[tokio::test]
async fn a_wrong_answer_ends_the_release_with_the_difference() {
    for (answer, why) in [
        (
            Asked::Answer(json!({ "label": "sport", "score": 0.99 })),
            "$.label: expected \"politics\", got \"sport\"",
        ),
        (
            Asked::Failed("Unhandled: out of memory".to_owned()),
            "the version failed: Unhandled: out of memory",
        ),
    ] {
        let world = world(model("v2"));
        world.lambda.change(|account| account.answers.insert("v2".to_owned(), answer));
        assert_eq!(prepared(&world).await, "Close");
        let expected = format!("version 2 of news: golden request 1 of 2, `elections`: {why}");
        assert_eq!(rejection(&world), expected);
        assert_eq!(world.lambda.routes(&live()).len(), 1, "no traffic moved");
        assert_eq!(broken_at_rest(&world), [""; 0]);
    }
}

#[tokio::test]
async fn an_upload_that_is_not_complete_any_more_changes_nothing() {
    type Spoil = fn(&World);
    let cases: [(Spoil, &str); 4] = [
        (|world| world.uploads.delete("news/v2/model.onnx"), "the upload is not complete"),
        (
            |world| drop(world.uploads.put("news/v2/model.onnx", b"other weights")),
            "the upload is not complete",
        ),
        (|world| world.uploads.delete("news/v2/manifest.json"), "was deleted after the upload"),
        (
            |world| {
                world.store.change(|items| {
                    items.targets.values_mut().for_each(|target| target.sources.model = None);
                })
            },
            "the target takes no models any more",
        ),
    ];
    for (spoil, why) in cases {
        let world = world(model("v2"));
        spoil(&world);
        assert_eq!(prepared(&world).await, "Close");
        assert!(rejection(&world).contains(why), "{}", rejection(&world));
        assert_eq!((world.calls.count("update_code"), world.calls.count("point_at")), (0, 0));
        assert_eq!((versions(&world), world.calls.count("ask")), (1, 0));
    }
}

#[tokio::test]
async fn only_on_a_person_s_way_back_a_model_may_measure_less() {
    for way_back in [false, true] {
        let world = world(model("v2"));
        demand_more(&world);
        let (by, reason) = ("kim".to_owned(), "wrong labels".to_owned());
        let cause = Cause::Person { by, reason, at: at(0), overrides: Vec::new(), way_back };
        world.store.change(|items| items.releases.values_mut().next().unwrap().cause = cause);
        if way_back {
            assert_eq!(prepared(&world).await, "Shift", "{:?}", current(&world).phase);
            assert_eq!(newest(&world)[0].1, pointer("v2"));
        } else {
            assert_eq!(prepared(&world).await, "Close");
            let why = "accuracy is 0.93, the limit is 0.99";
            assert!(rejection(&world).contains(why), "{}", rejection(&world));
        }
    }
}

#[tokio::test]
async fn a_person_goes_back_to_the_model_before() {
    let world = world(model("v2"));
    for version in ["1", "2", "3"] {
        world.metrics.set(version, healthy());
    }
    world.metrics.set_total(healthy());
    upload_version(&world, "v1");
    let (id, input) = ("news-1".parse().unwrap(), json!({ "releaseId": "news-1", "fence": 1 }));
    world.executions.start(Machine::CanaryDeploy, &id, &input).await.unwrap();
    let mut machines = Machines::new(at(1));
    machines.run(&world).await;
    assert_eq!(current(&world).phase, Phase::Promoted);
    demand_more(&world);
    let World { store, uploads, executions, .. } = &world;
    let (name, word) = ("news".parse().unwrap(), ("kim", "wrong labels"));
    let now = machines.now();
    let back = order::go_back_to_model(store, uploads, executions, (&name, None), word, now);
    let back = back.await.unwrap();
    machines.run(&world).await;
    let release = world.release(&back);
    assert_eq!(release.phase, Phase::Promoted, "{:?}", world.journal(&back));
    assert_eq!(release.artifact, model("v1"));
    assert_eq!(newest(&world)[0], (digest('a').to_string(), pointer("v1")));
    assert_eq!(world.route(&live()).primary, release.canary.unwrap());
    assert_eq!(broken_at_rest(&world), [""; 0]);
}
