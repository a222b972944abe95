//! The ledger, the code, the version; and every reason to refuse before traffic moves.

use perch_app::ports::Route;
use perch_app::prepare_canary;
use perch_app::step::{StepError, StepInput, StepOutput};
use perch_core::artifact::Artifact;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::weight::Weight;
use perch_testkit::invariants::{broken_always, broken_at_rest};
use perch_testkit::{Failure, Fault, Paused, World, at, digest, image, release, target};

async fn prepare(world: &World, seconds: i64) -> Result<StepOutput, StepError> {
    let World { store, lambda, uploads, alarms, metrics, .. } = world;
    let input = StepInput { release_id: "news-1".parse().unwrap(), fence: 1 };
    prepare_canary::run(store, lambda, (lambda, uploads, alarms, metrics), &input, at(seconds))
        .await
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

#[tokio::test]
async fn the_ledger_comes_first_then_the_code_then_the_version() {
    let world = World::amid(&release().build());
    world.lambda.change(|account| (account.update_looks, account.version_looks) = (2, 1));
    let mut told = Vec::new();
    for seconds in 0..10 {
        let output = prepare(&world, seconds).await.unwrap();
        told.push((output.next.clone(), output.wait_seconds));
        if output.next == "Shift" {
            break;
        }
    }
    let prepare = |seconds| ("Prepare".to_owned(), seconds);
    // Ledger, code, twice in progress, the version in progress, the version.
    let again = [prepare(0), prepare(1), prepare(2), prepare(2), prepare(2)];
    assert_eq!(told[..5], again);
    assert_eq!(told[5..], [("Shift".to_owned(), 0)]);
    let release = current(&world);
    assert_eq!(release.canary.as_ref().unwrap().as_str(), "2");
    assert_eq!(release.code.as_deref(), Some(digest('b').hex()));
    let ledger = release.ledger.clone().unwrap();
    let code = ledger.alias().unwrap().code.clone();
    assert_eq!((ledger.baseline.as_str(), code), ("1", digest('a').to_string()));
    assert_eq!(
        world.lambda.routes(release.plan.driver.alias().unwrap()).len(),
        1,
        "no traffic moved"
    );
    assert_eq!(broken_always(&world), [""; 0]);
}

#[tokio::test]
async fn the_ledger_is_durable_before_anything_is_changed() {
    let world = World::amid(&release().build());
    prepare(&world, 0).await.unwrap();
    assert_eq!(
        world.calls.log(),
        ["release", "alias", "has_provisioned_concurrency", "alarms", "version", "image", "commit"]
    );
    let head = world.head(&"news".parse().unwrap());
    assert_eq!(head.ledger, current(&world).ledger);
    assert!(head.ledger.is_some() && !head.exposed);
}

/// A change of the world that makes the release impossible.
type Spoil = fn(&World);

#[tokio::test]
async fn a_release_that_can_not_be_put_back_is_rejected_with_what_to_do() {
    let cases: [(Spoil, &str); 11] = [
        (
            |world| world.lambda.change(|account| account.functions.clear()),
            "function news has no alias live: publish a version and create the alias first, with \
             `aws lambda create-alias --function-name news --name live --function-version N`",
        ),
        (
            |world| {
                world.lambda.change(|account| {
                    let function = account.functions.values_mut().next().unwrap();
                    function.versions.push(function.versions[0].clone());
                });
                let split = Some(("2".parse().unwrap(), Weight::new(10).unwrap()));
                let route = Route { primary: "1".parse().unwrap(), split };
                world.lambda.move_alias(target().build().service.lambda.as_ref().unwrap(), &route);
            },
            "alias live is split already (10% on version 2), and Perch did not do it",
        ),
        (|world| world.alarms.set("errors", true), "guard errors is in ALARM already"),
        (|world| world.alarms.delete("errors"), "guard errors does not exist: create the alarm"),
        (
            |world| world.store.change(|items| first(items).artifact = image('a', "v2")),
            "news:v2 (aaaaaaaaaaaa) serves already, as version 1",
        ),
        (
            |world| {
                world.lambda.change(|account| {
                    account.functions.values_mut().for_each(|f| f.versions = vec![None]);
                });
            },
            "there is no way back: alias live points at version 1, which does not exist any more",
        ),
        (
            |world| {
                world.lambda.change(|a| a.gone.insert(digest('a').to_string()));
            },
            "is not in the registry any more; push it again or go to a version whose image exists",
        ),
        (
            |world| {
                world.lambda.change(|a| a.provisioned.insert("news:live".to_owned()));
            },
            "alias live of news has provisioned concurrency",
        ),
        (
            |world| world.calls.inject(Fault::of("alias").with(Failure::Denied)),
            "permission denied for alias",
        ),
        (
            |world| world.calls.inject(Fault::of("alarms").with(Failure::Denied)),
            "permission denied for alarms",
        ),
        (
            |world| world.calls.inject(Fault::of("version").with(Failure::Denied)),
            "permission denied for version",
        ),
    ];
    for (spoil, why) in cases {
        let world = World::amid(&release().build());
        spoil(&world);
        let output = prepare(&world, 0).await.unwrap();
        assert_eq!(output.next, "Close", "{why}");
        assert!(rejection(&world).contains(why), "{}", rejection(&world));
        assert_eq!(world.journal(&current(&world).id).last().unwrap().cause, rejection(&world));
        assert_eq!(world.head(&"news".parse().unwrap()).active, None);
        assert_eq!((world.calls.count("shift"), world.calls.count("update_code")), (0, 0));
        assert_eq!(broken_always(&world), [""; 0]);
        // The machine may ask once more: nothing else happens.
        assert_eq!(prepare(&world, 1).await.unwrap().next, "Close");
        assert_eq!(current(&world).seq, 2);
    }
}

fn first(items: &mut perch_testkit::store::Items) -> &mut Release {
    items.releases.values_mut().next().unwrap()
}

#[tokio::test]
async fn code_that_lambda_can_not_use_is_rejected_with_its_reason() {
    let cases: [(Spoil, &str); 7] = [
        (
            |world| {
                world.lambda.change(|account| {
                    account.gone.insert(digest('b').to_string());
                });
            },
            "does not exist. Provide a valid source.",
        ),
        (
            |world| world.calls.inject(Fault::of("update_code").with(Failure::Denied)),
            "permission denied for update_code",
        ),
        (
            |world| world.calls.inject(Fault::of("publish").with(Failure::Denied)),
            "permission denied for publish",
        ),
        (
            |world| {
                world.lambda.change(|account| account.update_fails = Some("bad layers".to_owned()));
            },
            "Lambda can't use news:v2 (bbbbbbbbbbbb): bad layers",
        ),
        (
            |world| {
                world.lambda.change(|account| account.version_fails = Some("no entry".to_owned()));
            },
            "version 2 of news can't start: no entry",
        ),
        (
            |world| {
                world.store.change(|items| {
                    first(items).artifact = Artifact::Package {
                        bucket: "models".parse().unwrap(),
                        key: "news/b.zip".to_owned(),
                        version: "2".to_owned(),
                    };
                });
            },
            "function news is an image function and can't run s3://models/news/b.zip (2)",
        ),
        (
            |world| world.store.change(|items| first(items).artifact = image('a', "v2")),
            "news:v2 (aaaaaaaaaaaa) serves already, as version 1",
        ),
    ];
    for (spoil, why) in cases {
        let world = World::amid(&release().preparing().build());
        spoil(&world);
        for seconds in 0..4 {
            if prepare(&world, seconds).await.unwrap().next == "Close" {
                break;
            }
        }
        assert!(rejection(&world).contains(why), "{}", rejection(&world));
        assert_eq!(world.calls.count("shift"), 0);
        assert_eq!(broken_at_rest(&world), [""; 0], "{why}");
    }
}

#[tokio::test]
async fn code_that_someone_else_changed_is_not_published() {
    let world = World::amid(&release().preparing().build());
    prepare(&world, 0).await.unwrap();
    world.lambda.change(|account| {
        account.update_code(&"news".parse().unwrap(), digest('f').as_str()).unwrap();
    });
    assert_eq!(prepare(&world, 1).await.unwrap().next, "Close");
    let why = "someone else changed the code of news while its version was to be published";
    assert!(rejection(&world).starts_with(why), "{}", rejection(&world));
    assert_eq!(world.calls.count("publish"), 0);
}

#[tokio::test]
async fn code_that_changes_between_look_and_publish_is_not_published_either() {
    let world = World::amid(&release().preparing().build());
    prepare(&world, 0).await.unwrap();
    let paused = Paused::new(&world.calls, prepare(&world, 1)).before("publish");
    world.lambda.change(|account| {
        account.update_code(&"news".parse().unwrap(), digest('f').as_str()).unwrap();
    });
    assert_eq!(paused.finish().unwrap().next, "Close");
    let versions = world.lambda.read(|a| a.functions.values().next().unwrap().versions.len());
    assert_eq!(versions, 1);
}

#[tokio::test]
async fn another_deployment_in_progress_is_waited_for_until_the_deadline() {
    let world = World::amid(&release().preparing().deadline(60).build());
    world.lambda.change(|account| {
        account.update_looks = u32::MAX;
        account.update_code(&"news".parse().unwrap(), digest('f').as_str()).unwrap();
    });
    let output = prepare(&world, 0).await.unwrap();
    assert_eq!((output.next.as_str(), output.wait_seconds), ("Prepare", 2));
    assert_eq!(current(&world).seq, 2, "a wait is no journal entry");
    assert_eq!(prepare(&world, 60).await.unwrap().next, "Close");
    assert_eq!(rejection(&world), "the canary was not ready by 2027-01-15T08:01:00Z");
}

#[tokio::test]
async fn an_update_that_begins_after_the_look_is_waited_for() {
    for call in ["update_code", "publish"] {
        let world = World::amid(&release().preparing().build());
        if call == "publish" {
            prepare(&world, 0).await.unwrap();
        }
        world.calls.inject(Fault::of(call).with(Failure::Conflict));
        let output = prepare(&world, 1).await.unwrap();
        assert_eq!((output.next.as_str(), output.wait_seconds), ("Prepare", 2), "{call}");
        assert!(!current(&world).phase.is_final());
    }
}

#[tokio::test]
async fn a_publish_whose_answer_was_lost_gives_the_same_version_again() {
    for lost in ["update_code", "publish", "commit"] {
        let world = World::amid(&release().preparing().build());
        world.calls.inject(Fault::of(lost).after());
        for seconds in 0..5 {
            if prepare(&world, seconds).await.is_ok_and(|output| output.next == "Shift") {
                break;
            }
        }
        assert_eq!(current(&world).canary.unwrap().as_str(), "2", "{lost}");
        let versions = world.lambda.read(|a| a.functions.values().next().unwrap().versions.len());
        assert_eq!(versions, 2, "{lost}");
        assert_eq!(broken_always(&world), [""; 0]);
    }
}

#[tokio::test]
async fn an_execution_that_lost_the_target_ends_quietly() {
    let world = World::amid(&release().preparing().fence(2).build());
    assert_eq!(prepare(&world, 0).await.unwrap().next, "End");
    assert_eq!(world.calls.log(), ["release"]);
}

#[tokio::test]
async fn a_repeated_preparation_answers_what_is_next() {
    let world = World::amid(&release().shifting(0).build());
    assert_eq!(prepare(&world, 0).await.unwrap().next, "Shift");
    let route = world.route(target().build().service.lambda.as_ref().unwrap());
    assert_eq!(route, Route::all_on(&"1".parse().unwrap()));
    assert_eq!(world.calls.log(), ["release"]);
}

#[tokio::test]
async fn a_zip_function_is_prepared_the_same_way() {
    let target = target().taking_packages().build();
    let mut pending = release().to(&target).build();
    pending.artifact = Artifact::Package {
        bucket: "models".parse().unwrap(),
        key: "news/b.zip".to_owned(),
        version: "2".to_owned(),
    };
    let world = World::with(&target);
    world.place(&pending);
    for next in ["Prepare", "Prepare", "Shift"] {
        assert_eq!(prepare(&world, 0).await.unwrap().next, next);
    }
    assert_eq!(current(&world).code.as_deref(), Some("s3://models/news/b.zip@2"));
}
