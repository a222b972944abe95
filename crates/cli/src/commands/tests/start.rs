//! `perch release start` and `perch rollback --to`

use perch_app::ports::PortError;
use perch_testkit::{World, at, image, release, run};

use super::{Started, decision, try_printed, typed};
use crate::args::release::{Action, Start};
use crate::args::{Command, Format};
use crate::commands::start;
use crate::failure;

fn typed_start(words: &str) -> Start {
    let mut all = vec!["release", "start", "news", "--reason", "no event came", "--by", "ada"];
    all.extend(words.split(' '));
    match typed(&all) {
        Command::Release(args) => match args.action {
            Some(Action::Start(start)) => start,
            None => panic!("no start"),
        },
        other => panic!("{other:?}"),
    }
}

fn started(world: &World, words: &str) -> anyhow::Result<String> {
    let args = typed_start(words);
    try_printed(Format::Table, async |console| {
        let executions = async || Ok::<_, PortError>(Started(&world.executions));
        let (store, images) = (&world.store, &world.registry);
        start::start(store, images, executions, &args, at(60), console).await
    })
}

fn said(result: anyhow::Result<String>) -> String {
    match result {
        Ok(text) => text,
        Err(error) => failure::message(&error, "perch") + "\n",
    }
}

fn world() -> World {
    let world = World::usual();
    world.registry.push(image('b', "v2"), at(0));
    world
}

#[test]
fn every_form_of_a_name_is_the_same_image() {
    let b = "b".repeat(64);
    for name in ["v2", "news:v2", &format!("sha256:{b}"), &format!("news@sha256:{b}")] {
        let world = world();
        let text = started(&world, &format!("--artifact {name}")).unwrap();
        assert!(text.contains("of news:v2 (bbbbbbbbbbbb) started"), "{name}: {text}");
        assert_eq!(world.executions.started().len(), 1);
    }
}

#[test]
fn a_start_says_its_plan_and_who_wanted_it() {
    let world = world();
    let text = said(started(&world, "--artifact v2 --override-alarm errors"));
    insta::assert_snapshot!(text);
    let id = world.executions.started()[0].name.clone();
    let cause = world.release(&id).cause.to_string();
    assert_eq!(cause, "ada, who overrides errors: no event came");
}

#[test]
fn what_can_not_be_released_is_said_with_what_can() {
    let gone = format!("--artifact sha256:{}", "e".repeat(64));
    let said: Vec<String> = [
        "--artifact v9",
        &gone,
        "--artifact other:v2",
        "--artifact s3://models/news/a.zip@1",
        "--artifact v2 --override-alarm latency",
    ]
    .into_iter()
    .map(|words| said(started(&world(), words)))
    .collect();
    insta::assert_snapshot!(said.concat());
}

#[test]
fn names_of_nothing_are_refused_as_they_are_typed() {
    use perch_app::artifact_name::ArtifactName;
    let said: Vec<String> = [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/news:v2",
        "s3://models/news/a.zip",
        "sha256:12",
        "news:v 2",
    ]
    .into_iter()
    .map(|text| text.parse::<ArtifactName>().unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_package_is_named_with_its_version() {
    let world = World::with(&perch_testkit::target().taking_packages().build());
    let text = started(&world, "--artifact s3://models/news/a.zip@v7").unwrap();
    assert!(text.contains("of s3://models/news/a.zip (v7) started"), "{text}");
    let other = started(&world, "--artifact v2").unwrap_err().to_string();
    assert!(other.ends_with("packages of models: give s3://models/KEY@VERSION"), "{other}");
}

#[test]
fn a_quarantined_artifact_needs_a_word() {
    let placed = release().rolling_back(10).build();
    let world = World::amid(&placed);
    world.registry.push(image('b', "v2"), at(0));
    world.store.change(|items| {
        let head = items.heads.get_mut(&placed.target).unwrap();
        head.active = None;
        items.artifacts.values_mut().for_each(|item| item.outcome = Some("RolledBack"));
    });
    insta::assert_snapshot!(said(started(&world, "--artifact v2")));
    let text = started(&world, "--artifact v2 --allow-quarantined").unwrap();
    assert!(text.contains("started"), "{text}");
}

#[test]
fn a_release_in_flight_is_not_pushed_aside() {
    let world = World::amid(&release().baking(0).build());
    world.registry.push(image('c', "v3"), at(0));
    let text = said(started(&world, "--artifact v3"));
    assert!(text.contains("release news-1 holds target news"), "{text}");
    assert_eq!(world.executions.started().len(), 0);
}

fn back_to(world: &World, version: &str) -> String {
    let (args, version) = (decision("news"), version.parse().unwrap());
    said(try_printed(Format::Table, async |console| {
        let executions = async || Ok::<_, PortError>(Started(&world.executions));
        let (store, lambda) = (&world.store, &world.lambda);
        start::go_back_to(
            store,
            (lambda, &world.services),
            executions,
            (&args, &version),
            at(900),
            console,
        )
        .await
    }))
}

#[test]
fn a_rollback_to_a_version_says_that_nothing_watches_it() {
    let promoted = release().promoted().build();
    let world = World::amid(&promoted);
    let texts = [back_to(&world, "2"), back_to(&world, "9"), back_to(&world, "1")];
    insta::assert_snapshot!(texts.concat());
    let id = world.executions.started()[0].name.clone();
    let found = run(perch_app::ports::LoadRelease::release(&world.store, &id)).unwrap().unwrap();
    assert_eq!((found.plan.steps.len(), found.plan.guards.len()), (0, 0));
}
