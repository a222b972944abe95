//! A model on a Lambda function: the code that serves, pointed at the model; and images after it.

use perch_app::golden;
use perch_app::ports::Asked;
use perch_app::prepare_canary;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_core::artifact::{Artifact, Lane};
use perch_core::manifest::GoldenRequest;
use perch_core::phase::Phase;
use perch_core::pointer::ModelPointer;
use perch_core::release::{Plan, Release};
use perch_core::target::Lambda;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::lambda::Function;
use perch_testkit::{Failure, Fault, Paused, World, at, digest, image, release, target};
use serde_json::json;

async fn prepare(world: &World, seconds: i64) -> Result<StepOutput, StepError> {
    let World { store, lambda, alarms, metrics, .. } = world;
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    prepare_canary::run(store, lambda, (lambda, alarms, metrics), &input, at(seconds)).await
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

fn model(version: &str) -> Artifact {
    Artifact::Model {
        bucket: "models".parse().unwrap(),
        key: format!("news/{version}/manifest.json"),
        object: format!("object-{version}"),
        version: version.parse().unwrap(),
    }
}

fn pointer(version: &str) -> Option<ModelPointer> {
    ModelPointer::to(&model(version))
}

/// A pending release of this artifact, where version 1 serves with image a and model v1.
fn world(artifact: Artifact) -> World {
    let plan = Plan::of(&target().build(), Lane::Code).unwrap();
    let world = World::amid(&Release { artifact, plan, ..release().build() });
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
    let target = target().taking_packages().build();
    let plan = Plan::of(&target, Lane::Code).unwrap();
    let pending = Release { artifact: model("v2"), plan, ..release().to(&target).build() };
    let world = World::with(&target);
    world.place(&pending);
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
    // The ledger, the code, the environment; then the look before the publication.
    for seconds in 0..3 {
        prepare(&world, seconds).await.unwrap();
    }
    assert_eq!(world.calls.count("point_at"), 1);
    let paused = Paused::new(&world.calls, prepare(&world, 4)).before("publish");
    change(&world, |function| function.model = pointer("v9"));
    assert_eq!(paused.finish().unwrap().next, "Close");
    let why = "someone else changed the environment of news while its version was to be published";
    assert!(rejection(&world).starts_with(why), "{}", rejection(&world));
    assert_eq!(world.lambda.routes(&live()).len(), 1, "no traffic moved");
}

fn golden() -> Vec<GoldenRequest> {
    let request = |name: &str, label: &str| GoldenRequest {
        name: name.to_owned(),
        input: json!({ "text": name }),
        expect: json!({ "label": label }),
    };
    vec![request("elections", "politics"), request("goals", "politics")]
}

async fn asked(world: &World, answer: Option<Asked>) -> Option<String> {
    world.lambda.change(|account| {
        account.answers = answer.into_iter().map(|answer| ("v1".to_owned(), answer)).collect();
    });
    golden::run(&world.lambda, &live().function, &"1".parse().unwrap(), &golden()).await.unwrap()
}

#[tokio::test]
async fn golden_requests_go_to_the_version_by_its_number_and_show_the_difference() {
    let world = world(model("v2"));
    let answer = |label: &str| Some(Asked::Answer(json!({ "label": label, "score": 0.9 })));
    assert_eq!(asked(&world, answer("politics")).await, None);
    let sent = world.lambda.read(|account| account.requests.clone());
    let inputs = golden().into_iter().map(|request| ("news:1".to_owned(), request.input));
    assert_eq!(sent, inputs.collect::<Vec<_>>());
    assert_eq!(
        asked(&world, answer("sport")).await.as_deref(),
        Some("golden request 1 of 2, `elections`: $.label: expected \"politics\", got \"sport\"")
    );
    let failed = Some(Asked::Failed("Unhandled: out of memory".to_owned()));
    assert_eq!(
        asked(&world, failed).await.as_deref(),
        Some("golden request 1 of 2, `elections`: the version failed: Unhandled: out of memory")
    );
    world.calls.inject(Fault::of("ask"));
    let version = "1".parse().unwrap();
    golden::run(&world.lambda, &live().function, &version, &golden()).await.unwrap_err();
}
