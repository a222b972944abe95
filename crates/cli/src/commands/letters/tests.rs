//! Dead letters on in-memory queues: what is printed, and what is left.

use perch_app::dead_letters::Ports;
use perch_app::ports::{Letter, Queue};
use perch_testkit::{Failure, Fault, MemoryCalls, MemoryLetters, World, at};
use serde_json::Value;

use super::*;
use crate::args::Format;
use crate::commands::tests::{printed, printed_as, try_printed};
use crate::failure;

const PUSH: &str = "19dd0b57-b21e-4ac1-bd88-01bbb068cb78";
const BAD_PUSH: &str = "5fea7756-0ea4-451a-a703-a558b933e274";
const STREAM: &str = "c80e8021-a70a-42c7-a470-796e1186f753";

fn letter(id: &str, queue: Queue, seconds: i64, sample: &str) -> Letter {
    let sample: Value = serde_json::from_str(sample).unwrap();
    Letter {
        id: id.to_owned(),
        queue,
        sent_at: at(seconds),
        attributes: serde_json::from_value(sample["attributes"].clone()).unwrap(),
        body: sample["body"].to_string(),
        receipt: String::new(),
    }
}

/// An event that was not delivered, one that was not processed, and records that were not told.
fn usual() -> [Letter; 3] {
    macro_rules! sample {
        ($name:literal) => {
            include_str!(concat!("../../../../../tests/fixtures/dead-letters/", $name, ".json"))
        };
    }
    [
        letter(PUSH, Queue::Undelivered, 0, sample!("eventbridge-rule")),
        letter(BAD_PUSH, Queue::Failed, 3600, sample!("lambda-destination")),
        letter(STREAM, Queue::Failed, 7000, sample!("dynamodb-stream-documented")),
    ]
}

struct Scene {
    world: World,
    letters: MemoryLetters,
    functions: MemoryCalls,
}

impl Scene {
    fn with(letters: impl IntoIterator<Item = Letter>) -> Self {
        let world = World::usual();
        let letters = MemoryLetters::new(&world.calls, letters);
        Self { functions: MemoryCalls::new(&world.calls), letters, world }
    }

    fn list(&self, format: Format, queue: Option<crate::args::letters::Which>) -> String {
        let args = args::List { queue };
        printed_as(format, async |console| list(&self.letters, &args, at(7200), console).await)
    }

    fn show(&self, format: Format, id: &str) -> anyhow::Result<String> {
        let args = args::Show { id: id.to_owned() };
        try_printed(format, async |console| show(&self.letters, &args, at(7200), console).await)
    }

    /// What `redrive` prints, and how it ends.
    fn redrive(&self, ids: &[&str], dry_run: bool) -> (String, anyhow::Result<()>) {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let args = args::Redrive { all: ids.is_empty(), ids, dry_run };
        let Self { letters, functions, world } = self;
        let ports = Ports { letters, functions, store: &world.store, stack: "perch" };
        let mut end = Ok(());
        let text = printed(async |console| {
            end = redrive(&ports, &args, console).await;
            Ok(())
        });
        (text, end)
    }
}

#[test]
fn a_list_says_what_was_lost_and_why() {
    let scene = Scene::with(usual());
    insta::assert_snapshot!(scene.list(Format::Table, None));
    let failed = scene.list(Format::Table, Some(crate::args::letters::Which::Failed));
    assert!(!failed.contains(PUSH) && failed.contains(BAD_PUSH), "{failed}");
    let empty = Scene::with([]).list(Format::Table, None);
    assert_eq!(empty.trim(), "no dead letters: every event was delivered and processed");
}

#[test]
fn a_list_for_programs_has_the_documented_fields() {
    let scene = Scene::with(usual());
    insta::assert_snapshot!(scene.list(Format::Json, None));
    let yaml: Value = serde_saphyr::from_str(&scene.list(Format::Yaml, None)).unwrap();
    let json: Value = serde_json::from_str(&scene.list(Format::Json, None)).unwrap();
    assert_eq!(yaml, json);
}

#[test]
fn a_letter_is_shown_with_its_event() {
    let scene = Scene::with(usual());
    let shown = [PUSH, BAD_PUSH, STREAM].map(|id| scene.show(Format::Table, id).unwrap());
    insta::assert_snapshot!(shown.join("\n"));
    let json: Value = serde_json::from_str(&scene.show(Format::Json, PUSH).unwrap()).unwrap();
    assert_eq!(json["payload"]["detail-type"], "ECR Image Action");
    assert_eq!(json["ageSeconds"], 7200);
    assert_eq!(json["redrive"], "perch-on-image-push gets the event again");
}

#[test]
fn an_unknown_letter_is_not_found() {
    let scene = Scene::with(usual());
    let error = scene.show(Format::Table, "other").unwrap_err();
    assert!(error.is::<Missing>(), "{error}");
    let (text, end) = scene.redrive(&[PUSH, "other"], false);
    assert_eq!(text, "");
    insta::assert_snapshot!(failure::message(&end.unwrap_err(), "perch"), @"perch: no dead letter has the id other; nothing was redriven. `perch dead-letters list` lists them; one that another `perch dead-letters` works on is hidden for up to 5 minutes");
    assert_eq!(scene.letters.left().len(), 3);
    assert_eq!(scene.functions.handed_over(), []);
}

#[test]
fn a_redrive_says_what_became_of_each() {
    let scene = Scene::with(usual());
    let (would, end) = scene.redrive(&[], true);
    insta::assert_snapshot!(would);
    let end = failure::message(&end.unwrap_err(), "perch");
    assert_eq!(end, "perch: 1 of 3 dead letters would not be redriven");
    assert_eq!(scene.letters.left().len(), 3);

    let (done, end) = scene.redrive(&[PUSH, BAD_PUSH], false);
    end.unwrap();
    insta::assert_snapshot!(done);
    assert_eq!(scene.letters.left(), [STREAM]);
    assert_eq!(scene.functions.handed_over().len(), 2);
}

#[test]
fn a_redrive_that_fails_part_way_says_what_is_left() {
    let scene = Scene::with(usual());
    scene.world.calls.inject(Fault::of("delete_letter").with(Failure::Denied));
    let (done, end) = scene.redrive(&[], false);
    insta::assert_snapshot!(done);
    let end = failure::message(&end.unwrap_err(), "perch");
    assert_eq!(end, "perch: 3 of 3 dead letters were not redriven; they are still in their queues");
    assert_eq!(scene.letters.left().len(), 3);
    let (none, end) = Scene::with([]).redrive(&[], false);
    end.unwrap();
    assert_eq!(none.trim(), "no dead letters: nothing to redrive");
}

#[test]
fn queues_that_are_not_there_are_not_found() {
    let scene = Scene::with(usual());
    scene.world.calls.inject(Fault::of("receive_letters").with(Failure::NotFound));
    let (_, end) = scene.redrive(&[], false);
    let text = failure::message(&end.unwrap_err(), "perch");
    assert!(text.contains("Is Perch installed here as stack perch?"), "{text}");
}
