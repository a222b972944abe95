//! ECS services: where the load balancer in front of them sends the traffic, and their task definitions.

mod blue_green;
mod clone;
mod configuration;
mod definition;
pub(crate) mod deployments;
mod front;
mod health;
mod listing;
mod native;
mod raw;
mod register;
mod rules;
mod service_deployment;
mod stage_hooks;

use aws_config::SdkConfig;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::types::{DeploymentControllerType, Service};
use perch_app::ports::{PortError, ReadServices, Revision, ServiceState, TaskDefinition};
use perch_core::judge::Health;
use perch_core::names::EcsName;
use perch_core::target::EcsService;

use crate::error::port_error;

/// ECS services in this account and region.
#[derive(Debug, Clone)]
pub struct Services {
    ecs: aws_sdk_ecs::Client,
    balancers: aws_sdk_elasticloadbalancingv2::Client,
    code_deploy: aws_sdk_codedeploy::Client,
    registry: String,
}

impl Services {
    /// Services whose images come from `registry`, such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com`.
    pub fn new(sdk: &SdkConfig, registry: impl Into<String>) -> Self {
        Self {
            ecs: aws_sdk_ecs::Client::new(sdk),
            balancers: aws_sdk_elasticloadbalancingv2::Client::new(sdk),
            code_deploy: aws_sdk_codedeploy::Client::new(sdk),
            registry: registry.into(),
        }
    }

    async fn describe(&self, service: &EcsService) -> Result<Service, PortError> {
        let found = self
            .ecs
            .describe_services()
            .cluster(service.cluster.as_str())
            .services(service.service.as_str())
            .send()
            .await
            .map_err(|e| port_error(service.to_string(), e))?;
        let mut found = found.services.unwrap_or_default().into_iter();
        // One that was deleted is described as DRAINING or INACTIVE for a while.
        let active = found.find(|found| found.status() == Some("ACTIVE"));
        active.ok_or_else(|| PortError::NotFound { what: service.to_string() })
    }
}

impl ReadServices for Services {
    async fn service(&self, service: &EcsService) -> Result<ServiceState, PortError> {
        // The tasks before the weights: what gets traffic then was there before.
        let found = self.describe(service).await?;
        let controller = found.deployment_controller().map(|controller| controller.r#type());
        let front = match (controller, service.code_deploy.as_deref()) {
            (Some(DeploymentControllerType::CodeDeploy), Some(group)) => {
                blue_green::front(self, service, group, &found).await?
            }
            (None | Some(DeploymentControllerType::Ecs), None) => {
                native::front(self, service, &found).await?
            }
            (Some(DeploymentControllerType::CodeDeploy), None) => {
                let message = "its deployment controller is CODE_DEPLOY: name the deployment group \
                               under `codeDeploy`";
                return Err(invalid(service, message));
            }
            (None | Some(DeploymentControllerType::Ecs), Some(group)) => {
                let message = format!(
                    "its deployment controller is ECS, and the target names {group}: remove \
                     `codeDeploy`, or make the service with the controller CODE_DEPLOY"
                );
                return Err(invalid(service, message));
            }
            (Some(other), _) => {
                let message =
                    format!("its deployment controller is {other}: Perch needs ECS or CODE_DEPLOY");
                return Err(invalid(service, message));
            }
        };
        front.state(service)
    }

    async fn task_definition(
        &self,
        family: &EcsName,
        revision: Revision<'_>,
        container: &EcsName,
    ) -> Result<TaskDefinition, PortError> {
        definition::read(self, family, revision, container).await
    }

    async fn health(&self, _: &EcsService, group: &str) -> Result<Health, PortError> {
        health::read(&self.balancers, group).await
    }
}

/// Why no deployment of a service could be followed.
fn invalid(service: &EcsService, message: impl Into<String>) -> PortError {
    PortError::Invalid { what: service.to_string(), message: message.into() }
}

/// What an error of a change means: a `ClientException` will not pass, but for one.
fn ecs_error<E, R>(what: &str, error: SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let message = error.message().unwrap_or_default();
    if error.code() == Some("ClientException") && !message.starts_with("Too many concurrent") {
        return PortError::Invalid { what: what.to_owned(), message: message.to_owned() };
    }
    port_error(what, error)
}
