//! The ledger of model servers, or why a release can't start: without a way back, none does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::head::{Head, Ledger, ServersSnapshot, Snapshot};
use perch_core::names::Version;
use perch_core::release::Release;
use perch_core::reload::{Fleet, Seen};
use perch_core::target::{Complete, ModelServers, OnCacheFailure};

/// What served, as the ledger of the release, or why there is none.
pub(super) fn ledger(
    release: &Release,
    servers: &ModelServers,
    head: Option<&Head>,
    fleet: &Fleet,
    now: Timestamp,
) -> Result<Ledger, String> {
    if fleet.replicas.is_empty() {
        return Err(format!("model {} has no replica that runs: start its servers", servers.model));
    }
    let silent: Vec<&Seen> = fleet.replicas.iter().filter(|seen| seen.state.is_none()).collect();
    if let (Complete::All, Some(seen)) = (servers.complete, silent.first()) {
        let why = seen.silent.as_deref().unwrap_or("no answer");
        return Err(format!(
            "replica {} does not answer: {why}. Put it right, or let a release do without it with \
             `service.modelServers.complete: {{ atLeast: N }}`",
            seen.replica.name
        ));
    }
    let answering = fleet.replicas.len() - silent.len();
    if let Complete::AtLeast(least) = servers.complete
        && answering < least as usize
    {
        return Err(format!(
            "{answering} replicas answer, and {least} have to serve the new model"
        ));
    }
    let baseline = baseline(release, servers, head, fleet)?;
    if let Some(why) = &fleet.cache_silent
        && release.plan.cache.as_ref().is_some_and(|c| c.on_failure == OnCacheFailure::Fail)
    {
        return Err(format!("the cache does not answer, so it could not be switched: {why}"));
    }
    let differs = |seen: &&Seen| active(seen).is_some_and(|version| *version != baseline);
    let mut others: Vec<Version> =
        fleet.replicas.iter().filter(differs).filter_map(active).cloned().collect();
    others.sort();
    others.dedup();
    let canary = version(&release.artifact);
    let same_cache = fleet.generation.as_deref().is_none_or(|found| found == baseline.as_str());
    let whole = others.is_empty() && silent.is_empty() && same_cache;
    if canary == Some(&baseline) && (whole || !release.cause.is_way_back()) {
        return Err(format!("{} serves already", release.artifact));
    }
    // Those that answer go first: a canary has to be one that can be judged.
    let mut replicas: Vec<&Seen> = fleet.replicas.iter().collect();
    replicas.sort_by_key(|seen| seen.state.is_none());
    let replicas = replicas.into_iter().map(|seen| seen.replica.clone()).collect();
    let generation = fleet.generation.clone();
    let snapshot = Snapshot::Servers(ServersSnapshot { replicas, generation, others });
    Ok(Ledger { baseline, canary: None, snapshot, taken_at: now })
}

/// The version to come back to: the one that every replica serves. Where they differ, the one that was
/// promoted last, if a replica still serves it.
fn baseline(
    release: &Release,
    servers: &ModelServers,
    head: Option<&Head>,
    fleet: &Fleet,
) -> Result<Version, String> {
    let mut serving: BTreeMap<&Version, Vec<&str>> = BTreeMap::new();
    for seen in &fleet.replicas {
        if let Some(version) = active(seen) {
            serving.entry(version).or_default().push(&seen.replica.name);
        }
    }
    let promoted = head.and_then(|head| head.model_serving.as_ref()).map(|of| &of.version);
    let known = promoted.filter(|version| serving.contains_key(version));
    match (serving.len(), known, serving.keys().next()) {
        (0, ..) => Err(format!(
            "there is no way back: no replica serves a version of model {}; load a first one on every \
             replica, then start again",
            servers.model
        )),
        (1, _, Some(version)) => Ok((*version).clone()),
        (_, Some(version), _) => Ok(version.clone()),
        _ => {
            let found: Vec<String> = serving
                .iter()
                .map(|(version, names)| format!("{version} on {}", names.join(", ")))
                .collect();
            Err(format!(
                "replicas serve different versions, and Perch promoted none of them: {}. A split is never \
                 taken as the state to come back to: `perch model rollback {} --to VERSION` brings all to \
                 one",
                found.join("; "),
                release.target
            ))
        }
    }
}

fn active(seen: &Seen) -> Option<&Version> {
    seen.state.as_ref()?.active.as_ref()
}

/// The version of a model.
pub(super) fn version(artifact: &Artifact) -> Option<&Version> {
    match artifact {
        Artifact::Model { version, .. } => Some(version),
        Artifact::Image { .. } | Artifact::Package { .. } | Artifact::Version { .. } => None,
    }
}
