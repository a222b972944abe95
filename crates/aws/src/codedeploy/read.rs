//! Deployments of CodeDeploy as they are read.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::primitives::DateTime;
use aws_sdk_codedeploy::types::{
    ComputePlatform, DeploymentGroupInfo, DeploymentInfo, DeploymentStatus, ErrorCode, TimeRange,
};
use jiff::Timestamp;
use perch_app::ports::{Deploying, DeploymentState, Platform, PortError, Progress};
use perch_core::deployment::{Deployment, Purpose};
use perch_core::names::DeploymentId;
use perch_core::target::CodeDeploy;

use crate::error::port_error;

/// Deployments that one call reads at most (CodeDeploy API Reference, `BatchGetDeployments`).
const BATCH: usize = 25;

/// How much earlier than the intent a deployment may seem to be made: the clocks of two machines.
const SKEW_SECONDS: i64 = 60;

/// A deployment as it is now.
pub(super) async fn one(client: &Client, id: &DeploymentId) -> Result<DeploymentState, PortError> {
    let what = format!("deployment {id}");
    let found = client.get_deployment().deployment_id(id.as_str()).send().await;
    let found = found.map_err(|e| port_error(what.as_str(), e))?;
    let state = found.deployment_info.as_ref().and_then(state);
    state.ok_or(PortError::NotFound { what })
}

/// The deployment that was asked for already: it has the description that says so.
pub(super) async fn find(
    client: &Client,
    group: &CodeDeploy,
    deploying: &Deploying<'_>,
    since: Timestamp,
) -> Result<Option<DeploymentState>, PortError> {
    let start = DateTime::from_secs(since.as_second() - SKEW_SECONDS);
    let range = TimeRange::builder().start(start).build();
    let description = Deployment::description(deploying.release, deploying.purpose);
    let own = |info: &&DeploymentInfo| info.description.as_deref() == Some(&description);
    let found = list(client, group, Some(range), &[]).await?;
    let mut states = found.iter().filter(own).filter_map(state);
    Ok(states.find(|state| !state.is_rollback))
}

/// What a group deploys to. CodeDeploy's first platform is the one of a group that names none.
pub(super) async fn platform(client: &Client, group: &CodeDeploy) -> Result<Platform, PortError> {
    let found = group_info(client, group).await?;
    Ok(match found.compute_platform() {
        Some(ComputePlatform::Lambda) => Platform::Lambda,
        Some(ComputePlatform::Ecs) => Platform::Ecs,
        _ => Platform::Server,
    })
}

/// A group as CodeDeploy describes it.
pub(crate) async fn group_info(
    client: &Client,
    group: &CodeDeploy,
) -> Result<DeploymentGroupInfo, PortError> {
    let what = format!("deployment group {group}");
    let found = client
        .get_deployment_group()
        .application_name(group.application.as_str())
        .deployment_group_name(group.deployment_group.as_str())
        .send()
        .await
        .map_err(|e| port_error(what.as_str(), e))?;
    found.deployment_group_info.ok_or(PortError::NotFound { what })
}

/// The deployment that runs in a group.
pub(super) async fn under_way(
    client: &Client,
    group: &CodeDeploy,
) -> Result<Option<DeploymentState>, PortError> {
    let running = [
        DeploymentStatus::Created,
        DeploymentStatus::Queued,
        DeploymentStatus::InProgress,
        DeploymentStatus::Baking,
        DeploymentStatus::Ready,
    ];
    let found = list(client, group, None, &running).await?;
    Ok(found.iter().find_map(state))
}

/// The deployments of a group, as CodeDeploy lists them.
async fn list(
    client: &Client,
    group: &CodeDeploy,
    range: Option<TimeRange>,
    statuses: &[DeploymentStatus],
) -> Result<Vec<DeploymentInfo>, PortError> {
    let what = format!("the deployments of {group}");
    let mut pages = client
        .list_deployments()
        .application_name(group.application.as_str())
        .deployment_group_name(group.deployment_group.as_str())
        .set_create_time_range(range)
        .set_include_only_statuses(Some(statuses.to_vec()).filter(|some| !some.is_empty()))
        .into_paginator()
        .send();
    let mut ids: Vec<String> = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| port_error(what.as_str(), e))?;
        ids.extend(page.deployments.unwrap_or_default());
    }
    let mut found = Vec::new();
    for ids in ids.chunks(BATCH) {
        let read = client
            .batch_get_deployments()
            .set_deployment_ids(Some(ids.to_vec()))
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        found.extend(read.deployments_info.unwrap_or_default());
    }
    Ok(found)
}

/// A deployment as CodeDeploy describes it (API Reference, `DeploymentInfo`). One that brings a baseline
/// back belongs to a release, too, but none follows it as its own.
fn state(info: &DeploymentInfo) -> Option<DeploymentState> {
    let id: DeploymentId = info.deployment_id.as_deref()?.parse().ok()?;
    let progress = match info.status.as_ref()? {
        DeploymentStatus::Succeeded => Progress::Succeeded,
        DeploymentStatus::Failed => Progress::Over { why: why(&id, "failed", info) },
        DeploymentStatus::Stopped => Progress::Over { why: why(&id, "was stopped", info) },
        // A status that is not known here has not ended.
        _ => Progress::Running,
    };
    let description = info.description.as_deref().unwrap_or_default();
    let of_rollback = info.rollback_info.as_ref();
    let rollback = of_rollback.and_then(|of| of.rollback_deployment_id.as_deref());
    Some(DeploymentState {
        id,
        release: Deployment::release_of(description, Purpose::Canary),
        progress,
        goes_back: None,
        is_rollback: of_rollback.is_some_and(|of| of.rollback_triggering_deployment_id.is_some()),
        rollback: rollback.and_then(|id| id.parse().ok()),
        pauses: Vec::new(),
    })
}

fn why(id: &DeploymentId, what: &str, info: &DeploymentInfo) -> String {
    let error = info.error_information.as_ref();
    let code = error.and_then(|error| error.code.as_ref());
    let by = match code {
        Some(ErrorCode::AlarmActive) => " by an alarm of its deployment group".to_owned(),
        Some(ErrorCode::ManualStop) => " by somebody".to_owned(),
        Some(ErrorCode::Timeout) => ", because it took too long".to_owned(),
        Some(code) => format!(", {}", code.as_str()),
        None => String::new(),
    };
    let message = error.and_then(|error| error.message.as_deref()).filter(|said| !said.is_empty());
    let said = message.map(|said| format!(": {said}")).unwrap_or_default();
    format!("CodeDeploy deployment {id} {what}{by}{said}")
}
