//! `perch targets`, `perch releases`, `perch release ID`, `perch journal`

use perch_app::order;
use perch_testkit::{World, at, run};

use super::{printed, printed_as, try_printed};
use crate::args::{self, Format};
use crate::commands::list;
use crate::failure::Missing;
use crate::scenes::{Scene, judged};

#[test]
fn a_release_as_json_has_the_documented_fields() {
    let scene = Scene::rolled_back();
    let store = &scene.world.store;
    for format in [Format::Json, Format::Yaml] {
        let text = printed_as(format, async |console| {
            list::release(store, &scene.id, at(600), console).await
        });
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
    let own = ["active", "waiting", "serving", "modelServing", "stopped", "drift"];
    fields.retain(|name, _| !own.contains(&name.as_str()));
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
            list::release(store, &"none".parse().unwrap(), at(0), console).await
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

#[test]
fn what_keeps_a_target_is_listed() {
    let scene = Scene::baking();
    let (store, name) = (&scene.world.store, "news-classifier".parse().unwrap());
    run(order::hold(store, &name, "ada", "looking at the logs", at(560))).unwrap();
    run(order::stop(store, Some(&name), "kim", "incident 1234", at(565))).unwrap();
    let all =
        printed(async |console| list::targets(store, &args::Targets { name: None }, console).await);
    let one = printed(async |console| {
        list::targets(store, &args::Targets { name: Some(name) }, console).await
    });
    let release = printed(async |console| list::release(store, &scene.id, at(570), console).await);
    insta::assert_snapshot!([all, one, release].join("\n"));
}

#[test]
fn evidence_as_json_has_what_the_release_is_judged_by() {
    let judged = judged::failing();
    let world = World::usual();
    let (id, judging) = (judged.release.id.clone(), judged.release.judging.clone());
    world.store.change(|items| items.releases.insert(id.clone(), judged.release));
    let text =
        printed_as(Format::Json, async |console| list::evidence(&world.store, &id, console).await);
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["id"], id.as_str());
    assert_eq!(shown["judging"], serde_json::to_value(judging).unwrap());
    assert_eq!(shown["judging"]["observed"].as_array().unwrap().len(), 3);
}
