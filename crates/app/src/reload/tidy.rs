//! After the watch: takes the former model out of memory and old answers out of the cache.
//!
//! The release is over by then; nothing here may fail it.

use std::collections::BTreeSet;

use perch_core::names::Version;
use perch_core::release::Release;
use perch_core::reload::Replica;
use perch_core::target::ModelServers;

use super::Reach;
use crate::ports::{LoadHead, PortError, ReadModels, ServeModel, SwitchCache};

/// Unloads what the release left behind, unless another release has begun.
pub(super) async fn run<S: ServeModel, C: SwitchCache, M: ReadModels>(
    store: &impl LoadHead,
    reach: Reach<'_, S, C, M>,
    release: &Release,
) -> Result<(), PortError> {
    let (Some(servers), Some(canary)) = (release.plan.driver.servers(), &release.canary) else {
        return Ok(());
    };
    let Some(ledger) = &release.ledger else { return Ok(()) };
    let head = store.head(&release.target).await?;
    if head.is_some_and(|head| head.active.is_some()) {
        return Ok(());
    }
    let replicas = ledger.servers().map(|of| of.replicas.as_slice()).unwrap_or_default();
    let gone: BTreeSet<&Version> =
        [&ledger.baseline].into_iter().filter(|v| *v != canary).collect();
    for replica in replicas {
        unload(reach.servers, servers, replica, &gone).await;
    }
    if let Some(cache) = &release.plan.cache {
        let keep = [canary.as_str(), ledger.baseline.as_str()];
        if let Err(error) = reach.cache.clean_up(cache, &servers.model, &keep).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(release.id = %release.id, error, "Old answers were left in the cache");
        }
    }
    Ok(())
}

/// Takes versions out of a replica's memory, as far as it lets itself be told.
pub(super) async fn unload(
    port: &impl ServeModel,
    servers: &ModelServers,
    replica: &Replica,
    gone: &BTreeSet<&Version>,
) {
    for version in gone {
        if let Err(error) = port.unload(servers, replica, version).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(replica = replica.name, %version, error, "A model was left in memory");
        }
    }
}
