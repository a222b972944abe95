//! What gets on the event bus, in which calls, and what is delivered again.

use std::sync::Arc;

use perch_app::ports::MOST_EVENTS;
use perch_app::publish_events::{self, NotPublished};
use perch_core::journal::{JournalEntry, Moment, What};
use perch_core::outgoing::Outgoing;
use perch_testkit::{Calls, Failure, Fault, MemoryBus, at, release};

fn entry(seq: u64, what: What) -> JournalEntry {
    let release = release().baking(0).build();
    JournalEntry {
        release: release.id.clone(),
        target: release.target.clone(),
        seq,
        at: at(61),
        what,
        cause: "because".to_owned(),
        evidence: None,
        smoke: Vec::new(),
        moment: Some(Box::new(Moment::of(&release))),
    }
}

/// A batch of this many records, of which every third is about a look.
fn batch(records: u64) -> Vec<Option<Outgoing>> {
    let what = |seq| if seq % 3 == 0 { What::BakeJudged } else { What::WeightShifted };
    (1..=records).map(|seq| Outgoing::of_entry(&entry(seq, what(seq)))).collect()
}

fn bus() -> (MemoryBus, Arc<Calls>) {
    let calls = Arc::default();
    (MemoryBus::new(&calls), calls)
}

/// Delivers the batch as a stream does: again from the record that failed, until all succeeded.
async fn deliver(bus: &MemoryBus, records: &[Option<Outgoing>]) -> usize {
    let mut rest = records;
    for tries in 1.. {
        match publish_events::run(bus, rest).await {
            Ok(()) => return tries,
            Err(NotPublished { at, .. }) => rest = &rest[at..],
        }
    }
    unreachable!()
}

/// The events that the bus took, without doubles, in the order of their first coming.
fn told(bus: &MemoryBus) -> Vec<Outgoing> {
    let mut seen = Vec::new();
    for event in bus.events() {
        if !seen.contains(&event) {
            seen.push(event);
        }
    }
    seen
}

fn expected(records: &[Option<Outgoing>]) -> Vec<Outgoing> {
    records.iter().flatten().cloned().collect()
}

#[tokio::test]
async fn a_batch_goes_out_in_order_in_as_few_calls_as_there_can_be() {
    for (records, calls_needed) in [(0, 0), (1, 1), (15, 1), (16, 2), (30, 2), (100, 7)] {
        let (bus, calls) = bus();
        let batch = batch(records);
        publish_events::run(&bus, &batch).await.unwrap();
        assert_eq!(bus.events(), expected(&batch));
        assert_eq!(calls.total(), calls_needed, "{records} records");
    }
}

#[tokio::test]
async fn a_batch_that_tells_nothing_calls_nothing() {
    let (bus, calls) = bus();
    publish_events::run(&bus, &[None, None]).await.unwrap();
    assert_eq!(calls.total(), 0);
}

#[tokio::test]
async fn whatever_fails_every_event_gets_on_the_bus() {
    let batch = batch(40);
    for call in 0..3 {
        for after in [false, true] {
            let (bus, calls) = bus();
            let fault = Fault::call(call).with(Failure::Unavailable);
            calls.inject(if after { fault.after() } else { fault });
            assert_eq!(deliver(&bus, &batch).await, 2, "call {call}");
            assert!(calls.faults_are_used_up());
            assert_eq!(told(&bus), expected(&batch), "call {call}, after {after}");
        }
    }
    for refused in [vec![0], vec![9], vec![3, 7], (0..MOST_EVENTS).collect()] {
        let (bus, _) = bus();
        bus.refuse(&refused);
        assert_eq!(deliver(&bus, &batch).await, 2);
        let mut told = told(&bus);
        told.sort_by_key(|event| serde_json::to_value(&event.detail).unwrap()["seq"].as_u64());
        assert_eq!(told, expected(&batch), "{refused:?}");
    }
}

#[tokio::test]
async fn the_record_that_failed_is_named_not_the_event() {
    // Record 3 has no event: the third event is of record 4.
    let (bus, _) = bus();
    bus.refuse(&[2]);
    let error = publish_events::run(&bus, &batch(5)).await.unwrap_err();
    assert_eq!(error.at, 3);
    let why = "the bus did not take WeightShifted: InternalFailure: try again";
    assert_eq!(error.why.to_string(), why);
}

#[tokio::test]
async fn the_same_entry_is_the_same_event_each_time() {
    let (bus, _) = bus();
    for _ in 0..2 {
        publish_events::run(&bus, &batch(1)).await.unwrap();
    }
    let events = bus.events();
    assert_eq!(events[0], events[1]);
}
