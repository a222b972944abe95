//! `perch stop` and `perch resume`

use perch_app::announce;
use perch_app::ports::{LoadStanding as _, PortError};
use perch_testkit::{World, announcement, at, image, run};

use super::{Started, printed, try_printed, typed};
use crate::args::decisions::Line;
use crate::args::{Command, Format};
use crate::commands::line;
use crate::failure;
use crate::scenes::Scene;

fn scope(command: &str, scope: &str) -> Line {
    match typed(&[command, scope, "--reason", "incident 1234", "--by", "kim"]) {
        Command::Stop(args) => args.line,
        Command::Resume(args) => args.line,
        other => panic!("{other:?}"),
    }
}

fn stop(world: &World, over: &str, seconds: i64) -> String {
    let args = scope("stop", over);
    printed(async |console| line::stop(&world.store, &args, at(seconds), console).await)
}

fn resume(world: &World, over: &str, seconds: i64) -> anyhow::Result<String> {
    let args = scope("resume", over);
    try_printed(Format::Table, async |console| {
        let executions = async || Ok::<_, PortError>(Started(&world.executions));
        line::resume(&world.store, executions, &args, at(seconds), console).await
    })
}

#[test]
fn a_stop_is_said_with_what_goes_on_and_how_it_ends() {
    let scene = Scene::baking();
    let said = [
        stop(&scene.world, "news-classifier", 560),
        stop(&scene.world, "news-classifier", 570),
        stop(&scene.world, "--all", 580),
    ];
    insta::assert_snapshot!(said.join("\n"));
    let standing = run(scene.world.store.standing(&"news-classifier".parse().unwrap())).unwrap();
    assert_eq!(standing.stop.unwrap().at, at(560), "the first stop stands");
    assert_eq!(scene.world.store.read(|items| items.notices.len()), 2, "one notice for each stop");
}

#[test]
fn a_resume_starts_what_waited() {
    let world = World::usual();
    stop(&world, "news", 0);
    let event = announcement().of(image('b', "v2")).pushed_at(5).build();
    run(announce::run(&world.store, &world.executions, &event, at(5))).unwrap();
    assert_eq!(world.executions.started().len(), 0);
    let said = resume(&world, "news", 60).unwrap();
    assert_eq!(world.executions.started().len(), 1);
    insta::assert_snapshot!(said);
}

#[test]
fn the_stop_of_all_is_ended_apart() {
    let world = World::usual();
    stop(&world, "news", 0);
    stop(&world, "--all", 1);
    let said = [
        resume(&world, "news", 60).unwrap(),
        failure::message(&resume(&world, "news", 61).unwrap_err(), "perch"),
        resume(&world, "--all", 62).unwrap(),
        failure::message(&resume(&world, "--all", 63).unwrap_err(), "perch"),
        failure::message(&resume(&world, "news", 64).unwrap_err(), "perch"),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_target_that_does_not_exist_can_not_be_stopped() {
    let world = World::usual();
    let args = scope("stop", "nowhere");
    let error = try_printed(Format::Table, async |console| {
        line::stop(&world.store, &args, at(0), console).await
    });
    assert!(error.unwrap_err().to_string().starts_with("target nowhere does not exist"));
}
