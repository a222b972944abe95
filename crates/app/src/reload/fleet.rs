//! What all replicas of a target and its cache report, read at the same time.

use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::stream;
use perch_core::head::Fence;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Driver;
use perch_core::reload::{Fleet, Replica, Seen};
use perch_core::target::{Cache, ModelServers};
use serde::{Deserialize, Serialize};

use crate::ports::{FindReplicas, LoadRelease, LoadTarget, PortError, ServeModel, SwitchCache};
use crate::step::StepError;

/// Replicas that are asked at the same time.
const AT_ONCE: usize = 25;

/// Whose replicas to read: those of a release, or those of a target as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum FleetInput {
    /// The replicas in the ledger of a release, or those that run now where it has none yet.
    Release {
        /// The release.
        release_id: ReleaseId,
        /// The fence that the execution holds the target with.
        fence: Fence,
    },
    /// The replicas of a target that run now.
    Target {
        /// The target.
        target: TargetName,
    },
}

/// What was found, for the step that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetOutput {
    /// The release, where it was read for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_id: Option<ReleaseId>,
    /// The fence that the execution holds the target with.
    #[serde(default)]
    pub fence: Fence,
    /// What replicas and cache report.
    pub fleet: Fleet,
}

/// Reads the replicas of a release or a target.
///
/// # Errors
/// [`StepError`] when the release or target does not exist, or its replicas can't be looked up. A replica
/// that does not answer is part of what was found.
pub async fn read(
    store: &(impl LoadRelease + LoadTarget),
    finder: &impl FindReplicas,
    (servers, cache): (&impl ServeModel, &impl SwitchCache),
    input: &FleetInput,
) -> Result<FleetOutput, StepError> {
    let (release_id, fence, of, in_front, replicas) = match input {
        FleetInput::Release { release_id, fence } => {
            let unknown = || StepError::UnknownRelease(release_id.clone());
            let release = store.release(release_id).await?.ok_or_else(unknown)?;
            let Driver::Servers(of) = release.plan.driver else {
                let (release, phase) = (release.id, release.phase.name());
                return Err(StepError::Incomplete { release, what: "model servers", phase });
            };
            let known = release.ledger.as_ref().and_then(|ledger| ledger.servers());
            let replicas = match known {
                Some(known) => known.replicas.clone(),
                None => finder.replicas(&of.replicas).await?,
            };
            (Some(release_id.clone()), *fence, of, release.plan.cache, replicas)
        }
        FleetInput::Target { target: name } => {
            let missing = || PortError::NotFound { what: format!("target {name}") };
            let target = store.target(name).await?.ok_or_else(missing)?;
            let Some(of) = target.service.model_servers else {
                let what = format!("model servers of target {name}");
                return Err(PortError::NotFound { what }.into());
            };
            let replicas = finder.replicas(&of.replicas).await?;
            (None, 0, of, target.cache, replicas)
        }
    };
    let fleet = look(servers, cache, &of, in_front.as_ref(), &replicas).await;
    Ok(FleetOutput { release_id, fence, fleet })
}

/// What these replicas and their cache report.
pub async fn look(
    servers: &impl ServeModel,
    cache: &impl SwitchCache,
    of: &ModelServers,
    in_front: Option<&Cache>,
    replicas: &[Replica],
) -> Fleet {
    let seen = states(servers, of, replicas);
    let generation = async {
        match in_front {
            Some(in_front) => twice(|| cache.generation(in_front, &of.model)).await,
            None => Ok(None),
        }
    };
    let (replicas, generation) = futures_util::future::join(seen, generation).await;
    let (generation, cache_silent) = match generation {
        Ok(generation) => (generation, None),
        Err(error) => (None, Some(told(&error))),
    };
    Fleet { replicas, generation, cache_silent }
}

/// What these replicas report, in their order.
pub(super) async fn states(
    servers: &impl ServeModel,
    of: &ModelServers,
    replicas: &[Replica],
) -> Vec<Seen> {
    stream::iter(replicas)
        .map(|replica| async move {
            let state = twice(|| servers.state(of, replica)).await;
            let (state, silent) = match state {
                Ok(state) => (Some(state), None),
                Err(error) => (None, Some(told(&error))),
            };
            Seen { replica: replica.clone(), state, silent }
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// Asks again after an answer that was lost: one such loss is no reason to refuse a release.
async fn twice<T, F: Future<Output = Result<T, PortError>>>(
    ask: impl Fn() -> F,
) -> Result<T, PortError> {
    match ask().await {
        Err(PortError::Unavailable { .. }) => ask().await,
        answer => answer,
    }
}

/// An error with its causes in a line.
pub(super) fn told(error: &PortError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text.chars().take(300).collect()
}
