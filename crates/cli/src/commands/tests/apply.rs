//! `perch apply`

use perch_app::ports::LoadTarget;
use perch_testkit::{World, at, run};

use super::{ports, printed, printed_as, try_printed, typed};
use crate::args::{Command, Format};
use crate::commands::apply;
use crate::failure;

fn wanted(yaml: &str, options: &[&str]) -> apply::Wanted {
    let words: Vec<&str> = ["apply", "-f", "-"].iter().chain(options).copied().collect();
    let Command::Apply(args) = typed(&words) else { panic!("not apply") };
    apply::Wanted::read(&args, &mut yaml.as_bytes()).unwrap()
}

fn applied(world: &World, yaml: &str, options: &[&str]) -> String {
    let wanted = wanted(yaml, options);
    printed(async |console| {
        apply::run((&ports(world), &world.services, &world.deployments), &wanted, at(0), console)
            .await
    })
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
    let text = printed_as(Format::Json, async |console| {
        apply::run((&ports(&world), &world.services, &world.deployments), &wanted, at(0), console)
            .await
    });
    insta::assert_snapshot!(text);
}

#[test]
fn an_alias_of_another_target_is_refused() {
    let world = World::usual();
    let wanted = wanted(&FILE.replace("name: news", "name: other"), &[]);
    let error = try_printed(Format::Table, async |console| {
        apply::run((&ports(&world), &world.services, &world.deployments), &wanted, at(0), console)
            .await
    });
    insta::assert_snapshot!(failure::message(&error.unwrap_err(), "perch"), @r"
    perch: target other was not applied
      because: alias live of function news belongs to another target; two targets can't move one alias
    ");
}

#[test]
fn a_rule_that_deletes_what_serves_is_warned_of() {
    let world = World::usual();
    let news = "news".parse().unwrap();
    world.registry.push(perch_testkit::image('a', "v1"), at(0));
    world.registry.set_policy(&news, KEEP_14_DAYS);
    let wanted = wanted(FILE, &[]);
    let later = at(15 * 86_400);
    let text = printed(async |console| {
        apply::run((&ports(&world), &world.services, &world.deployments), &wanted, later, console)
            .await
    });
    assert!(text.contains("warning: rule 7 of repository news (14 days) will delete"), "{text}");
}

const KEEP_14_DAYS: &str = r#"{ "rules": [{
    "rulePriority": 7, "description": "14 days", "action": { "type": "expire" },
    "selection": { "tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days",
        "countNumber": 14 }
}] }"#;
