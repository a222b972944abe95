//! One round over the replicas that are under way.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use perch_core::reload::{Begun, LeftOut, Reload, Replica};

use super::replica::{Came, Fence, Goal};
use crate::ports::{ReadModels, ServeModel};

/// What came of a round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The names of those that were read back with the version.
    pub(super) arrived: Vec<String>,
    /// Those that can't serve it.
    pub(super) failed: Vec<LeftOut>,
    /// The first that serves a version that nobody here set.
    pub(super) foreign: Option<String>,
    /// The first whose golden requests failed, and what they answered.
    pub(super) golden: Option<(String, Vec<String>)>,
    /// Those that are under way.
    pub(super) begun: BTreeMap<String, Begun>,
}

/// Does the next step of each of these replicas, so many at the same time. One that takes longer than
/// a replica may counts as failed.
pub(super) async fn round<S: ServeModel, M: ReadModels, F: Fence>(
    goal: &Goal<'_, S, M, F>,
    replicas: &[&Replica],
    reload: &Reload,
    now: Timestamp,
) -> Round {
    let at_once = usize::try_from(goal.servers.max_concurrency).unwrap_or(1).max(1);
    let came: Vec<(&Replica, Came)> = stream::iter(replicas.iter().copied())
        .map(|replica| async move {
            (replica, goal.step(replica, reload.begun.get(&replica.name).copied()).await)
        })
        .buffered(at_once)
        .collect()
        .await;
    let mut round = Round::default();
    for (replica, came) in came {
        let name = replica.name.clone();
        match came {
            Came::Arrived => round.arrived.push(name),
            Came::Foreign(version) => {
                round.foreign.get_or_insert_with(|| format!("{name} serves {version}"));
            }
            Came::Golden(differences) => {
                round.golden.get_or_insert((name, differences));
            }
            Came::Failed { why, serves } => {
                round.failed.push(LeftOut { replica: name, serves, why });
            }
            Came::OnTheWay { told, why } => {
                let before = reload.begun.get(&name).copied();
                let mut begun = before.unwrap_or(Begun { at: now, attempts: 0 });
                begun.attempts += u32::from(told);
                let limit = goal.servers.replica_timeout;
                if begun.at.saturating_add(limit.duration()).is_ok_and(|end| now >= end) {
                    let why = why.unwrap_or_else(|| "it still loads the model".to_owned());
                    let why = format!("not there after {limit}: {why}");
                    round.failed.push(LeftOut { replica: name, serves: None, why });
                } else {
                    round.begun.insert(name, begun);
                }
            }
        }
    }
    round
}

/// Seconds to the next round: often at first, and less so where a model takes long to load.
pub(super) fn pause(begun: &BTreeMap<String, Begun>, now: Timestamp) -> u64 {
    let longest = begun.values().map(|begun| now.duration_since(begun.at).as_secs()).max();
    if longest.unwrap_or(0) < 30 { 1 } else { 5 }
}
