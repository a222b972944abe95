//! Whether replicas, cache and what Perch promoted last are equal.

use perch_core::head::Head;
use perch_core::names::ReleaseId;
use perch_core::reload::{Fleet, Load};
use serde::Serialize;

/// What was found of a target's model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The version that Perch promoted last.
    pub promoted: Option<String>,
    /// One finding for each replica, and one for the cache where there is one.
    pub findings: Vec<Finding>,
    /// Whether all are equal.
    pub equal: bool,
    /// The release that holds the target: while it is under way, replicas differ as planned.
    pub under_way: Option<ReleaseId>,
}

/// One place and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The replica's name, or `cache`.
    pub place: String,
    /// The version or generation, if it answered.
    pub found: Option<String>,
    /// What it has loaded besides, or why it does not answer.
    pub more: String,
    /// Whether it is as it should be.
    pub right: bool,
}

/// Compares what replicas and cache report with what was promoted last. Before the first release they
/// only have to be equal among themselves.
pub fn verify(head: Option<&Head>, fleet: &Fleet, cached: bool) -> Verified {
    let promoted =
        head.and_then(|head| head.model_serving.as_ref()).map(|of| of.version.to_string());
    let active = |seen: &perch_core::reload::Seen| {
        seen.state.as_ref().and_then(|state| state.active.as_ref()).map(ToString::to_string)
    };
    let expected = promoted.clone().or_else(|| fleet.replicas.iter().find_map(active));
    let mut findings: Vec<Finding> = fleet
        .replicas
        .iter()
        .map(|seen| {
            let found = active(seen);
            let right = found.is_some() && found == expected;
            let place = seen.replica.name.clone();
            Finding { place, found, more: more(seen), right }
        })
        .collect();
    if cached {
        let found = fleet.generation.clone();
        // Nobody set a pointer before the first release: callers read no answers then.
        let right = fleet.cache_silent.is_none()
            && (found == expected || (found.is_none() && promoted.is_none()));
        let more = fleet.cache_silent.clone().unwrap_or_default();
        findings.push(Finding { place: "cache".to_owned(), found, more, right });
    }
    let equal = !fleet.replicas.is_empty() && findings.iter().all(|finding| finding.right);
    let under_way = head.and_then(|head| head.active.clone());
    Verified { promoted, findings, equal, under_way }
}

fn more(seen: &perch_core::reload::Seen) -> String {
    let Some(state) = &seen.state else {
        return seen.silent.clone().unwrap_or_else(|| "no answer".to_owned());
    };
    let besides =
        state.loaded.iter().filter(|loaded| Some(&loaded.version) != state.active.as_ref());
    let besides: Vec<String> = besides
        .map(|loaded| match &loaded.load {
            Load::Ready => format!("{} ready", loaded.version),
            Load::Loading => format!("{} loading", loaded.version),
            Load::Failed { reason } => format!("{} failed: {reason}", loaded.version),
        })
        .collect();
    besides.join(", ")
}
