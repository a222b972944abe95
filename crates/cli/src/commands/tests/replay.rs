//! `perch replay ID`

use std::io::empty;

use perch_testkit::World;
use serde_json::Value;

use super::{printed, printed_as, try_printed, typed};
use crate::args::looks::Replay;
use crate::args::{Command, Format};
use crate::commands::replay::{self, NothingRecorded};
use crate::failure::Missing;
use crate::scenes::{Scene, judged};

fn arguments(words: &[&str]) -> Replay {
    match typed(words) {
        Command::Replay(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_release_is_replayed_under_its_own_plan_and_under_another() {
    let judged = judged::failing();
    let (world, id) = (World::empty(), judged.release.id.clone());
    world.store.change(|items| items.releases.insert(id.clone(), judged.release.clone()));
    let (store, id) = (&world.store, id.as_str());
    let args = arguments(&["replay", id]);
    let own = printed_as(Format::Json, async |console| {
        replay::run(store, &args, &mut empty(), console).await
    });
    let own: Value = serde_json::from_str(&own).unwrap();
    assert_eq!((&own["verdict"], &own["really"]), (&"rollback".into(), &"RolledBack".into()));
    let minutes = own["minutes"].as_array().unwrap();
    assert_eq!(minutes.last().unwrap()["outcome"], "Fail");
    assert_eq!(minutes.last().unwrap()["minute"], own["rollbackMinute"]);

    let plan = "apiVersion: perch/v1\nkind: Target\nname: other\n\
                service: { lambda: { function: news, alias: live } }\n\
                sources: { image: { repository: news, tags: [\"v*\"] } }\n\
                rollout: { steps: [{ weight: 10%, bake: 15m }] }\n\
                judge: { rule: thresholds, errorRate: { max: 99% } }\n";
    let args = arguments(&["replay", id, "--plan", "-"]);
    let text =
        printed(async |console| replay::run(store, &args, &mut plan.as_bytes(), console).await);
    assert!(text.contains("Really: RolledBack."), "{text}");
    assert!(!text.contains("This plan: rollback"), "{text}");
}

#[test]
fn what_can_not_be_replayed_says_why() {
    let scene = Scene::rolled_back();
    let store = &scene.world.store;
    let args = arguments(&["replay", scene.id.as_str()]);
    let error = try_printed(Format::Table, async |console| {
        replay::run(store, &args, &mut empty(), console).await
    });
    assert!(error.unwrap_err().is::<NothingRecorded>());
    let args = arguments(&["replay", "none"]);
    let error = try_printed(Format::Table, async |console| {
        replay::run(store, &args, &mut empty(), console).await
    });
    assert!(error.unwrap_err().is::<Missing>());
}
