//! What dead letters say, and what becomes of their events when they are sent again.

use std::collections::BTreeMap;

use perch_app::dead_letters::{
    self, DeadLetter, Outcome, Ports, RedriveError, Remedy, Sent, Wanted, find, list, read,
};
use perch_app::ports::{Letter, PortError, Queue, Tidings};
use perch_core::journal::{Happened, JournalEntry, Notice, What};
use perch_testkit::{Failure, Fault, MemoryCalls, MemoryLetters, World, at, release};
use serde_json::{Value, json};

/// A letter out of `tests/fixtures/dead-letters`.
fn sample(name: &str, queue: Queue, seconds: i64) -> Letter {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/dead-letters");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    let sample: Value = serde_json::from_str(&text).unwrap();
    let attributes: BTreeMap<String, String> =
        serde_json::from_value(sample["attributes"].clone()).unwrap();
    letter(&format!("id-{seconds}"), queue, seconds, attributes, sample["body"].to_string())
}

fn letter(
    id: &str,
    queue: Queue,
    seconds: i64,
    attributes: BTreeMap<String, String>,
    body: String,
) -> Letter {
    let receipt = "as received".to_owned();
    Letter { id: id.to_owned(), queue, sent_at: at(seconds), attributes, body, receipt }
}

/// The record of an asynchronous invocation of this function.
fn record(id: &str, seconds: i64, function: &str) -> Letter {
    let body = json!({
        "requestContext": {
            "functionArn": format!("arn:aws:lambda:us-east-1:123456789012:function:{function}:$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": { "id": format!("event of {id}"), "source": "aws.ecr", "detail": {} },
        "responsePayload": { "errorType": "Denied", "errorMessage": "no" },
    });
    letter(id, Queue::Failed, seconds, BTreeMap::new(), body.to_string())
}

/// The record of stream records that came in this second.
fn stream(id: &str, seconds: i64) -> Letter {
    stream_of("perch-notify", id, seconds)
}

fn stream_of(function: &str, id: &str, seconds: i64) -> Letter {
    let body = json!({
        "requestContext": {
            "functionArn": format!("arn:aws:lambda:us-east-1:123456789012:function:{function}"),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 21,
        },
        "DDBStreamBatchInfo": {
            "approximateArrivalOfFirstRecord": at(seconds),
            "approximateArrivalOfLastRecord": at(seconds),
            "batchSize": 1,
        },
    });
    letter(id, Queue::Failed, seconds, BTreeMap::new(), body.to_string())
}

fn shown(letter: &DeadLetter) -> String {
    let DeadLetter { source, function, event, subject, error, attempts, .. } = letter;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let function = text(&function.as_ref().map(ToString::to_string));
    let attempts = text(&attempts.map(|n| n.to_string()));
    let remedy = match &letter.remedy {
        Remedy::HandOver { function, event } => format!("{function} gets {}", event["id"]),
        Remedy::TellAgain { function, batch } => format!("{function} tells {batch}"),
        Remedy::None { why } => format!("none: {why}"),
    };
    format!(
        "{subject}\n  source {}, function {function}, event {}, attempts {attempts}\n  error {error}\n  remedy {remedy}",
        text(source),
        text(event)
    )
}

#[test]
fn every_kind_of_letter_is_read() {
    let letters = [
        sample("eventbridge-rule", Queue::Undelivered, 1),
        sample("eventbridge-rule-retries", Queue::Undelivered, 2),
        sample("scheduler", Queue::Undelivered, 3),
        sample("lambda-destination", Queue::Failed, 4),
        sample("lambda-destination-documented", Queue::Failed, 5),
        sample("dynamodb-stream-documented", Queue::Failed, 6),
    ];
    let all: Vec<_> = letters.iter().map(|letter| shown(&read(letter))).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_letter_that_can_not_be_sent_again_says_why() {
    let rule = sample("eventbridge-rule", Queue::Undelivered, 1);
    let with = |name: &str, value: &str| {
        let mut letter = rule.clone();
        letter.attributes.insert(name.to_owned(), value.to_owned());
        letter
    };
    let body = |body: &str| Letter { body: body.to_owned(), ..record("a", 1, "perch-on-alarm") };
    let letters = [
        with("TARGET_ARN", "arn:aws:sqs:us-east-1:123456789012:other"),
        with("IS_PAYLOAD_TRUNCATED", "true"),
        Letter { body: "cut off".to_owned(), ..rule.clone() },
        body("hello"),
        body(r#"{"id": "e-1", "source": "aws.ecr", "detail": {"repository-name": "news"}}"#),
        body(&record("a", 1, "perch-on-alarm").body.replace("requestPayload", "other")),
        body(&record("a", 1, "perch-on-alarm").body.replace(":lambda:", ":states:")),
    ];
    let all: Vec<_> = letters.iter().map(|letter| shown(&read(letter))).collect();
    insta::assert_snapshot!(all.join("\n"));
}

/// The queues with these letters, functions, and a world with a release that bakes.
struct Scene {
    world: World,
    letters: MemoryLetters,
    functions: MemoryCalls,
}

impl Scene {
    fn with(letters: impl IntoIterator<Item = Letter>) -> Self {
        let world = World::amid(&release().baking(0).build());
        let letters = MemoryLetters::new(&world.calls, letters);
        let functions = MemoryCalls::new(&world.calls);
        world.calls.clear();
        Self { letters, functions, world }
    }

    async fn redrive(&self, wanted: Wanted, dry_run: bool) -> Result<Vec<Outcome>, RedriveError> {
        let Self { letters, functions, world } = self;
        let ports = Ports { letters, functions, store: &world.store, stack: "perch" };
        dead_letters::run(&ports, &wanted, dry_run).await
    }

    async fn redrive_all(&self) -> Vec<(String, Sent, String)> {
        let outcomes = self.redrive(Wanted::All, false).await.unwrap();
        outcomes.into_iter().map(|o| (o.letter.id, o.result, o.text)).collect()
    }

    /// The events that functions got.
    fn events(&self) -> Vec<String> {
        let all = self.functions.handed_over();
        all.iter().map(|(function, event)| format!("{function}: {}", event["id"])).collect()
    }

    /// Entries at these seconds of the release's journal, with these kinds.
    fn journal(&self, entries: &[(u64, i64, What)]) {
        let release = release().baking(0).build();
        self.world.store.change(|items| {
            items.journal.clear();
            for (seq, seconds, what) in entries {
                let entry = JournalEntry {
                    release: release.id.clone(),
                    target: release.target.clone(),
                    seq: *seq,
                    at: at(*seconds),
                    what: *what,
                    cause: "because".to_owned(),
                    evidence: None,
                    smoke: Vec::new(),
                    moment: None,
                };
                items.journal.insert((release.id.clone(), *seq), entry);
            }
        });
    }
}

fn ids(ids: &[&str]) -> Wanted {
    Wanted::Ids(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn many(count: usize) -> Vec<Letter> {
    (0..count)
        .map(|n| {
            let letter = record(&format!("l{n:02}"), 100 - n as i64, "perch-on-image-push");
            let queue = if n % 3 == 0 { Queue::Undelivered } else { Queue::Failed };
            Letter { queue, ..letter }
        })
        .collect()
}

#[tokio::test]
async fn a_look_pages_through_all_and_keeps_nothing() {
    let scene = Scene::with(many(57));
    let found = list(&scene.letters, &Queue::ALL).await.unwrap();
    let times: Vec<_> = found.iter().map(|letter| letter.at).collect();
    assert_eq!(found.len(), 57);
    assert!(times.is_sorted(), "oldest first");
    assert_eq!(scene.letters.hidden(), [""; 0]);
    let failed = list(&scene.letters, &[Queue::Failed]).await.unwrap();
    assert_eq!(failed.len(), 38);
    assert!(failed.iter().all(|letter| letter.queue == Queue::Failed));
    assert_eq!(scene.letters.left().len(), 57);
}

#[tokio::test]
async fn a_look_that_fails_half_way_keeps_nothing() {
    for call in 0..6 {
        let scene = Scene::with(many(35));
        scene.world.calls.inject(Fault::call(call));
        list(&scene.letters, &Queue::ALL).await.unwrap_err();
        assert_eq!(scene.letters.hidden(), [""; 0], "call {call}");
    }
}

#[tokio::test]
async fn what_can_not_be_given_back_is_shown_all_the_same() {
    let scene = Scene::with(many(3));
    scene.world.calls.inject(Fault::of("give_back_letters"));
    assert_eq!(list(&scene.letters, &Queue::ALL).await.unwrap().len(), 3);
    assert_eq!(scene.letters.hidden().len(), 3, "for the time of the hold");
}

#[tokio::test]
async fn one_letter_is_found_by_its_id() {
    let scene = Scene::with(many(25));
    assert_eq!(find(&scene.letters, "l24").await.unwrap().unwrap().id, "l24");
    assert_eq!(find(&scene.letters, "l25").await.unwrap(), None);
    assert_eq!(scene.letters.hidden(), [""; 0]);
}

#[tokio::test]
async fn the_function_gets_the_event_and_the_letter_goes() {
    let rule = sample("eventbridge-rule", Queue::Undelivered, 1);
    let scene = Scene::with([rule, record("b", 2, "perch-on-alarm"), record("c", 3, "perch-x")]);
    let outcomes = scene.redrive(ids(&["b", "id-1"]), false).await.unwrap();
    assert_eq!(outcomes.iter().map(|o| o.result).collect::<Vec<_>>(), [Sent::Redriven; 2]);
    let push: Value =
        serde_json::from_str(include_str!("../../../events/on-image-push.json")).unwrap();
    assert_eq!(scene.functions.handed_over()[0].1, push, "the whole event");
    assert_eq!(scene.events()[1], "perch-on-alarm: \"event of b\"");
    assert_eq!(scene.letters.left(), ["c"]);
    assert_eq!(scene.letters.hidden(), [""; 0]);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let scene = Scene::with([record("a", 1, "perch-on-alarm"), stream("b", 60)]);
    scene.journal(&[(1, 30, What::WeightShifted)]);
    let outcomes = scene.redrive(Wanted::All, true).await.unwrap();
    let said: Vec<_> = outcomes.iter().map(|o| (o.result, o.text.as_str())).collect();
    assert_eq!(
        said,
        [
            (Sent::WouldBeRedriven, "perch-on-alarm would get the event"),
            (Sent::WouldBeRedriven, "perch-notify would send 1 notification of that time again"),
        ]
    );
    assert_eq!((scene.events().len(), scene.functions.told().len()), (0, 0));
    assert_eq!(scene.letters.left(), ["a", "b"]);
    assert_eq!(scene.letters.hidden(), [""; 0]);
}

#[tokio::test]
async fn with_an_unknown_id_nothing_is_sent() {
    let scene = Scene::with([record("a", 1, "perch-on-alarm"), record("b", 2, "perch-on-alarm")]);
    scene.letters.hide("b");
    let error = scene.redrive(ids(&["a", "b", "c"]), false).await.unwrap_err();
    assert!(matches!(&error, RedriveError::Unknown(ids) if ids == &["b", "c"]), "{error}");
    assert!(error.to_string().contains("up to 5 minutes"), "{error}");
    assert_eq!(scene.events(), [""; 0]);
    assert_eq!(scene.letters.hidden(), ["b"], "what someone else holds");
}

#[tokio::test]
async fn only_functions_of_the_installation_are_called() {
    let foreign = ["payments", "perch2-on-alarm", "perch"];
    let letters = foreign.iter().enumerate().map(|(n, f)| record(&format!("{n}"), n as i64, f));
    let scene = Scene::with(letters.chain([record("own", 9, "perch-on-alarm")]));
    let outcomes = scene.redrive_all().await;
    for ((_, result, text), function) in outcomes.iter().zip(foreign) {
        assert_eq!(*result, Sent::NotRedriven);
        assert_eq!(*text, format!("{function} is no function of stack perch: not called"));
    }
    assert_eq!(scene.events(), ["perch-on-alarm: \"event of own\""]);
    assert_eq!(scene.letters.left(), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_failure_of_one_letter_leaves_the_others() {
    let three = || ["a", "b", "c"].map(|id| record(id, 1, "perch-on-alarm"));
    for failure in [Failure::NotFound, Failure::Invalid] {
        let scene = Scene::with(three());
        scene.world.calls.inject(Fault::of("hand_over").with(failure));
        let outcomes = scene.redrive_all().await;
        let results: Vec<_> = outcomes.iter().map(|(_, result, _)| *result).collect();
        assert_eq!(results, [Sent::NotRedriven, Sent::Redriven, Sent::Redriven]);
        assert_eq!(scene.letters.left(), ["a"]);
        assert_eq!(scene.letters.hidden(), [""; 0]);
    }
}

#[tokio::test]
async fn a_failure_that_all_would_meet_ends_it() {
    for failure in [Failure::Unavailable, Failure::Denied] {
        for call in ["hand_over", "delete_letter"] {
            let scene = Scene::with(["a", "b", "c"].map(|id| record(id, 1, "perch-on-alarm")));
            scene.world.calls.inject(Fault::of(call).with(failure));
            let outcomes = scene.redrive_all().await;
            assert!(outcomes.iter().all(|(_, result, _)| *result == Sent::NotRedriven));
            assert_eq!(outcomes[2].2, "not tried after the failure before it");
            assert_eq!(scene.letters.left(), ["a", "b", "c"]);
            assert_eq!(scene.letters.hidden(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_whichever_call_fails() {
    let letters = || {
        let records = (0..12).map(|n| record(&format!("{n:02}"), n, "perch-on-alarm"));
        records.chain([stream("stream", 60)])
    };
    let quiet = Scene::with(letters());
    quiet.journal(&[(1, 30, What::WeightShifted), (2, 31, What::OrderGiven)]);
    quiet.redrive_all().await;
    assert_eq!(quiet.letters.left(), [""; 0]);
    let calls = quiet.world.calls.total();
    assert!(calls > 25, "{calls}");
    for call in 0..calls {
        for fault in [Fault::call(call), Fault::call(call).after()] {
            let scene = Scene::with(letters());
            scene.journal(&[(1, 30, What::WeightShifted), (2, 31, What::OrderGiven)]);
            scene.world.calls.inject(fault);
            let _ = scene.redrive(Wanted::All, false).await;
            for n in 0..12 {
                let id = format!("{n:02}");
                let sent = scene.events().iter().any(|event| event.contains(&format!("of {id}\"")));
                assert!(sent || scene.letters.left().contains(&id), "{id} is lost, call {call}");
            }
            let told = scene.functions.told().len() == 2;
            assert!(told || scene.letters.left().contains(&"stream".to_owned()), "call {call}");
            scene.letters.end_holds();
            scene.redrive(Wanted::All, false).await.unwrap();
            assert_eq!(scene.letters.left(), [""; 0], "the second try does the rest, call {call}");
        }
    }
}

fn notice(id: &str, target: Option<&str>, seconds: i64) -> Notice {
    Notice {
        id: id.to_owned(),
        target: target.map(|name| name.parse().unwrap()),
        at: at(seconds),
        what: Happened::DriftFound,
        text: "alias live sends to version 9".to_owned(),
    }
}

#[tokio::test]
async fn what_happened_at_that_time_is_told_again_once() {
    let scene = Scene::with([stream("a", 400), stream("b", 520), record("c", 521, "perch-x")]);
    scene.journal(&[
        (1, 69, What::ReleasePlanned),
        (2, 70, What::CanaryPublished),
        (3, 71, What::BakeJudged),
        (4, 405, What::WeightShifted),
        (5, 406, What::OrderGiven),
        (6, 526, What::ReleasePromoted),
    ]);
    scene.world.store.change(|items| {
        items.notices = vec![
            notice("early", Some("news"), 69),
            notice("drift", Some("news"), 100),
            notice("all", None, 80),
        ];
    });
    let outcomes = scene.redrive_all().await;
    assert_eq!(outcomes[0].2, "perch-notify sent 4 notifications of that time again");
    assert_eq!(outcomes[1].2, "perch-notify sent 2 notifications of that time again");
    let told: Vec<_> = scene.functions.told().iter().map(Tidings::id).collect();
    assert_eq!(
        told,
        ["news-1/0000000002", "all", "news/drift", "news-1/0000000004", "news-1/0000000005",],
        "what matters, in its order, each once"
    );
    assert_eq!(scene.letters.left(), [""; 0]);
    assert_eq!(scene.world.calls.count("releases"), 1);
}

#[tokio::test]
async fn what_one_reader_of_the_stream_told_again_the_other_tells_as_well() {
    let both = [stream("a", 400), stream_of("perch-publish-events", "b", 400)];
    let scene = Scene::with(both);
    scene.journal(&[(1, 400, What::WeightShifted)]);
    let outcomes = scene.redrive_all().await;
    assert_eq!(outcomes[0].2, "perch-notify sent 1 notification of that time again");
    assert_eq!(outcomes[1].2, "perch-publish-events sent 1 notification of that time again");
    assert_eq!(scene.functions.told().len(), 2);
    assert_eq!(scene.letters.left(), [""; 0]);
}

#[tokio::test]
async fn a_time_without_entries_keeps_its_letter() {
    let scene = Scene::with([stream("a", 600)]);
    scene.journal(&[(1, 599, What::BakeJudged), (2, 200, What::WeightShifted)]);
    let outcomes = scene.redrive_all().await;
    assert_eq!(outcomes[0].1, Sent::NotRedriven);
    assert_eq!(outcomes[0].2, "the table has nothing of that time that people are told about");
    assert_eq!(scene.letters.left(), ["a"]);
}

#[tokio::test]
async fn an_entry_that_can_not_be_told_keeps_its_letter() {
    let scene = Scene::with([stream("a", 100)]);
    scene.journal(&[(1, 90, What::WeightShifted), (2, 91, What::OrderGiven)]);
    scene.world.calls.inject(Fault::of("tell").with(Failure::Invalid));
    let outcomes = scene.redrive_all().await;
    assert_eq!(outcomes[0].1, Sent::NotRedriven);
    assert_eq!(scene.letters.left(), ["a"]);
    let again = scene.redrive_all().await;
    assert_eq!(again[0].1, Sent::Redriven);
    assert_eq!(scene.functions.told().len(), 2);
}

#[tokio::test]
async fn queues_that_can_not_be_read_are_an_error() {
    let scene = Scene::with(many(3));
    scene.world.calls.inject(Fault::of("receive_letters").with(Failure::NotFound));
    let error = scene.redrive(Wanted::All, false).await.unwrap_err();
    assert!(matches!(error, RedriveError::Port(PortError::NotFound { .. })), "{error}");
}
