//! One event of each name, as EventBridge delivers it.

use perch_core::artifact::Artifact;
use perch_core::journal::{Happened, JournalEntry, Moment, Moved, Notice, What};
use perch_core::outgoing::{Outgoing, SOURCE};
use perch_core::weight::Weight;
use perch_tests::json;
use serde_json::{Value, json};

const RELEASE: &str = "news-classifier-20260302-091407-295dbf";
const MODEL_RELEASE: &str = "news-classifier-20260302-102200-8e1f04";
const PACKAGE_RELEASE: &str = "news-classifier-zip-20260302-091511-5a0c77";

fn image() -> Artifact {
    let push = &json("events/on-image-push.json")["detail"];
    Artifact::Image {
        repository: push["repository-name"].as_str().unwrap().parse().unwrap(),
        digest: push["image-digest"].as_str().unwrap().parse().unwrap(),
        tag: push["image-tag"].as_str().map(Into::into),
    }
}

fn package() -> Artifact {
    let upload = &json("events/on-package-upload.json")["detail"];
    Artifact::Package {
        bucket: upload["bucket"]["name"].as_str().unwrap().parse().unwrap(),
        key: upload["object"]["key"].as_str().unwrap().into(),
        version: upload["object"]["version-id"].as_str().unwrap().into(),
    }
}

fn model() -> Artifact {
    Artifact::Model {
        bucket: "news-classifier-models".parse().unwrap(),
        key: "models/v2/manifest.json".into(),
        object: "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY".into(),
        version: "v2".parse().unwrap(),
    }
}

/// How a release is, by its kind of artifact.
fn moment(artifact: Artifact, phase: &str, percent: u8) -> Moment {
    let (service, baseline, canary) = match artifact {
        Artifact::Model { .. } => {
            (Moved::Servers { model: "news-classifier".parse().unwrap() }, "v1", "v2")
        }
        Artifact::Image { .. } | Artifact::Package { .. } | Artifact::Version { .. } => {
            let function = match artifact {
                Artifact::Package { .. } => "news-classifier-zip",
                _ => "news-classifier",
            };
            let (function, alias) = (function.parse().unwrap(), "live".parse().unwrap());
            (Moved::Alias { function, alias }, "4", "5")
        }
    };
    let versions = phase != "Pending" && phase != "Rejected";
    Moment {
        artifact,
        service,
        phase: phase.to_owned(),
        weight: Weight::new(percent).unwrap(),
        fence: 7,
        baseline: versions.then(|| baseline.parse().unwrap()),
        canary: versions.then(|| canary.parse().unwrap()),
    }
}

fn entry(seq: u64, what: What, moment: Moment, cause: &str) -> Outgoing {
    let (release, target) = match moment.artifact {
        Artifact::Model { .. } => (MODEL_RELEASE, "news-classifier"),
        Artifact::Package { .. } => (PACKAGE_RELEASE, "news-classifier-zip"),
        Artifact::Image { .. } | Artifact::Version { .. } => (RELEASE, "news-classifier"),
    };
    let entry = JournalEntry {
        release: release.parse().unwrap(),
        target: target.parse().unwrap(),
        seq,
        at: format!("2026-03-02T10:{:02}:21.402318Z", 22 + seq).parse().unwrap(),
        what,
        cause: cause.to_owned(),
        evidence: None,
        smoke: Vec::new(),
        moment: Some(Box::new(moment)),
    };
    Outgoing::of_entry(&entry).unwrap()
}

fn notice(id: &str, what: Happened, target: Option<&str>, text: &str) -> Outgoing {
    Outgoing::of_notice(&Notice {
        id: id.to_owned(),
        target: target.map(|name| name.parse().unwrap()),
        at: "2026-03-02T11:16:40.118Z".parse().unwrap(),
        what,
        text: text.to_owned(),
    })
}

/// Every event.
pub(crate) fn events() -> Vec<Outgoing> {
    let of = |artifact: fn() -> Artifact, phase, percent| moment(artifact(), phase, percent);
    let target = Some("news-classifier");
    let judged = "judged Fail: errors of the canary against the baseline, evidence 512 to 1";
    vec![
        entry(
            1,
            What::ReleasePlanned,
            of(image, "Pending", 0),
            "news-classifier:v42 by event 7bf73129-1428-4cd3-a780-95db273d1602",
        ),
        entry(
            5,
            What::CanaryPublished,
            of(model, "Shifting", 0),
            "model v2 goes to its first replicas",
        ),
        entry(
            6,
            What::WeightShifted,
            of(model, "Baking", 33),
            "1 of 3 replicas serve model v2: 10.0.0.5:8080",
        ),
        entry(
            7,
            What::OrderGiven,
            of(image, "Baking", 25),
            "promote, by ada: the fix for incident 12",
        ),
        entry(
            9,
            What::ReplicasReloaded,
            of(model, "Promoting", 67),
            "10.0.0.6:8080; 67% of the replicas serve the new model",
        ),
        entry(
            10,
            What::ReplicasLeftOut,
            of(model, "Promoting", 67),
            "10.0.0.7:8080 still serves model v1: it did not answer for 120 s",
        ),
        entry(11, What::CacheSwitched, of(model, "Promoting", 100), "generation v2, before v1"),
        entry(
            12,
            What::CacheNotSwitched,
            of(model, "Promoting", 100),
            "cache redis.internal:6379 did not answer within 2 s",
        ),
        entry(
            13,
            What::CanaryPromoted,
            of(model, "Watching", 100),
            "3 of 3 replicas serve model v2; watched for 10m",
        ),
        entry(
            14,
            What::CanaryPromoted,
            of(image, "Watching", 100),
            "all traffic on the canary; watched for 10m",
        ),
        entry(
            15,
            What::CanaryPromoted,
            of(package, "Watching", 100),
            "all traffic on the canary; watched for 10m",
        ),
        entry(
            16,
            What::CanaryPromoted,
            moment(Artifact::Version { version: "5".parse().unwrap() }, "Watching", 100),
            "all traffic on the canary; watched for 0s",
        ),
        entry(17, What::ReleasePromoted, of(model, "Promoted", 100), "the watch is over"),
        entry(18, What::RollbackDecided, of(image, "RollingBack", 25), judged),
        entry(19, What::ReleaseRolledBack, of(image, "RolledBack", 0), judged),
        entry(
            20,
            What::ReleaseRejected,
            of(model, "Rejected", 0),
            "accuracy 0.71 is below the baseline's 0.84 - 0.01; train on, or change `require`",
        ),
        entry(
            21,
            What::ReleaseSuperseded,
            of(image, "Superseded", 0),
            "by release news-classifier-20260302-104400-c01d22 of news-classifier:v43",
        ),
        entry(
            22,
            What::TrafficTakenOver,
            of(image, "Superseded", 25),
            "someone else moved alias live of news-classifier: it sends version 9 alone",
        ),
        entry(
            23,
            What::ReleaseStuck,
            of(image, "Stuck", 25),
            "traffic could not be restored: permission denied for alias live of news-classifier",
        ),
        entry(
            24,
            What::ReleaseRevived,
            of(image, "Baking", 25),
            "its execution was lost in phase Baking",
        ),
        notice(
            "stopped-ada",
            Happened::LineStopped,
            None,
            "all targets stopped by ada: incident 12",
        ),
        notice("resumed-ada", Happened::LineResumed, None, "all targets resumed by ada: mended"),
        notice(
            "sweep-1",
            Happened::DriftFound,
            target,
            "alias live of news-classifier sends version 9 alone, but version 5 was promoted",
        ),
        notice(
            "sweep-2",
            Happened::DriftEnded,
            target,
            "the alias sends again what was promoted last",
        ),
        notice(
            "sweep-3",
            Happened::TargetFreed,
            target,
            "news-classifier was held by a release that is over",
        ),
    ]
}

/// The event as EventBridge delivers it; `number` tells it from the others.
pub(crate) fn delivered(number: usize, event: &Outgoing) -> Value {
    json!({
        "version": "0",
        "id": format!("5e1ec7ed-0000-4000-8000-{number:012x}"),
        "detail-type": event.name,
        "source": SOURCE,
        "account": "123456789012",
        "time": format!("{:.0}", event.at),
        "region": "us-east-1",
        "resources": [],
        "detail": event.detail,
    })
}
