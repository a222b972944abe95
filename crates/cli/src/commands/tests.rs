//! Commands on in-memory ports: what they print, and what they change.

use perch_app::order::OrderError;
use perch_app::ports::{LoadTarget, Machine, PortError};
use perch_testkit::{Failure, Fault, World, at, run};

use super::*;
use crate::args::{self, Cli, Command, Format};
use crate::console::Look;
use crate::failure::{Missing, PastAbort};
use crate::scenes::{Scene, arm};
use clap::Parser as _;

/// What a command prints, in the form for people.
pub(super) fn printed(command: impl AsyncFnOnce(&mut Console<'_>) -> anyhow::Result<()>) -> String {
    printed_as(Format::Table, command)
}

pub(super) fn printed_as(
    format: Format,
    command: impl AsyncFnOnce(&mut Console<'_>) -> anyhow::Result<()>,
) -> String {
    try_printed(format, command).unwrap()
}

pub(super) fn try_printed(
    format: Format,
    command: impl AsyncFnOnce(&mut Console<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut out = Vec::new();
    let look = Look { colour: false, width: Some(80) };
    run(command(&mut Console::new(format, look, &mut out)))?;
    Ok(String::from_utf8(out)?)
}

fn wanted(yaml: &str, options: &[&str]) -> apply::Wanted {
    let words = ["perch", "apply", "-f", "-"].iter().chain(options);
    let Command::Apply(args) = Cli::parse_from(words).command else { panic!("not apply") };
    apply::Wanted::read(&args, &mut yaml.as_bytes()).unwrap()
}

fn applied(world: &World, yaml: &str, options: &[&str]) -> String {
    let wanted = wanted(yaml, options);
    let World { store, lambda, alarms, .. } = world;
    printed(async |console| apply::run(store, lambda, alarms, &wanted, console).await)
}

const FILE: &str = "\
apiVersion: perch/v1
kind: Target
name: news
service: { lambda: { function: news, alias: live } }
sources: { image: { repository: news, tags: [\"v*\"] } }
rollout: { steps: [{ weight: 10%, bake: 5m }] }
guards: [news-errors]
";

#[test]
fn a_dry_run_shows_every_change_and_makes_none() {
    let world = World::empty();
    let before = applied(&world, FILE, &["--dry-run"]);
    assert!(run(world.store.target(&"news".parse().unwrap())).unwrap().is_none());
    let created = applied(&world, FILE, &[]);
    let changed = FILE
        .replace("weight: 10%, bake: 5m", "weight: 20%, bake: 5m")
        .replace("[\"v*\"]", "[\"v*\", \"rc-*\"]")
        .replace("guards: [news-errors]", "watch: 5m");
    let update = applied(&world, &changed, &["--dry-run"]);
    let same = applied(&world, FILE, &[]);
    insta::assert_snapshot!([before, created, update, same].join("\n"));
}

#[test]
fn an_apply_as_json_lists_fields_and_items() {
    let world = World::usual();
    let wanted = wanted(&FILE.replace("news-errors", "errors"), &["--dry-run"]);
    let World { store, lambda, alarms, .. } = &world;
    let text = printed_as(Format::Json, async |console| {
        apply::run(store, lambda, alarms, &wanted, console).await
    });
    insta::assert_snapshot!(text);
}

#[test]
fn an_alias_of_another_target_is_refused() {
    let world = World::usual();
    let wanted = wanted(&FILE.replace("name: news", "name: other"), &[]);
    let World { store, lambda, alarms, .. } = &world;
    let error = try_printed(Format::Table, async |console| {
        apply::run(store, lambda, alarms, &wanted, console).await
    });
    insta::assert_snapshot!(failure::message(&error.unwrap_err(), "perch"), @r"
    perch: target other was not applied
      because: alias live of function news belongs to another target; two targets can't move one alias
    ");
}

#[test]
fn a_release_as_json_has_the_documented_fields() {
    let scene = Scene::rolled_back();
    let args = args::Release { id: scene.id.clone() };
    let store = &scene.world.store;
    for format in [Format::Json, Format::Yaml] {
        let text =
            printed_as(format, async |console| list::release(store, &args, at(600), console).await);
        insta::assert_snapshot!(text);
    }
}

#[test]
fn targets_as_json_are_the_file_and_what_goes_on() {
    let scene = Scene::baking();
    let text = printed_as(Format::Json, async |console| {
        list::targets(&scene.world.store, &args::Targets { name: None }, console).await
    });
    let targets: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut target = targets[0].clone();
    assert_eq!(target["active"]["phase"], "Baking");
    let fields = target.as_object_mut().unwrap();
    fields.retain(|name, _| name != "active" && name != "waiting");
    serde_json::from_value::<perch_core::target::Target>(target).unwrap();
}

#[test]
fn what_does_not_exist_is_not_found() {
    let world = World::usual();
    let (store, name) = (&world.store, "nowhere".parse().unwrap());
    let errors = [
        try_printed(Format::Table, async |console| {
            list::targets(store, &args::Targets { name: Some(name) }, console).await
        }),
        try_printed(Format::Table, async |console| {
            let target = Some("nowhere".parse().unwrap());
            list::releases(store, &args::Releases { target, limit: 1 }, at(0), console).await
        }),
        try_printed(Format::Table, async |console| {
            let id = "none".parse().unwrap();
            list::release(store, &args::Release { id }, at(0), console).await
        }),
        try_printed(Format::Table, async |console| {
            let target = Some("nowhere".parse().unwrap());
            list::journal(store, &args::Journal { target, limit: 1 }, console).await
        }),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert!(error.is::<Missing>(), "{error}");
    }
}

fn decision(target: &str) -> args::Decision {
    let target = target.parse().unwrap();
    args::Decision { target, reason: "wrong labels".to_owned(), by: "ada".to_owned() }
}

/// Rolls back or aborts in a scene.
fn back(scene: &Scene, abort: bool) -> anyhow::Result<String> {
    let World { store, executions, .. } = &scene.world;
    let args = decision("news-classifier");
    try_printed(Format::Table, async |console| {
        let executions = async || Ok::<_, PortError>(Started(executions));
        if abort {
            decide::abort(store, executions, &args, console).await
        } else {
            decide::rollback(store, executions, &args, console).await
        }
    })
}

/// Borrowed executions.
struct Started<'a>(&'a perch_testkit::MemoryExecutions);

impl perch_app::ports::StartExecution for Started<'_> {
    async fn start(
        &self,
        machine: Machine,
        name: &perch_core::names::ReleaseId,
        input: &serde_json::Value,
    ) -> Result<(), PortError> {
        self.0.start(machine, name, input).await
    }
}

#[test]
fn a_rollback_and_an_abort_start_the_machine_and_say_where_traffic_goes() {
    let mut said = Vec::new();
    for abort in [false, true] {
        let mut scene = Scene::baking();
        said.push(back(&scene, abort).unwrap());
        let started = scene.world.executions.started();
        assert_eq!(started.last().unwrap().machine, Machine::Rollback);
        scene.finish();
        assert_eq!(scene.world.release(&scene.id).phase.name(), "RolledBack");
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn an_abort_after_promotion_points_to_rollback() {
    let mut scene = Scene::baking();
    scene.look(arm(1560, 4, 65.9), arm(1571, 3, 60.1)).look(arm(900, 0, 62.0), arm(0, 0, 0.0));
    let error = back(&scene, true).unwrap_err();
    assert!(error.is::<PastAbort>(), "{error}");
    insta::assert_snapshot!(error.to_string());
    assert!(back(&scene, false).is_ok());
}

#[test]
fn nothing_in_flight_is_said_and_nothing_starts() {
    let scene = Scene::rolled_back();
    let before = scene.world.executions.started().len();
    let error = back(&scene, false).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(OrderError::NothingInFlight(_))));
    assert_eq!(scene.world.executions.started().len(), before);
}

#[test]
fn a_promotion_is_recorded_for_the_next_look() {
    let mut scene = Scene::pushed();
    scene.look(arm(0, 0, 0.0), arm(0, 0, 0.0));
    let store = &scene.world.store;
    let args = decision("news-classifier");
    let said = printed(async |console| decide::promote(store, &args, at(70), console).await);
    insta::assert_snapshot!(said);
    scene.look(arm(104, 0, 61.0), arm(931, 1, 58.2));
    assert_eq!(scene.world.release(&scene.id).phase.name(), "Promoting");
}

#[test]
fn a_conflict_is_to_be_tried_again() {
    let scene = Scene::baking();
    scene.world.calls.inject(Fault::of("commit").with(Failure::Conflict));
    let args = decision("news-classifier");
    let error = try_printed(Format::Table, async |console| {
        decide::promote(&scene.world.store, &args, at(70), console).await
    });
    let text = failure::message(&error.unwrap_err(), "perch");
    assert!(text.ends_with("Nothing was changed. Try again."), "{text}");
}
