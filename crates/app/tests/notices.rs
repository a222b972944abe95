//! What people are told about that happened outside of releases.

use perch_app::notify::notice;
use perch_app::ports::{Message, PortError};
use perch_core::journal::{Happened, Notice};
use perch_testkit::{Failure, Fault, World, at, target};

const WEBHOOK: &str = "ssm:/perch/slack";

const ALL: [Happened; 5] = [
    Happened::LineStopped,
    Happened::LineResumed,
    Happened::DriftFound,
    Happened::DriftEnded,
    Happened::TargetFreed,
];

fn of_target(what: Happened, text: &str) -> Notice {
    Notice {
        id: "sweep-1".to_owned(),
        target: Some("news".parse().unwrap()),
        at: at(61),
        what,
        text: text.to_owned(),
    }
}

fn of_all(what: Happened) -> Notice {
    Notice { target: None, ..of_target(what, "all targets stopped by kim: incident 12") }
}

fn world() -> World {
    World::with(&target().telling_slack(WEBHOOK).build())
}

async fn tell(world: &World, told: &Notice) -> Result<(), PortError> {
    notice::run(&world.store, &world.topic, &world.slack, told).await
}

#[tokio::test]
async fn topic_and_slack_hear_of_every_notice_of_a_target() {
    for what in ALL {
        let world = world();
        tell(&world, &of_target(what, "because")).await.unwrap();
        let posts = world.slack.posts();
        assert_eq!((world.topic.messages().len(), posts.len()), (1, 1), "{what:?}");
        assert_eq!(posts[0].0.as_str(), WEBHOOK);
    }
}

#[tokio::test]
async fn a_notice_of_all_targets_goes_to_the_topic_alone() {
    let world = world();
    tell(&world, &of_all(Happened::LineStopped)).await.unwrap();
    assert_eq!((world.topic.messages().len(), world.slack.posts().len()), (1, 0));
    assert_eq!(world.calls.total(), 1, "one call however many targets there are");
}

#[tokio::test]
async fn a_target_without_a_webhook_or_that_is_gone_is_told_by_the_topic() {
    for world in [World::usual(), World::empty()] {
        tell(&world, &of_target(Happened::DriftFound, "because")).await.unwrap();
        assert_eq!((world.topic.messages().len(), world.slack.posts().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_topic_that_fails_is_an_error_and_the_notice_comes_again_with_the_same_id() {
    let world = world();
    let told = of_target(Happened::TargetFreed, "because");
    world.calls.inject(Fault::of("publish_message"));
    tell(&world, &told).await.unwrap_err();
    assert_eq!(world.slack.posts(), []);
    tell(&world, &told).await.unwrap();
    tell(&world, &told).await.unwrap();
    let ids: Vec<String> = world.topic.messages().iter().map(entry_of).collect();
    assert_eq!(ids, [ids[0].clone(), ids[0].clone()]);
    let later = Notice { at: at(62), ..told };
    assert_ne!(entry_of(&notice::message(&later)), ids[0], "another one has another id");
}

fn entry_of(message: &Message) -> String {
    let found = message.attributes.iter().find(|(name, _)| *name == "entry");
    found.map(|(_, value)| value.clone()).unwrap()
}

#[tokio::test]
async fn a_slack_that_fails_holds_no_notice_up() {
    for failure in [Failure::Unavailable, Failure::Denied, Failure::NotFound, Failure::Invalid] {
        let world = world();
        world.calls.inject(Fault::of("post").with(failure));
        tell(&world, &of_target(Happened::DriftFound, "because")).await.unwrap();
        assert_eq!((world.topic.messages().len(), world.slack.posts().len()), (1, 0));
    }
}

#[test]
fn subscribers_can_choose_by_target_what_and_severity() {
    for (told, expected) in [
        (
            of_target(Happened::DriftFound, "x"),
            [("target", "news"), ("what", "DriftFound"), ("severity", "warning")],
        ),
        (
            of_all(Happened::LineResumed),
            [("target", "all"), ("what", "LineResumed"), ("severity", "info")],
        ),
    ] {
        let attributes = notice::message(&told).attributes;
        for (name, value) in expected {
            assert!(attributes.contains(&(name, value.to_owned())), "{attributes:?}");
        }
    }
}

/// The message and the Slack body, as one text.
fn shown(told: &Notice) -> String {
    let Message { subject, text, attributes } = notice::message(told);
    let attributes: Vec<_> = attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let body = serde_json::to_string_pretty(&notice::body(told)).unwrap();
    format!("{subject}\n{}\n\n{text}\n{body}\n", attributes.join(" "))
}

#[test]
fn notices_read_as_reviewed() {
    insta::assert_snapshot!(
        "stopped",
        shown(&of_target(Happened::LineStopped, "news stopped by kim: incident 12"))
    );
    insta::assert_snapshot!("stopped_all", notice::message(&of_all(Happened::LineStopped)).text);
    insta::assert_snapshot!(
        "drift",
        shown(&of_target(
            Happened::DriftFound,
            "alias live of news sends version 9 alone, but release news-1 promoted version 5"
        ))
    );
    insta::assert_snapshot!(
        "drift_ended",
        shown(&of_target(
            Happened::DriftEnded,
            "the alias sends again what was promoted last <!channel>"
        ))
    );
}
