//! The keys of the table's items.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::names::{AlarmName, BucketName, ReleaseId, RepositoryName, TargetName};
use perch_core::target::{ModelSource, Replicas, Service};

use super::item::text;

/// Primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(super) fn item(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([("pk".into(), text(&self.pk)), ("sk".into(), text(&self.sk))])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {}/{}", self.pk, self.sk)
    }
}

pub(super) const ALL_TARGETS: &str = "TARGETS";
pub(super) const UNMATCHED: &str = "UNMATCHED";
pub(super) const INSTALLATION: &str = "INSTALLATION";
pub(super) const SWEEPS: &str = "SWEEPS";
/// The index of the heads by when they are due, and what `due` is in each of them.
pub(super) const DUE_INDEX: &str = "due";
pub(super) const DUE: &str = "DUE";
pub(super) const NOTE: &str = "NOTE#";
pub(super) const NOTICE: &str = "NOTICE#";
pub(super) const RUN: &str = "RUN#";
pub(super) const JOURNAL: &str = "JOURNAL#";
pub(super) const RELEASE: &str = "RELEASE#";

pub(super) fn target_pk(name: &TargetName) -> String {
    format!("TARGET#{name}")
}

/// The name of the target whose partition this is.
pub(super) fn name_of(pk: &str) -> Option<&str> {
    pk.strip_prefix("TARGET#")
}

pub(super) fn spec(name: &TargetName) -> Key {
    Key::new(target_pk(name), "SPEC")
}

pub(super) fn head(name: &TargetName) -> Key {
    Key::new(target_pk(name), "HEAD")
}

pub(super) fn artifact(name: &TargetName, artifact: &Artifact) -> Key {
    Key::new(target_pk(name), format!("ARTIFACT#{}", artifact.identity()))
}

pub(super) fn heard(name: &TargetName, source: &ModelSource) -> Key {
    Key::new(target_pk(name), format!("HEARD#{}", source.place()))
}

pub(super) fn release_pk(id: &ReleaseId) -> String {
    format!("RELEASE#{id}")
}

pub(super) fn record(id: &ReleaseId) -> Key {
    Key::new(release_pk(id), "RECORD")
}

/// Ten digits sort as the numbers do, for more entries than a release can have.
pub(super) fn journal(id: &ReleaseId, seq: u64) -> Key {
    Key::new(release_pk(id), journal_sk(seq))
}

pub(super) fn journal_sk(seq: u64) -> String {
    format!("{JOURNAL}{seq:010}")
}

pub(super) fn release_of_target(name: &TargetName, start: Timestamp, id: &ReleaseId) -> Key {
    Key::new(target_pk(name), format!("{RELEASE}{}#{id}", stamp(start)))
}

pub(super) fn release_by_time(start: Timestamp, id: &ReleaseId) -> Key {
    Key::new(month(start), format!("{}#{id}", stamp(start)))
}

/// The partition of the releases of a month.
pub(super) fn month(at: Timestamp) -> String {
    format!("RELEASES#{}", at.strftime("%Y-%m"))
}

/// A time as text that sorts by time.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(super) fn listed_target(name: &TargetName) -> Key {
    Key::new(ALL_TARGETS, name.as_str())
}

pub(super) fn note(target: Option<&TargetName>, at: Timestamp, event: &str) -> Key {
    let pk = target.map_or_else(|| UNMATCHED.to_owned(), target_pk);
    Key::new(pk, format!("{NOTE}{}#{event}", stamp(at)))
}

pub(super) fn stop_of_all() -> Key {
    Key::new(INSTALLATION, "STOP")
}

/// The partition of the notices of a target, or of the installation.
pub(super) fn notices(target: Option<&TargetName>) -> String {
    target.map_or_else(|| INSTALLATION.to_owned(), target_pk)
}

pub(super) fn notice(target: Option<&TargetName>, at: Timestamp, id: &str) -> Key {
    Key::new(notices(target), format!("{NOTICE}{}#{id}", stamp(at)))
}

pub(super) fn event_pk(event: &str) -> String {
    format!("EVENT#{event}")
}

/// A target's name is never a hyphen alone.
pub(super) fn trace(event: &str, target: Option<&TargetName>) -> Key {
    Key::new(event_pk(event), target.map_or("-", TargetName::as_str))
}

pub(super) fn run(at: Timestamp, id: &str) -> Key {
    Key::new(SWEEPS, format!("{RUN}{}#{id}", stamp(at)))
}

pub(super) fn image_source(repository: &RepositoryName) -> String {
    format!("SOURCE#ecr#{repository}")
}

pub(super) fn package_source(bucket: &BucketName) -> String {
    format!("SOURCE#s3#{bucket}")
}

pub(super) fn guard(alarm: &AlarmName) -> String {
    format!("GUARD#{alarm}")
}

pub(super) fn indexed(pk: String, name: &TargetName) -> Key {
    Key::new(pk, target_pk(name))
}

/// Packages and models of one bucket are apart: a target may take either.
pub(super) fn model_source(bucket: &BucketName) -> String {
    format!("SOURCE#models#{bucket}")
}

/// What only one target may move: an alias, an ECS service, and a model on a group of servers.
pub(super) fn services(service: &Service) -> Vec<Key> {
    let claim = |pk| Key::new(pk, "TARGET");
    let alias = service
        .lambda
        .iter()
        .map(|lambda| claim(format!("SERVICE#lambda#{}#{}", lambda.function, lambda.alias)));
    let servers = service.model_servers.iter().map(|servers| {
        let place = match &servers.replicas {
            Replicas::Static(urls) => urls.first().cloned().unwrap_or_default(),
            Replicas::Ecs(tasks) => format!("ecs/{}/{}", tasks.cluster, tasks.service),
            Replicas::CloudMap(map) => format!("cloudmap/{}/{}", map.namespace, map.service),
        };
        claim(format!("SERVICE#servers#{place}#{}", servers.model))
    });
    let ecs = service.ecs.iter();
    let ecs = ecs.map(|of| claim(format!("SERVICE#ecs#{}#{}", of.cluster, of.service)));
    alias.chain(ecs).chain(servers).collect()
}
