//! What the checks find, and the commands that put it right.

use std::collections::BTreeMap;

use perch_app::close_release::{self, CloseInput};
use perch_app::doctor::{
    Finding, Outcome, Ports, check_installation, check_models, check_target, installation, models,
    target as gather,
};
use perch_app::order;
use perch_app::ports::{KeepRuns, Letter, PortError, Queue, Route, SweepRun};
use perch_core::artifact::Artifact;
use perch_core::head::{Serving, Waiting};
use perch_core::names::TargetName;
use perch_core::release::Order;
use perch_core::weight::Weight;
use perch_testkit::fleet::{Mishap, Servers};
use perch_testkit::lambda::{Progress, Published};
use perch_testkit::{
    Failure, Fault, MemoryAlarms, MemoryLambda, MemoryLetters, MemoryRegistry, MemoryStore, World,
    at, digest, image, release, target,
};
use serde_json::json;

fn news() -> TargetName {
    "news".parse().unwrap()
}

type InMemory<'a> =
    Ports<'a, MemoryStore, MemoryLambda, MemoryAlarms, MemoryLambda, MemoryRegistry>;

fn ports(world: &World) -> InMemory<'_> {
    let World { store, lambda, alarms, registry, .. } = world;
    Ports { stack: "perch", store, lambda, alarms, images: lambda, registry }
}

/// What the checks of the usual target find at this time.
async fn checked(world: &World, seconds: i64) -> Vec<Finding> {
    let usual = world.store.read(|items| items.targets[&news()].clone());
    check_target(&gather(&ports(world), &usual).await, at(seconds))
}

/// The finding of one check.
async fn found(world: &World, check: &str, seconds: i64) -> Finding {
    let all = checked(world, seconds).await;
    let own: Vec<_> = all.into_iter().filter(|finding| finding.check == check).collect();
    assert_eq!(own.len(), 1, "{own:#?}");
    own.into_iter().next().unwrap()
}

async fn problem(world: &World, check: &str, text: &str, command: &str) {
    let finding = found(world, check, 10).await;
    assert_eq!(finding.result, Outcome::Problem, "{finding:?}");
    assert!(finding.text.contains(text), "{finding:?}");
    assert!(finding.commands.iter().any(|found| found == command), "{finding:?}");
}

async fn warning(world: &World, check: &str, text: &str) -> Finding {
    let finding = found(world, check, 10).await;
    assert_eq!(finding.result, Outcome::Warning, "{finding:?}");
    assert!(finding.text.contains(text), "{finding:?}");
    finding
}

#[tokio::test]
async fn a_healthy_target_has_no_findings_but_ok() {
    let world = World::usual();
    let findings = checked(&world, 10).await;
    assert!(findings.iter().all(|finding| finding.result == Outcome::Ok), "{findings:#?}");
    assert!(world.calls.total() <= 10, "{:?}", world.calls.log());
}

#[tokio::test]
async fn a_missing_function_is_a_problem() {
    let world = World::usual();
    world.lambda.change(|account| account.functions.clear());
    let create = "aws lambda create-alias --function-name news --name live --function-version N";
    problem(&world, "alias", "does not exist", create).await;
}

#[tokio::test]
async fn a_split_without_a_release_keeps_releases_from_starting() {
    let world = World::amid(&release().baking(0).build());
    assert_eq!(found(&world, "alias", 10).await.result, Outcome::Ok, "it is the release's own");
    world.store.change(|items| items.heads.get_mut(&news()).unwrap().active = None);
    let end = "aws lambda update-alias --function-name news --name live --function-version 1 \
               --routing-config '{\"AdditionalVersionWeights\":{}}'";
    problem(&world, "alias", "version 1 with 10% on version 2", end).await;
}

#[tokio::test]
async fn a_foreign_alias_during_a_release_is_told() {
    let world = World::amid(&release().baking(0).build());
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.change(|account| {
        let code = digest('c').to_string();
        let version = Published { code, model: None, state: Progress::default() };
        account.functions.values_mut().for_each(|f| f.versions.push(Some(version.clone())));
    });
    world.lambda.move_alias(&lambda, &Route::all_on(&"3".parse().unwrap()));
    warning(&world, "alias", "which the release in flight did not set").await;
}

#[tokio::test]
async fn drift_has_the_way_back() {
    let world = World::amid(&release().promoted().build());
    assert_eq!(found(&world, "drift", 10).await.result, Outcome::Ok);
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &Route::all_on(&"1".parse().unwrap()));
    let finding = warning(&world, "drift", "sends version 1 alone, but release news-1").await;
    assert_eq!(finding.commands, ["perch rollback news --to 2 --reason TEXT"]);
    let split = Some(("2".parse().unwrap(), Weight::new(10).unwrap()));
    world.lambda.move_alias(&lambda, &Route { primary: "1".parse().unwrap(), split });
    assert_eq!(warning(&world, "drift", "with 10%").await.commands, [""; 0]);
}

#[tokio::test]
async fn provisioned_concurrency_is_a_problem() {
    let world = World::usual();
    world.lambda.change(|account| account.provisioned.insert("news:live".to_owned()));
    let remove = "aws lambda delete-provisioned-concurrency-config --function-name news \
                  --qualifier live";
    problem(&world, "concurrency", "every release is rejected", remove).await;
}

#[tokio::test]
async fn without_a_way_back_no_release_starts() {
    let world = World::usual();
    world.lambda.change(|account| account.gone.insert(digest('a').to_string()));
    let back = "perch rollback news --to VERSION --reason TEXT";
    problem(&world, "way back", "not in the registry any more", back).await;
    let deleted = World::usual();
    deleted.lambda.change(|account| {
        account.functions.values_mut().for_each(|function| function.versions[0] = None);
    });
    problem(&deleted, "way back", "version 1 of news does not exist any more", back).await;
}

#[tokio::test]
async fn guards_are_checked_for_the_next_release() {
    let world = World::usual();
    world.alarms.set("errors", true);
    let finding = warning(&world, "guards", "the next release is rejected").await;
    assert!(finding.commands[1].contains("--override-alarm 'errors'"), "{finding:?}");
    let ignoring = World::with(&target().ignoring_alarms_at_start().build());
    ignoring.alarms.set("errors", true);
    warning(&ignoring, "guards", "it does not protect the next release until it was OK").await;
    world.alarms.delete("errors");
    problem(&world, "guards", "errors does not exist", "perch apply -f FILE").await;
}

/// A world with a release that was given up, as the state machine does it.
async fn stuck() -> World {
    let placed = release().rolling_back(10).build();
    let world = World::amid(&placed);
    let lambda = placed.plan.driver.alias().unwrap();
    let split = Some(("2".parse().unwrap(), Weight::new(10).unwrap()));
    world.lambda.move_alias(lambda, &Route { primary: "1".parse().unwrap(), split });
    let failure = Some("alias live is not available now".to_owned());
    let input = CloseInput { release_id: placed.id.clone(), fence: 1, failure };
    close_release::run(&world.store, &world.executions, &input, at(5)).await.unwrap();
    assert_eq!(world.release(&placed.id).phase.name(), "Stuck");
    world
}

#[tokio::test]
async fn a_stuck_release_has_the_commands_of_the_message_that_paged() {
    let world = stuck().await;
    let finding = found(&world, "release", 10).await;
    assert_eq!(finding.result, Outcome::Problem);
    assert_eq!(finding.commands.len(), 2);
    let paged = world.journal(&"news-1".parse().unwrap()).pop().unwrap().cause;
    for command in &finding.commands {
        assert!(paged.contains(&format!("`{command}`")), "{command} is not in: {paged}");
    }
    let reads = "The alias sends version 1 with 10% on version 2 and should send version 1 alone";
    assert!(finding.text.ends_with(reads), "{}", finding.text);
}

#[tokio::test]
async fn what_was_put_right_already_is_not_asked_for_again() {
    let world = stuck().await;
    let lambda = target().build().service.lambda.unwrap();
    world.lambda.move_alias(&lambda, &Route::all_on(&"1".parse().unwrap()));
    let finding = found(&world, "release", 10).await;
    assert_eq!(finding.commands, ["perch rollback news --reason TEXT"]);
    assert!(finding.text.contains("The alias was put right since"), "{}", finding.text);
}

#[tokio::test]
async fn a_late_release_is_first_the_sweeps_and_then_a_persons() {
    let world = World::amid(&release().baking(0).build());
    assert_eq!(found(&world, "release", 300).await.result, Outcome::Ok);
    let late = found(&world, "release", 400).await;
    assert_eq!(late.result, Outcome::Warning, "{late:?}");
    assert_eq!(late.commands, ["aws lambda invoke --function-name perch-reconcile /dev/stdout"]);
    let lost = found(&world, "release", 1000).await;
    assert_eq!(lost.result, Outcome::Problem, "{lost:?}");
    assert_eq!(lost.commands[1], "perch rollback news --reason TEXT");
}

#[tokio::test]
async fn a_hold_and_a_missing_record_are_told() {
    let mut held = release().baking(0).build();
    held.order = Some(Order::Hold { by: "ada".to_owned(), reason: "logs".to_owned() });
    let world = World::amid(&held);
    warning(&world, "release", "news-1 is held at 10% by ada: logs").await;
    world.store.change(|items| items.releases.clear());
    let sweep = "aws lambda invoke --function-name perch-reconcile /dev/stdout";
    problem(&world, "release", "does not exist", sweep).await;
}

#[tokio::test]
async fn an_artifact_that_waits_for_nothing_is_told() {
    let world = World::usual();
    let waiting =
        Waiting { artifact: image('b', "v2"), event: "event-2".to_owned(), pushed_at: at(1) };
    world.store.change(|items| items.heads.get_mut(&news()).unwrap().waiting = Some(waiting));
    warning(&world, "waiting", "news:v2 (bbbbbbbbbbbb) waits, and nothing keeps it").await;
    order::stop(&world.store, Some(&news()), "kim", "incident", at(2)).await.unwrap();
    assert_eq!(found(&world, "waiting", 10).await.result, Outcome::Ok);
    let finding = warning(&world, "stop", "stopped by kim").await;
    assert_eq!(finding.commands, ["perch resume news --reason TEXT"]);
}

const KEEP: &str = r#"{ "rules": [
    { "rulePriority": 1, "description": "keep releases", "action": { "type": "expire" },
      "selection": { "tagStatus": "tagged", "tagPatternList": ["v*"],
        "countType": "imageCountMoreThan", "countNumber": 2 } },
    { "rulePriority": 2, "action": { "type": "expire" },
      "selection": { "tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days",
        "countNumber": 14 } }
] }"#;

#[tokio::test]
async fn a_rule_that_deletes_images_in_use_is_named_with_them() {
    let world = World::amid(&release().promoted().build());
    let repository = "news".parse().unwrap();
    world.registry.set_policy(&repository, KEEP);
    for (place, (digit, tag)) in [('b', "v2"), ('a', "v1"), ('c', "v3")].into_iter().enumerate() {
        world.registry.push(image(digit, tag), at(i64::try_from(place).unwrap()));
    }
    let finding = found(&world, "lifecycle", 10).await;
    assert_eq!(finding.result, Outcome::Problem);
    let text = "rule 1 of repository news (keep releases) will delete images in use: \
                v2 (bbbbbbbbbbbb), serves now: within 24 hours.";
    assert!(finding.text.starts_with(text), "{}", finding.text);
    assert!(finding.commands[0].starts_with("aws ecr get-lifecycle-policy --repository-name news"));
}

#[tokio::test]
async fn a_rule_is_told_before_it_hurts() {
    let world = World::usual();
    let repository = "news".parse().unwrap();
    world.registry.set_policy(&repository, &KEEP.replace("v*", "other*"));
    world.registry.push(image('a', "v1"), at(0));
    let day = 86_400;
    assert_eq!(found(&world, "lifecycle", 6 * day).await.result, Outcome::Ok);
    let soon = found(&world, "lifecycle", 8 * day).await;
    assert_eq!(soon.result, Outcome::Warning);
    assert!(soon.text.contains("rule 2 of repository news will delete"), "{}", soon.text);
    assert!(soon.text.contains("serves now: from 2027-01-29 on"), "{}", soon.text);
    world.registry.set_policy(&repository, KEEP);
    let pushes = found(&world, "lifecycle", 0).await;
    assert!(pushes.text.contains("after 2 more pushes that the rule counts"), "{}", pushes.text);
}

#[tokio::test]
async fn what_can_not_be_looked_at_is_a_warning_and_the_rest_goes_on() {
    let healthy = checked(&World::usual(), 10).await.len();
    for call in ["standing", "alias", "has_provisioned_concurrency", "version", "image", "alarms"] {
        let world = World::usual();
        world.calls.inject(Fault::of(call).with(Failure::Denied));
        let findings = checked(&world, 10).await;
        let unseen = findings.iter().filter(|f| f.text.contains("could not be looked at")).count();
        assert_eq!(unseen, 1, "{call}: {findings:#?}");
        assert!(findings.iter().all(|f| f.result != Outcome::Problem), "{call}: {findings:#?}");
        assert!(findings.len() + 2 >= healthy, "{call}");
    }
}

async fn of_installation(world: &World, seconds: i64) -> Vec<Finding> {
    let letters = MemoryLetters::new(&world.calls, []);
    let (facts, _) = installation(&ports(world), Ok(letters), None).await;
    check_installation(&facts, at(seconds))
}

async fn swept(world: &World, seconds: i64, failed: &[&str], more: bool) {
    let run = SweepRun {
        id: format!("sweep-{seconds}"),
        at: at(seconds),
        looked_at: 2,
        did: Vec::new(),
        failed: failed.iter().map(|line| (*line).to_owned()).collect(),
        more,
    };
    world.store.run(&run).await.unwrap();
}

#[tokio::test]
async fn the_sweep_has_to_run_and_to_do_its_work() {
    let world = World::usual();
    let sweep = async |world: &World, seconds| {
        let all = of_installation(world, seconds).await;
        all.into_iter().find(|finding| finding.check == "sweep").unwrap()
    };
    assert_eq!(sweep(&world, 10).await.result, Outcome::Problem, "it never ran");
    swept(&world, 0, &[], false).await;
    assert_eq!(sweep(&world, 900).await.result, Outcome::Ok);
    assert_eq!(sweep(&world, 901).await.result, Outcome::Problem);
    swept(&world, 900, &[], true).await;
    assert_eq!(sweep(&world, 901).await.result, Outcome::Warning);
    swept(&world, 1200, &["a: 1", "b: 2", "c: 3", "d: 4"], false).await;
    let failed = sweep(&world, 1201).await;
    assert_eq!(failed.result, Outcome::Warning);
    assert!(failed.text.ends_with("could not do all: a: 1; b: 2; c: 3; and 1 more"), "{failed:?}");
}

#[tokio::test]
async fn a_stop_of_all_and_a_lost_table_are_told() {
    let world = World::usual();
    order::stop(&world.store, None, "kim", "freeze", at(0)).await.unwrap();
    let all = of_installation(&world, 10).await;
    let stop = all.iter().find(|finding| finding.check == "stop of all").unwrap();
    assert_eq!(stop.result, Outcome::Warning);
    assert_eq!(stop.commands, ["perch resume --all --reason TEXT"]);
    world.calls.inject(Fault::of("targets"));
    let all = of_installation(&world, 10).await;
    assert_eq!((all[0].check, all[0].result), ("table", Outcome::Problem));
}

#[tokio::test]
async fn what_serves_is_known_by_its_head_alone() {
    let world = World::usual();
    let serving = Serving {
        artifact: image('a', "v1"),
        version: "1".parse().unwrap(),
        release: "r1".parse().unwrap(),
    };
    world.store.change(|items| items.heads.get_mut(&news()).unwrap().serving = Some(serving));
    let finding = found(&world, "drift", 10).await;
    assert_eq!(finding.text, "none: version 1, news:v1 (aaaaaaaaaaaa), serves");
}

#[tokio::test]
async fn events_that_got_lost_are_told_with_what_sends_them_again() {
    let world = World::usual();
    let letter = Letter {
        id: "letter-1".to_owned(),
        queue: Queue::Failed,
        sent_at: at(5),
        attributes: BTreeMap::new(),
        body: "not even JSON".to_owned(),
        receipt: String::new(),
    };
    let letters = MemoryLetters::new(&world.calls, [letter]);
    let (facts, _) = installation(&ports(&world), Ok(letters), None).await;
    let lost = check_installation(&facts, at(10)).pop().unwrap();
    assert_eq!((lost.check, lost.result), ("dead letters", Outcome::Warning));
    assert!(lost.text.starts_with("one event got lost, the first at 2027-01-15T08:00:05Z"));
    assert_eq!(lost.commands[1], "perch dead-letters redrive --all");
    let denied: Result<MemoryLetters, _> =
        Err(PortError::Denied { what: "queue".to_owned(), message: "no".to_owned() });
    let (facts, _) = installation(&ports(&world), denied, None).await;
    let unseen = check_installation(&facts, at(10)).pop().unwrap();
    assert_eq!(unseen.result, Outcome::Warning);
    assert!(unseen.text.starts_with("could not be looked at: permission denied"), "{unseen:?}");
}

/// What the checks of a target's models find: the finding of one check and one place.
async fn of_models(world: &World, check: &str) -> Vec<Finding> {
    let target = world.store.read(|items| items.targets[&news()].clone());
    let facts = models(&world.uploads, &world.fleet, "perch", &target).await.unwrap();
    let found = check_models(&target, Some(&world.head(&news())), &facts);
    found.into_iter().filter(|finding| finding.check == check).collect()
}

/// Three servers that serve v2, which was promoted; the cache reads it.
fn serving_models() -> World {
    let mut taking = target().taking_models(json!({})).build();
    taking.cache = serde_json::from_value(json!({ "redis": { "url": "redis://cache" } })).unwrap();
    let world = World::with(&taking);
    world.fleet.start(3, "v2");
    world.fleet.change(|fleet| fleet.pointer = Some("v2".to_owned()));
    world.store.change(|items| {
        let (bucket, key) = ("models".parse().unwrap(), "models/news/v2/manifest.json".to_owned());
        let (object, version) = ("m1".to_owned(), "v2".parse().unwrap());
        let artifact = Artifact::Model { bucket, key, object, version };
        let (version, release) = ("v2".parse().unwrap(), "news-0".parse().unwrap());
        let head = items.heads.get_mut(&news()).unwrap();
        head.model_serving = Some(Serving { artifact, version, release });
    });
    world
}

#[tokio::test]
async fn servers_and_cache_that_are_equal_are_well() {
    let world = serving_models();
    let texts = |found: Vec<Finding>| -> Vec<(Outcome, String)> {
        found.into_iter().map(|finding| (finding.result, finding.text)).collect()
    };
    let ok = |text: &str| vec![(Outcome::Ok, text.to_owned())];
    assert_eq!(texts(of_models(&world, "replicas").await), ok("all 3 answer and serve v2"));
    assert_eq!(texts(of_models(&world, "cache").await), ok("its pointer has v2"));
    let bucket = "models keeps versions and tells EventBridge of uploads";
    assert_eq!(texts(of_models(&world, "model bucket").await), ok(bucket));
}

#[tokio::test]
async fn a_server_or_a_cache_that_differs_or_is_silent_is_a_problem() {
    let back = "perch model rollback news --to v2 --reason TEXT";
    type Spoil = fn(&mut Servers);
    let cases: [(Spoil, &str, &str, bool); 4] = [
        (
            |fleet| fleet.servers.get_mut("r01").unwrap().active = "v1".parse().ok(),
            "replicas",
            "r01 serves v1, but release promoted v2",
            true,
        ),
        (
            |fleet| fleet.servers.get_mut("r01").unwrap().mishap = Some(Mishap::Dead),
            "replicas",
            "r01 does not answer with a model: connection refused",
            false,
        ),
        (
            |fleet| fleet.pointer = Some("v1".to_owned()),
            "cache",
            "its pointer has v1, but release promoted v2",
            true,
        ),
        (|fleet| fleet.cache_is_down = true, "cache", "connection refused", false),
    ];
    for (spoil, check, text, has_way_back) in cases {
        let world = serving_models();
        world.fleet.change(spoil);
        let [finding] = &of_models(&world, check).await[..] else { panic!("{check}") };
        assert_eq!(finding.result, Outcome::Problem);
        assert!(finding.text.contains(text), "{finding:?}");
        assert!(finding.commands.contains(&"perch model verify news".to_owned()));
        assert_eq!(finding.commands.contains(&back.to_owned()), has_way_back, "{finding:?}");
    }
    let world = serving_models();
    world.fleet.change(|fleet| fleet.servers.clear());
    let [finding] = &of_models(&world, "replicas").await[..] else { panic!() };
    assert!(finding.text.starts_with("none was found"), "{finding:?}");
}

#[tokio::test]
async fn while_a_release_is_under_way_replicas_differ_as_planned() {
    let world = serving_models();
    world.store.change(|items| {
        let head = items.heads.get_mut(&news()).unwrap();
        head.active = Some("news-1".parse().unwrap());
    });
    world.fleet.change(|fleet| {
        fleet.servers.get_mut("r00").unwrap().active = "v3".parse().ok();
    });
    let [finding] = &of_models(&world, "replicas").await[..] else { panic!() };
    assert_eq!(finding.result, Outcome::Ok);
    assert_eq!(finding.text, "r00 serves v3; release news-1 is under way");
}

#[tokio::test]
async fn a_bucket_that_keeps_no_versions_or_tells_nobody_is_named_with_the_commands() {
    let world = serving_models();
    world.uploads.set_up(false, false);
    let found = of_models(&world, "model bucket").await;
    let results: Vec<_> = found.iter().map(|finding| finding.result).collect();
    assert_eq!(results, [Outcome::Problem, Outcome::Warning]);
    assert!(found[0].commands[0].starts_with("aws s3api put-bucket-versioning --bucket models"));
    assert!(found[1].commands[1].contains("'{\"EventBridgeConfiguration\":{}}'"), "{found:?}");
    world.calls.inject(Fault::of("is_versioned").with(Failure::Denied));
    let [finding] = &of_models(&world, "model bucket").await[..] else { panic!() };
    assert_eq!(finding.result, Outcome::Warning);
    assert!(finding.text.contains("could not be looked at: permission denied"), "{finding:?}");
}

#[tokio::test]
async fn a_guard_of_models_alone_is_looked_at() {
    let world = World::usual();
    world.store.change(|items| {
        let target = items.targets.get_mut(&news()).unwrap();
        target.model_release.guards = Some(vec!["model-errors".parse().unwrap()]);
    });
    problem(&world, "guards", "model-errors does not exist", "perch apply -f FILE").await;
}
