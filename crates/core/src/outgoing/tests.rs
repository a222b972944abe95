use super::*;
use crate::journal::{Moment, Moved};
use crate::weight::Weight;

const ALL: [What; 25] = [
    What::ReleasePlanned,
    What::LedgerTaken,
    What::CodeSet,
    What::CanaryPublished,
    What::SmokeTested,
    What::ModelChecked,
    What::WeightShifted,
    What::DeploymentStarted,
    What::DeploymentStopped,
    What::ReplicasReloaded,
    What::ReplicasLeftOut,
    What::CacheSwitched,
    What::CacheNotSwitched,
    What::BakeJudged,
    What::OrderGiven,
    What::PromotionDecided,
    What::CanaryPromoted,
    What::ReleasePromoted,
    What::RollbackDecided,
    What::ReleaseRolledBack,
    What::ReleaseRejected,
    What::ReleaseSuperseded,
    What::TrafficTakenOver,
    What::ReleaseStuck,
    What::ReleaseRevived,
];

fn image() -> Artifact {
    Artifact::Image {
        repository: "news".parse().unwrap(),
        digest: format!("sha256:{}", "b".repeat(64)).parse().unwrap(),
        tag: Some("v2".into()),
    }
}

fn entry(what: What, artifact: Artifact) -> JournalEntry {
    let moment = Moment {
        artifact,
        service: Moved::Alias { function: "news".parse().unwrap(), alias: "live".parse().unwrap() },
        phase: "Baking".into(),
        weight: Weight::new(10).unwrap(),
        fence: 7,
        baseline: Some("4".parse().unwrap()),
        canary: Some("5".parse().unwrap()),
    };
    JournalEntry {
        release: "news-1".parse().unwrap(),
        target: "news".parse().unwrap(),
        seq: 5,
        at: "2026-11-21T12:00:00.5Z".parse().unwrap(),
        what,
        cause: "because".into(),
        evidence: None,
        smoke: Vec::new(),
        moment: Some(Box::new(moment)),
    }
}

#[test]
fn others_are_told_what_people_are_told() {
    for what in ALL {
        let told = Outgoing::of_entry(&entry(what, image()));
        assert_eq!(told.is_some(), what.is_notified(), "{what:?}");
        if let Some(told) = told.filter(|_| what != What::CanaryPromoted) {
            assert_eq!(told.name, format!("{what:?}"));
        }
    }
}

#[test]
fn a_promotion_is_named_after_what_was_promoted() {
    let package = Artifact::Package {
        bucket: "models".parse().unwrap(),
        key: "a.zip".into(),
        version: "1".into(),
    };
    let model = Artifact::Model {
        bucket: "models".parse().unwrap(),
        key: "news/v2/manifest.json".into(),
        object: "o-1".into(),
        version: "v2".parse().unwrap(),
    };
    let version = Artifact::Version { version: "4".parse().unwrap() };
    for (artifact, name) in [
        (image(), "ImagePromoted"),
        (package, "PackagePromoted"),
        (model, "ModelUpdated"),
        (version, "VersionPromoted"),
    ] {
        assert_eq!(Outgoing::of_entry(&entry(What::CanaryPromoted, artifact)).unwrap().name, name);
    }
}

#[test]
fn an_entry_from_before_there_was_a_bus_is_passed_over() {
    let old = JournalEntry { moment: None, ..entry(What::ReleasePromoted, image()) };
    assert_eq!(Outgoing::of_entry(&old), None);
}

#[test]
fn ten_events_with_the_longest_cause_fit_into_one_call() {
    for text in ["\u{1}".repeat(100_000), "😀".repeat(100_000), "\"".repeat(100_000)] {
        let long = JournalEntry { cause: text, ..entry(What::ReleaseStuck, image()) };
        let told = Outgoing::of_entry(&long).unwrap();
        let Detail::Release(event) = &told.detail else { panic!("{told:?}") };
        assert_eq!(event.cause.chars().count(), 2000);
        assert!(event.cause.ends_with('…'));
        let detail = serde_json::to_string(&told.detail).unwrap();
        assert!(detail.len() < 25_000, "{}", detail.len());
    }
}

#[test]
fn a_detail_reads_back_and_says_its_schema() {
    let notice = Notice {
        id: "sweep-1".into(),
        target: None,
        at: "2026-11-21T12:00:00Z".parse().unwrap(),
        what: Happened::LineStopped,
        text: "stopped by kim".into(),
    };
    let told = [
        Outgoing::of_entry(&entry(What::WeightShifted, image())).unwrap(),
        Outgoing::of_notice(&notice),
    ];
    for (told, schema) in told.into_iter().zip(["perch.release-event/v1", "perch.notice/v1"]) {
        let detail = serde_json::to_value(&told.detail).unwrap();
        assert_eq!(detail["schema"], schema);
        assert_eq!(serde_json::from_value::<Detail>(detail).unwrap(), told.detail);
    }
}
