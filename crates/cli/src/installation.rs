//! The AWS side of an installation: the only module that names an adapter.

use perch_app::doctor::Ports;
use perch_app::ports::PortError;
use perch_aws::SdkConfig;
use perch_aws::cloudwatch::CloudWatch;
use perch_aws::codedeploy::Deployments;
use perch_aws::executions::Executions;
use perch_aws::images::Images;
use perch_aws::lambda::Functions;
use perch_aws::letters::{DeadLetterQueues, FunctionCalls};
use perch_aws::models::Models;
use perch_aws::services::Services as EcsServices;
use perch_aws::store::Table;
use perch_aws::tags::Repositories;

/// One installation of Perch.
pub(crate) struct Installation {
    pub(crate) store: Table,
    sdk: SdkConfig,
    pub(crate) stack: String,
}

/// The services that targets consist of.
pub(crate) struct Services {
    pub(crate) lambda: Functions,
    pub(crate) ecs: EcsServices,
    pub(crate) deployments: Deployments,
    pub(crate) images: Images,
    pub(crate) repositories: Repositories,
    alarms: CloudWatch,
}

impl Installation {
    /// The installation of this stack, in the region and account that the environment names.
    pub(crate) async fn connect(stack: &str) -> Self {
        let sdk = perch_aws::sdk_config().await;
        Self { store: Table::new(&sdk, stack.to_owned()), sdk, stack: stack.to_owned() }
    }

    /// The services that targets consist of.
    pub(crate) fn services(&self) -> Services {
        let sdk = &self.sdk;
        Services {
            lambda: Functions::new(sdk),
            ecs: EcsServices::new(sdk, String::new()),
            deployments: Deployments::new(sdk),
            images: Images::new(sdk),
            repositories: Repositories::new(sdk),
            alarms: CloudWatch::new(sdk),
        }
    }

    /// What targets are checked with.
    pub(crate) fn ports<'a>(
        &'a self,
        services: &'a Services,
    ) -> Ports<'a, Table, Functions, CloudWatch, Images, Repositories> {
        let Services { lambda, images, repositories: registry, alarms, .. } = services;
        Ports { stack: &self.stack, store: &self.store, lambda, alarms, images, registry }
    }

    /// The models of targets.
    pub(crate) fn models(&self) -> Models {
        Models::new(&self.sdk)
    }

    /// The same for uploads.
    pub(crate) fn uploads(&self) -> Models {
        Models::for_uploads(&self.sdk)
    }

    /// The queues of dead letters, and the functions that take their events again.
    pub(crate) async fn dead_letters(
        &self,
    ) -> Result<(DeadLetterQueues, FunctionCalls), PortError> {
        let queues = DeadLetterQueues::of(&self.sdk, &self.stack).await?;
        Ok((queues, FunctionCalls::new(&self.sdk)))
    }

    /// The functions of the installation.
    pub(crate) fn functions(&self) -> FunctionCalls {
        FunctionCalls::new(&self.sdk)
    }

    /// The stack's state machines.
    pub(crate) async fn executions(&self) -> Result<Executions, PortError> {
        Executions::beside(&self.sdk, &self.store, &self.stack).await
    }
}
