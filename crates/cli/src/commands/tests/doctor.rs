//! `perch doctor`; what it finds is tested in crates/app.

use perch_app::ports::{KeepRuns as _, SweepRun};
use perch_testkit::{
    MemoryDeployments, MemoryFleet, MemoryLetters, MemoryServices, MemoryUploads, World, at, image,
    release, run, target,
};

use super::{ports, printed_as, try_printed};
use crate::args::Format;
use crate::args::looks::Doctor;
use crate::commands::doctor;
use crate::failure::Missing;

fn no_letters(world: &World) -> MemoryLetters {
    MemoryLetters::new(&world.calls, [])
}

fn of_services(
    world: &World,
) -> (&MemoryUploads, &MemoryFleet, &MemoryServices, &MemoryDeployments) {
    (&world.uploads, &world.fleet, &world.services, &world.deployments)
}

fn looked(world: &World, target: Option<&str>) -> (String, u8) {
    let args = Doctor { target: target.map(|name| name.parse().unwrap()), verbose: false };
    let mut code = 0;
    let text = try_printed(Format::Table, async |console| {
        code = doctor::run(
            &ports(world),
            Ok(no_letters(world)),
            of_services(world),
            &args,
            at(300),
            console,
        )
        .await?;
        Ok(())
    });
    (text.unwrap(), code)
}

fn swept(world: &World) {
    let run_of = |seconds| SweepRun {
        id: format!("sweep-{seconds}"),
        at: at(seconds),
        looked_at: 1,
        did: Vec::new(),
        failed: Vec::new(),
        more: false,
    };
    run(world.store.run(&run_of(240))).unwrap();
}

#[test]
fn a_healthy_installation_ends_with_0() {
    let world = World::usual();
    swept(&world);
    world.registry.push(image('a', "v1"), at(0));
    let (all, code) = looked(&world, None);
    assert_eq!(code, 0, "{all}");
    let (one, _) = looked(&world, Some("news"));
    insta::assert_snapshot!([all, one].join("\n"));
}

#[test]
fn problems_end_with_1_and_name_the_commands() {
    let world = World::amid(&release().stuck().build());
    world.alarms.set("errors", true);
    world.lambda.change(|account| account.provisioned.insert("news:live".to_owned()));
    let (text, code) = looked(&world, None);
    assert_eq!(code, 1);
    insta::assert_snapshot!(text);
}

#[test]
fn servers_and_buckets_of_models_are_looked_at() {
    let world = World::with(&target().taking_models(serde_json::json!({})).build());
    swept(&world);
    world.fleet.start(3, "v1");
    let (text, code) = looked(&world, Some("news"));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("all 3 answer and serve v1"), "{text}");
    world.uploads.set_up(false, true);
    let (text, code) = looked(&world, None);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("model bucket") && text.contains("keeps no versions"), "{text}");
}

#[test]
fn programs_get_every_check() {
    let world = World::usual();
    let args = Doctor { target: None, verbose: false };
    let text = printed_as(Format::Json, async |console| {
        doctor::run(
            &ports(&world),
            Ok(no_letters(&world)),
            of_services(&world),
            &args,
            at(300),
            console,
        )
        .await
        .map(|_| ())
    });
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sweep = found.as_array().unwrap().iter().find(|f| f["check"] == "sweep").unwrap();
    assert_eq!((&sweep["result"], &sweep["target"]), (&"problem".into(), &().into()));
    assert!(found.as_array().unwrap().iter().any(|f| f["result"] == "ok"));
}

#[test]
fn a_target_that_does_not_exist_is_not_found() {
    let args = Doctor { target: Some("nowhere".parse().unwrap()), verbose: false };
    let world = World::usual();
    let error = try_printed(Format::Table, async |console| {
        doctor::run(
            &ports(&world),
            Ok(no_letters(&world)),
            of_services(&world),
            &args,
            at(0),
            console,
        )
        .await
        .map(|_| ())
    });
    assert!(error.unwrap_err().is::<Missing>());
}
