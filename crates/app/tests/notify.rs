//! What people are told, through which way, and what it looks like.

use perch_app::notify::{self, NotifyError};
use perch_app::ports::Message;
use perch_core::artifact::Artifact;
use perch_core::journal::{JournalEntry, What};
use perch_core::release::Release;
use perch_testkit::{Failure, Fault, World, at, release, target};

const WEBHOOK: &str = "ssm:/perch/slack";

const ALL: [What; 16] = [
    What::ReleasePlanned,
    What::LedgerTaken,
    What::CodeSet,
    What::CanaryPublished,
    What::SmokeTested,
    What::WeightShifted,
    What::BakeJudged,
    What::OrderGiven,
    What::PromotionDecided,
    What::CanaryPromoted,
    What::ReleasePromoted,
    What::RollbackDecided,
    What::ReleaseRolledBack,
    What::ReleaseRejected,
    What::ReleaseSuperseded,
    What::ReleaseStuck,
];

fn entry(what: What, cause: &str) -> JournalEntry {
    JournalEntry {
        release: "news-1".parse().unwrap(),
        target: "news".parse().unwrap(),
        seq: 7,
        at: at(61),
        what,
        cause: cause.to_owned(),
        evidence: None,
        smoke: Vec::new(),
        moment: None,
    }
}

/// A world whose target tells Slack, amid a bake.
fn world() -> World {
    let target = target().telling_slack(WEBHOOK).build();
    let world = World::with(&target);
    world.place(&release().to(&target).baking(0).build());
    world
}

async fn tell(world: &World, entry: &JournalEntry) -> Result<(), NotifyError> {
    notify::run(&world.store, &world.topic, &world.slack, entry).await
}

#[tokio::test]
async fn people_hear_of_what_matters_and_of_nothing_else() {
    let quiet = [
        What::LedgerTaken,
        What::CodeSet,
        What::SmokeTested,
        What::BakeJudged,
        What::PromotionDecided,
    ];
    for what in ALL {
        let world = world();
        tell(&world, &entry(what, "because")).await.unwrap();
        let told = usize::from(!quiet.contains(&what));
        assert_eq!(world.topic.messages().len(), told, "{what:?}");
        assert_eq!(world.slack.posts().len(), told, "{what:?}");
        assert_eq!(world.calls.total(), told * 4, "{what:?}");
    }
}

#[tokio::test]
async fn without_a_webhook_only_the_topic_is_told() {
    let world = World::amid(&release().baking(0).build());
    tell(&world, &entry(What::WeightShifted, "10% of traffic on the canary")).await.unwrap();
    assert_eq!((world.topic.messages().len(), world.slack.posts().len()), (1, 0));
}

#[tokio::test]
async fn a_topic_that_fails_is_an_error_and_the_entry_comes_again() {
    let world = world();
    world.calls.inject(Fault::of("publish_message"));
    let shifted = entry(What::WeightShifted, "10% of traffic on the canary");
    tell(&world, &shifted).await.unwrap_err();
    assert_eq!(world.slack.posts(), []);
    tell(&world, &shifted).await.unwrap();
    assert_eq!((world.topic.messages().len(), world.slack.posts().len()), (1, 1));
}

#[tokio::test]
async fn a_slack_that_fails_holds_nothing_up() {
    for failure in [Failure::Unavailable, Failure::Denied, Failure::NotFound, Failure::Invalid] {
        let world = world();
        world.calls.inject(Fault::of("post").with(failure));
        tell(&world, &entry(What::ReleaseStuck, "no permission")).await.unwrap();
        assert_eq!((world.topic.messages().len(), world.slack.posts().len()), (1, 0));
    }
}

#[tokio::test]
async fn an_entry_of_a_release_that_no_one_knows_is_an_error() {
    let error = tell(&World::usual(), &entry(What::ReleaseStuck, "x")).await.unwrap_err();
    assert_eq!(error.to_string(), "release news-1 does not exist");
}

#[tokio::test]
async fn a_message_never_says_where_the_webhook_is() {
    let world = world();
    for what in ALL {
        tell(&world, &entry(what, "because")).await.unwrap();
    }
    assert!(world.slack.posts().iter().all(|(webhook, _)| webhook.as_str() == WEBHOOK));
    let told = format!("{:?}{:?}", world.topic.messages(), {
        world.slack.posts().into_iter().map(|(_, body)| body).collect::<Vec<_>>()
    });
    assert!(!told.contains(WEBHOOK) && !told.contains("hooks.slack.com"), "{told}");
}

/// The message and the Slack body for a phase's newest entry, as one text.
fn shown(what: What, cause: &str, release: &Release) -> String {
    let entry = entry(what, cause);
    let Message { subject, text, attributes } = notify::message(&entry, release);
    let attributes: Vec<_> = attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let body = serde_json::to_string_pretty(&notify::body(&entry, release)).unwrap();
    format!("{subject}\n{}\n\n{text}\n{body}\n", attributes.join(" "))
}

#[test]
fn messages_read_as_reviewed() {
    insta::assert_snapshot!(
        "planned",
        shown(What::ReleasePlanned, "news:v2 (bbbbbbbbbbbb) by event event-1", &release().build())
    );
    insta::assert_snapshot!(
        "shifted",
        shown(What::WeightShifted, "10% of traffic on the canary", &release().baking(0).build())
    );
    insta::assert_snapshot!(
        "rollback_decided",
        shown(
            What::RollbackDecided,
            "judged Fail: 9 of 90 canary requests failed (10.0%, limit 1%)",
            &release().rolling_back(10).build()
        )
    );
    insta::assert_snapshot!(
        "stuck",
        shown(
            What::ReleaseStuck,
            "traffic could not be restored: Denied: no. Put it right with `aws lambda`",
            &release().stuck().build()
        )
    );
}

#[test]
fn a_subject_is_what_sns_takes() {
    let mut long = release().build();
    long.artifact = Artifact::Package {
        bucket: "models".parse().unwrap(),
        key: format!("news/\u{e9}t\u{e9}\n\t{}.zip", "x".repeat(200)),
        version: "2".to_owned(),
    };
    let subject = notify::message(&entry(What::ReleasePlanned, "because"), &long).subject;
    assert!(subject.len() < 100, "{subject}");
    assert!(subject.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{subject:?}");
}

#[test]
fn a_reason_can_not_call_a_channel() {
    let body = notify::body(
        &entry(What::OrderGiven, "promote, by kim: <!channel> & <https://example.com|see>"),
        &release().baking(0).build(),
    );
    let text = body.to_string();
    assert!(!text.contains("<!channel>") && !text.contains("<https"), "{text}");
    assert!(text.contains("&lt;!channel&gt; &amp;"), "{text}");
}

#[test]
fn a_body_stays_within_slack_s_limits() {
    let mut long = release().baking(0).build();
    long.artifact = Artifact::Package {
        bucket: "models".parse().unwrap(),
        key: format!("news/{}.zip", "x".repeat(1000)),
        version: "2".to_owned(),
    };
    let body = notify::body(&entry(What::ReleaseRejected, &"<".repeat(5000)), &long);
    let header = body["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(header.chars().count() <= 150, "{}", header.len());
    let section = body["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(section.chars().count() <= 3000, "{}", section.chars().count());
    for field in body["blocks"][2]["fields"].as_array().unwrap() {
        assert!(field["text"].as_str().unwrap().chars().count() <= 2000);
    }
}
