//! `perch explain`; its answers are tested in crates/app.

use perch_app::announce;
use perch_app::explain::Registry;
use perch_testkit::{World, announcement, at, image, run};

use super::{printed_as, try_printed};
use crate::args::Format;
use crate::args::looks::Explain;
use crate::commands::explain;
use crate::console::Console;
use crate::scenes::Scene;

async fn explained(world: &World, subject: &str, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let args = Explain { subject: subject.to_owned() };
    let registry = Registry { tags: &world.registry, sources: &world.registry };
    explain::run(&world.store, registry, &args, at(700), console).await
}

fn told(world: &World, subject: &str) -> (String, u8) {
    let mut code = 0;
    let text = try_printed(Format::Table, async |console| {
        code = explained(world, subject, console).await?;
        Ok(())
    });
    (text.unwrap(), code)
}

#[test]
fn answers_say_what_happened_why_and_what_to_do() {
    let scene = Scene::rolled_back();
    let event = announcement().of(image('c', "rc-1")).event("event-7").pushed_at(650).build();
    run(announce::run(&scene.world.store, &scene.world.executions, &event, at(650))).unwrap();
    let subjects = ["news-classifier", "event-7", scene.id.as_str()];
    let texts = subjects.map(|subject| {
        let (text, code) = told(&scene.world, subject);
        assert_eq!(code, 0, "{subject}");
        format!("$ perch explain {subject}\n{text}")
    });
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn what_nobody_knows_ends_with_3() {
    let (text, code) = told(&World::usual(), "6a7e8feb-b491-4cf7-a9f1-bf3703467718");
    assert_eq!(code, 3);
    insta::assert_snapshot!(text);
}

#[test]
fn json_has_the_answers_and_the_facts() {
    let scene = Scene::rolled_back();
    let text = printed_as(Format::Json, async |console| {
        explained(&scene.world, "news-classifier", console).await.map(|_| ())
    });
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["answers"][0]["reason"], "quarantined");
    assert_eq!(found["answers"][0]["target"], "news-classifier");
    assert!(found["answers"][0]["do"].as_array().is_some_and(|lines| !lines.is_empty()));
    assert_eq!(found["facts"]["subject"]["kind"], "target");
    assert_eq!(found["facts"]["targets"][0]["standing"]["head"]["fence"], 3);
}
