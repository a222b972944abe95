//! Deployments that move traffic by themselves: CodeDeploy's of aliases and ECS services, and ECS's own.

mod appspec;
mod config;
mod create;
mod hook;
mod read;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use jiff::Timestamp;
use perch_app::deployment::hook::{Answer, Hook};
use perch_app::ports::{
    AnswerHook, ContinueDeployment, Deploy, Deploying, DeploymentState, NewestDeployment, Pause,
    Platform, PortError, ReadDeployments, ReadGroups, StopDeployment,
};
use perch_core::deployment::Rollback;
use perch_core::names::DeploymentId;
use perch_core::release::Mover;
use perch_core::target::{CodeDeploy, EcsService};

pub(crate) use read::group_info;

use crate::error::port_error;
use crate::services::deployments as native;

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
    code_deploy: aws_sdk_codedeploy::Client,
    ecs: aws_sdk_ecs::Client,
    hook: Option<String>,
}

impl Deployments {
    /// Deployments in this account and region.
    pub fn new(sdk: &SdkConfig) -> Self {
        let (code_deploy, ecs) =
            (aws_sdk_codedeploy::Client::new(sdk), aws_sdk_ecs::Client::new(sdk));
        Self { code_deploy, ecs, hook: None }
    }

    /// With the function that does the smoke tests of canaries that have no address of their own.
    #[must_use]
    pub fn with_hook(self, hook: impl Into<String>) -> Self {
        Self { hook: Some(hook.into()), ..self }
    }
}

impl Deploy for Deployments {
    async fn create(&self, deploying: Deploying<'_>) -> Result<DeploymentId, PortError> {
        match deploying.mover {
            Mover::CodeDeploy(group) => create::run(self, group, &deploying).await,
            Mover::Ecs(service) => native::create(&self.ecs, service, &deploying).await,
        }
    }
}

impl ReadDeployments for Deployments {
    async fn deployment(&self, id: &DeploymentId) -> Result<DeploymentState, PortError> {
        if native::is_own(id) {
            return native::one(&self.ecs, id).await;
        }
        read::one(&self.code_deploy, id).await
    }

    async fn find(
        &self,
        deploying: &Deploying<'_>,
        since: Timestamp,
    ) -> Result<Option<DeploymentState>, PortError> {
        match deploying.mover {
            Mover::CodeDeploy(group) => {
                read::find(&self.code_deploy, group, deploying, since).await
            }
            Mover::Ecs(service) => native::find(&self.ecs, service, deploying, since).await,
        }
    }

    async fn under_way(&self, mover: Mover<'_>) -> Result<Option<DeploymentState>, PortError> {
        match mover {
            Mover::CodeDeploy(group) => read::under_way(&self.code_deploy, group).await,
            Mover::Ecs(service) => native::under_way(&self.ecs, service).await,
        }
    }
}

impl StopDeployment for Deployments {
    async fn stop(&self, id: &DeploymentId, rollback: Rollback) -> Result<(), PortError> {
        if native::is_own(id) {
            return native::stop(&self.ecs, id, rollback).await;
        }
        let stopped = self
            .code_deploy
            .stop_deployment()
            .deployment_id(id.as_str())
            .auto_rollback_enabled(rollback == Rollback::ToBaseline)
            .send()
            .await;
        match stopped {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("DeploymentAlreadyCompletedException") => Ok(()),
            Err(error) => Err(port_error(format!("deployment {id}"), error)),
        }
    }
}

impl ReadGroups for Deployments {
    async fn platform(&self, group: &CodeDeploy) -> Result<Platform, PortError> {
        read::platform(&self.code_deploy, group).await
    }
}

impl ContinueDeployment for Deployments {
    async fn go_on(&self, id: &DeploymentId, pause: &Pause) -> Result<(), PortError> {
        // CodeDeploy has no pauses.
        if !native::is_own(id) {
            return Ok(());
        }
        native::go_on(&self.ecs, id, pause).await
    }
}

impl AnswerHook for Deployments {
    async fn answer(&self, hook: &Hook, answer: Answer) -> Result<(), PortError> {
        hook::answer(&self.code_deploy, hook, answer).await
    }
}

impl NewestDeployment for Deployments {
    async fn newest(&self, service: &EcsService) -> Result<Option<DeploymentState>, PortError> {
        native::newest_of(&self.ecs, service).await
    }
}
