//! A new artifact: who takes it, and what becomes of it.

use perch_app::announce::{self, Announcement, Answer};
use perch_core::artifact::Artifact;
use perch_core::journal::What;
use perch_core::names::TargetName;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::WhileReleasing;
use perch_testkit::invariants::broken_always;
use perch_testkit::{Fault, World, announcement, at, digest, image, release, target};

async fn announce(world: &World, announcement: &Announcement) -> Vec<Answer> {
    let World { store, executions, .. } = world;
    let answers = announce::run(store, executions, announcement, at(1)).await.unwrap();
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn notes(world: &World) -> Vec<(Option<TargetName>, String)> {
    let all = world.store.read(|items| items.notes.values().cloned().collect::<Vec<_>>());
    all.into_iter().map(|note| (note.target, note.text)).collect()
}

fn news() -> TargetName {
    "news".parse().unwrap()
}

#[tokio::test]
async fn a_push_starts_a_release_under_the_first_fence() {
    let world = World::usual();
    let [Answer::Started(id)] = &announce(&world, &announcement().build()).await[..] else {
        panic!("not started");
    };
    let planned = world.release(id);
    assert_eq!((&planned.phase, planned.fence, planned.seq), (&Phase::Pending, 1, 1));
    assert_eq!(planned.deadline, at(1 + 3 * 240 + 3600));
    let journal = world.journal(id);
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0].what, What::ReleasePlanned);
    assert_eq!(journal[0].cause, "news:v2 (bbbbbbbbbbbb) by event event-1");
    let started = world.executions.started();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].name, *id);
    assert_eq!(started[0].input, serde_json::json!({ "releaseId": id, "fence": 1 }));
    assert_eq!(broken_always(&world), [""; 0]);
    assert_eq!(notes(&world), []);
}

#[tokio::test]
async fn what_no_target_takes_leaves_a_note_and_starts_nothing() {
    let elsewhere = Artifact::Image {
        repository: "elsewhere".parse().unwrap(),
        digest: digest('b'),
        tag: Some("v2".to_owned()),
    };
    for (announcement, target, why) in [
        (announcement().of(elsewhere), None, "no target takes artifacts from this source"),
        (announcement().of(image('b', "dev")), Some(news()), "tag dev matches none of"),
        (announcement().untagged(), Some(news()), "the push has no tag"),
    ] {
        let world = World::usual();
        let (announcement, untouched) = (announcement.build(), world.head(&news()));
        for _ in 0..2 {
            let answers = announce(&world, &announcement).await;
            assert!(matches!(&answers[..], [Answer::Ignored(_)]), "{answers:?}");
        }
        let notes = notes(&world);
        assert_eq!(notes.len(), 1, "the same event is the same note");
        assert_eq!(notes[0].0, target);
        assert!(notes[0].1.contains(why), "{}", notes[0].1);
        assert!(world.store.read(|i| i.releases.is_empty()));
        assert_eq!(world.head(&news()), untouched);
        assert_eq!(world.executions.started(), []);
    }
}

#[tokio::test]
async fn a_package_is_taken_where_its_key_matches() {
    let package = |key: &str| Artifact::Package {
        bucket: "models".parse().unwrap(),
        key: key.to_owned(),
        version: "2".to_owned(),
    };
    let world = World::with(&target().taking_packages().build());
    let foreign = announcement().of(package("other/a.zip")).build();
    let answers = announce(&world, &foreign).await;
    assert_eq!(
        answers,
        [Answer::Ignored(
            "key other/a.zip matches none of the target's globs: news/*.zip".to_owned()
        )]
    );
    let ours = announcement().of(package("news/a.zip")).event("event-2").build();
    assert!(matches!(announce(&world, &ours).await[..], [Answer::Started(_)]));
}

#[tokio::test]
async fn a_repeated_event_finds_its_own_release() {
    let world = World::usual();
    let first = announce(&world, &announcement().build()).await;
    assert_eq!(announce(&world, &announcement().build()).await, first);
    assert_eq!(world.executions.started().len(), 1);
    assert_eq!(world.store.read(|items| (items.releases.len(), items.journal.len())), (1, 1));
}

#[tokio::test]
async fn a_start_that_failed_is_made_up_for_under_the_same_fence() {
    for fault in [Fault::of("start"), Fault::of("plan").after()] {
        let world = World::usual();
        world.calls.inject(fault);
        let World { store, executions, .. } = &world;
        announce::run(store, executions, &announcement().build(), at(1)).await.unwrap_err();
        announce(&world, &announcement().build()).await;
        let started = executions.started();
        assert_eq!(started.len(), 1);
        assert_eq!(started[0].input["fence"], 1);
    }
}

#[tokio::test]
async fn the_same_artifact_has_one_release_whatever_tag_or_event() {
    let again = announcement().of(image('b', "v2-again")).event("event-2").build();
    for (placed, outcome) in
        [(release().baking(0), "not ended yet"), (release().stuck(), "ended Stuck")]
    {
        let world = World::amid(&placed.build());
        let answers = announce(&world, &again).await;
        let why = format!("the artifact had its release already: news-1, {outcome}");
        assert_eq!(answers, [Answer::Ignored(why.clone())]);
        assert_eq!(notes(&world), [(Some(news()), why)]);
        assert_eq!(world.executions.started(), []);
    }
}

#[tokio::test]
async fn a_rejected_artifact_may_be_tried_again() {
    let world = World::usual();
    announce(&world, &announcement().build()).await;
    world.lambda.change(|account| account.functions.clear());
    perch_testkit::Machines::new(at(1)).run(&world).await;
    let again = announcement().event("event-2").build();
    assert!(matches!(announce(&world, &again).await[..], [Answer::Started(_)]));
    assert_eq!(world.executions.started()[1].input["fence"], 3, "an end raises the fence, too");
}

/// The release, to a target whose newer artifacts wait for its end.
fn queueing(placed: &Release) -> World {
    let world = World::with(&target().while_releasing(WhileReleasing::Queue).build());
    world.place(placed);
    world
}

#[tokio::test]
async fn while_a_release_runs_the_newest_artifact_waits() {
    let world = queueing(&release().baking(0).build());
    let push = |hex, tag: &str, seconds| {
        announcement().of(image(hex, tag)).event(tag).pushed_at(seconds).build()
    };
    let waits = [Answer::Waits { behind: "the end of release news-1".to_owned() }];
    assert_eq!(announce(&world, &push('c', "v3", 30)).await, waits);
    assert_eq!(announce(&world, &push('d', "v4", 50)).await, waits);
    let late = announce(&world, &push('e', "v3.1", 40)).await;
    let why = "a newer artifact waits already: news:v4 (dddddddddddd)".to_owned();
    assert_eq!(late, [Answer::Ignored(why)]);
    let waiting = world.head(&news()).waiting.unwrap();
    assert_eq!((waiting.event.as_str(), waiting.pushed_at), ("v4", at(50)));
    assert_eq!(notes(&world).len(), 3, "one is of what was skipped");
    assert_eq!(world.executions.started(), []);
    assert_eq!(broken_always(&world), [""; 0]);
}

#[tokio::test]
async fn every_target_of_a_source_gets_its_own_release() {
    let world = World::usual();
    world.add(&target().named("news-eu").function("news-eu").build());
    world.calls.inject(Fault::of("start"));
    let World { store, executions, .. } = &world;
    announce::run(store, executions, &announcement().build(), at(1)).await.unwrap_err();
    let answers = announce(&world, &announcement().build()).await;
    assert_eq!(answers.len(), 2);
    assert_ne!(answers[0], answers[1]);
    assert_eq!(executions.started().len(), 2);
    assert_eq!(store.read(|items| items.releases.len()), 2);
}

#[tokio::test]
async fn the_number_of_calls_does_not_grow_with_the_number_of_targets() {
    let mut counts = Vec::new();
    for others in [0, 200] {
        let world = World::usual();
        for number in 0..others {
            let mut other = target().named(&format!("other-{number}")).build();
            other.service.lambda.as_mut().unwrap().function =
                format!("other-{number}").parse().unwrap();
            other.sources.image.as_mut().unwrap().repository = "other".parse().unwrap();
            world.add(&other);
        }
        announce(&world, &announcement().build()).await;
        counts.push(world.calls.log());
    }
    assert_eq!(counts[0], ["by_source", "target", "head", "plan", "start"]);
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn an_index_item_without_its_target_starts_nothing() {
    let world = World::usual();
    world.store.change(|items| items.targets.clear());
    let answers = announce(&world, &announcement().build()).await;
    assert_eq!(answers, [Answer::Ignored("the target was deleted".to_owned())]);
}

#[tokio::test]
async fn an_announcement_that_another_overtook_is_a_conflict_and_changes_nothing() {
    let world = World::usual();
    let World { store, executions, calls, .. } = &world;
    let event = announcement().build();
    let paused = perch_testkit::Paused::new(calls, announce::run(store, executions, &event, at(1)))
        .before("plan");
    // Between its read of the head and its plan another release came and ended.
    store.change(|items| {
        items.heads.get_mut(&news()).unwrap().fence = 3;
    });
    paused.finish().unwrap_err();
    assert!(store.read(|items| items.releases.is_empty() && items.artifacts.is_empty()));
    assert!(matches!(announce(&world, &event).await[..], [Answer::Started(_)]));
    assert_eq!(executions.started()[0].input["fence"], 4);
}
