//! CodeDeploy: deployments that move the weights of an alias.

mod appspec;
mod config;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use aws_sdk_codedeploy::primitives::DateTime;
use aws_sdk_codedeploy::types::{
    Alarm, AlarmConfiguration, AppSpecContent, AutoRollbackConfiguration, AutoRollbackEvent,
    DeploymentInfo, DeploymentStatus, RevisionLocation, RevisionLocationType, TimeRange,
};
use jiff::Timestamp;
use perch_app::ports::{
    Deploy, Deploying, DeploymentState, PortError, Progress, ReadDeployments, StopDeployment,
};
use perch_core::deployment::{Deployment, Schedule};
use perch_core::names::{AlarmName, DeploymentId, ReleaseId};
use perch_core::target::CodeDeploy;

use crate::error::port_error;
use appspec::AppSpec;

/// Deployments that one call reads at most (CodeDeploy API Reference, `BatchGetDeployments`).
const BATCH: usize = 25;

/// How much earlier than the intent a deployment may seem to be made: the clocks of two machines.
const SKEW_SECONDS: i64 = 60;

/// The length of a minute of CodeDeploy from its setting in seconds: 60, except on a local stack whose
/// clock is faster.
///
/// # Errors
/// When the text is not a number of seconds from 0.1 to 60.
pub fn minute(seconds: &str) -> Result<Duration, InvalidMinute> {
    let found = seconds.parse().ok().filter(|seconds| (0.1..=60.0).contains(seconds));
    found.map(Duration::from_secs_f64).ok_or_else(|| InvalidMinute(seconds.to_owned()))
}

/// A text that is not the length of a minute.
#[derive(Debug, thiserror::Error)]
#[error("PERCH_MINUTE_SECONDS is `{0}`: write 60, or less on a local stack with a faster clock")]
pub struct InvalidMinute(String);

/// Deployments in this account and region.
#[derive(Debug, Clone)]
pub struct Deployments {
    client: Client,
}

impl Deployments {
    /// Deployments in this account and region.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk) }
    }
}

impl Deploy for Deployments {
    async fn create(&self, deploying: Deploying<'_>) -> Result<DeploymentId, PortError> {
        let config = deploying.schedule.lambda_config();
        if !Schedule::is_predefined(&config) {
            config::ensure(&self.client, &config, deploying.schedule).await?;
        }
        let what = || format!("a deployment in {}", deploying.group);
        let invalid = |error: &dyn std::fmt::Display| PortError::Invalid {
            what: what(),
            message: error.to_string(),
        };
        let content = serde_json::to_string(&AppSpec::of(&deploying)).map_err(|e| invalid(&e))?;
        let content = AppSpecContent::builder().content(content).build();
        let revision = RevisionLocation::builder()
            .revision_type(RevisionLocationType::AppSpecContent)
            .app_spec_content(content)
            .build();
        // Perch stops with rollback itself; where it can't, CodeDeploy puts the baseline back alone.
        let rollback = AutoRollbackConfiguration::builder()
            .enabled(true)
            .events(AutoRollbackEvent::DeploymentFailure)
            .events(AutoRollbackEvent::DeploymentStopOnAlarm)
            .events(AutoRollbackEvent::DeploymentStopOnRequest)
            .build();
        let alarms = deploying.alarms.map(|alarms| {
            let named = |alarm: &AlarmName| Alarm::builder().name(alarm.as_str()).build();
            let alarms: Vec<Alarm> = alarms.iter().map(named).collect();
            AlarmConfiguration::builder()
                .enabled(!alarms.is_empty())
                .set_alarms(Some(alarms))
                .build()
        });
        let created = self
            .client
            .create_deployment()
            .application_name(deploying.group.application.as_str())
            .deployment_group_name(deploying.group.deployment_group.as_str())
            .deployment_config_name(config)
            .description(Deployment::description(deploying.release))
            .revision(revision)
            .auto_rollback_configuration(rollback)
            .set_override_alarm_configuration(alarms)
            .send()
            .await
            .map_err(|e| port_error(what(), e))?;
        created.deployment_id.unwrap_or_default().parse().map_err(|e| invalid(&e))
    }
}

impl ReadDeployments for Deployments {
    async fn deployment(&self, id: &DeploymentId) -> Result<DeploymentState, PortError> {
        let what = format!("deployment {id}");
        let found = self
            .client
            .get_deployment()
            .deployment_id(id.as_str())
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        let state = found.deployment_info.as_ref().and_then(state);
        state.ok_or(PortError::NotFound { what })
    }

    async fn find(
        &self,
        group: &CodeDeploy,
        release: &ReleaseId,
        since: Timestamp,
    ) -> Result<Option<DeploymentState>, PortError> {
        let start = DateTime::from_secs(since.as_second() - SKEW_SECONDS);
        let range = TimeRange::builder().start(start).build();
        let found = self.list(group, Some(range), &[]).await?;
        let own =
            |state: &DeploymentState| !state.is_rollback && state.release.as_ref() == Some(release);
        Ok(found.into_iter().find(own))
    }

    async fn under_way(&self, group: &CodeDeploy) -> Result<Option<DeploymentState>, PortError> {
        let running = [
            DeploymentStatus::Created,
            DeploymentStatus::Queued,
            DeploymentStatus::InProgress,
            DeploymentStatus::Baking,
            DeploymentStatus::Ready,
        ];
        Ok(self.list(group, None, &running).await?.into_iter().next())
    }
}

impl StopDeployment for Deployments {
    async fn stop(&self, id: &DeploymentId) -> Result<(), PortError> {
        let stopped = self
            .client
            .stop_deployment()
            .deployment_id(id.as_str())
            .auto_rollback_enabled(true)
            .send()
            .await;
        match stopped {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("DeploymentAlreadyCompletedException") => Ok(()),
            Err(error) => Err(port_error(format!("deployment {id}"), error)),
        }
    }
}

impl Deployments {
    /// The deployments of a group, as CodeDeploy lists them.
    async fn list(
        &self,
        group: &CodeDeploy,
        range: Option<TimeRange>,
        statuses: &[DeploymentStatus],
    ) -> Result<Vec<DeploymentState>, PortError> {
        let what = format!("the deployments of {group}");
        let mut pages = self
            .client
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
            let read = self
                .client
                .batch_get_deployments()
                .set_deployment_ids(Some(ids.to_vec()))
                .send()
                .await
                .map_err(|e| port_error(what.as_str(), e))?;
            found.extend(read.deployments_info.unwrap_or_default().iter().filter_map(state));
        }
        Ok(found)
    }
}

/// A deployment as CodeDeploy describes it (API Reference, `DeploymentInfo`).
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
        release: Deployment::release_of(description),
        progress,
        is_rollback: of_rollback.is_some_and(|of| of.rollback_triggering_deployment_id.is_some()),
        rollback: rollback.and_then(|id| id.parse().ok()),
    })
}

fn why(id: &DeploymentId, what: &str, info: &DeploymentInfo) -> String {
    let error = info.error_information.as_ref();
    let code = error.and_then(|error| error.code.as_ref()).map(|code| code.as_str());
    let message = error.and_then(|error| error.message.as_deref());
    let reason = [code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("CodeDeploy deployment {id} {what}{reason}")
}
