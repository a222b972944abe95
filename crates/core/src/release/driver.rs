//! What moves a release's traffic.

use serde::{Deserialize, Serialize};

use crate::artifact::Lane;
use crate::target::{CodeDeploy, EcsService, Lambda, ModelServers, Target};

/// What a release moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Driver {
    /// The weights of a Lambda alias.
    Alias(Lambda),
    /// The tasks of an ECS service behind a load balancer.
    Service(EcsService),
    /// The model on a group of servers.
    Servers(ModelServers),
}

/// Who moves traffic by a schedule of its own once it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mover<'a> {
    /// A deployment group of CodeDeploy.
    CodeDeploy(&'a CodeDeploy),
    /// ECS, by a deployment of the service.
    Ecs(&'a EcsService),
}

impl Driver {
    /// What moves artifacts of this lane in a target: a model goes to the model servers where there are
    /// any, and all else to the function or the ECS service.
    pub fn of(target: &Target, lane: Lane) -> Option<Self> {
        let service = &target.service;
        let lambda = || service.lambda.clone().map(Driver::Alias);
        let ecs = || service.ecs.clone().map(Driver::Service);
        match lane {
            Lane::Code => lambda().or_else(ecs),
            Lane::Model => service.model_servers.clone().map(Driver::Servers).or_else(lambda),
        }
    }

    /// Whether smoke tests reach the canary before it has any traffic, without a hook of a deployment.
    pub fn canary_has_an_address(&self) -> bool {
        self.capabilities().address
    }

    /// The name of the function, the service or the model, under which a service publishes metrics unless
    /// it says otherwise.
    pub fn name(&self) -> &str {
        match self {
            Driver::Alias(lambda) => lambda.function.as_str(),
            Driver::Service(service) => service.service.as_str(),
            Driver::Servers(servers) => servers.model.as_str(),
        }
    }

    /// The function and its alias, where that is what moves.
    pub fn alias(&self) -> Option<&Lambda> {
        match self {
            Driver::Alias(lambda) => Some(lambda),
            Driver::Service(_) | Driver::Servers(_) => None,
        }
    }

    /// The ECS service, where that is what moves.
    pub fn service(&self) -> Option<&EcsService> {
        match self {
            Driver::Service(service) => Some(service),
            Driver::Alias(_) | Driver::Servers(_) => None,
        }
    }

    /// The model servers, where they are what moves.
    pub fn servers(&self) -> Option<&ModelServers> {
        match self {
            Driver::Servers(servers) => Some(servers),
            Driver::Alias(_) | Driver::Service(_) => None,
        }
    }

    /// Who moves it by a schedule of its own; nothing where Perch moves it.
    pub fn mover(&self) -> Option<Mover<'_>> {
        match self {
            Driver::Alias(lambda) => lambda.code_deploy.as_deref().map(Mover::CodeDeploy),
            Driver::Service(service) => Some(match service.code_deploy.as_deref() {
                Some(group) => Mover::CodeDeploy(group),
                None => Mover::Ecs(service),
            }),
            Driver::Servers(_) => None,
        }
    }
}

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Driver::Alias(lambda) => write!(f, "alias {}", lambda.alias),
            Driver::Service(service) => service.fmt(f),
            Driver::Servers(servers) => write!(f, "model {}", servers.model),
        }
    }
}

impl std::fmt::Display for Mover<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mover::CodeDeploy(group) => write!(f, "CodeDeploy's {group}"),
            Mover::Ecs(service) => service.fmt(f),
        }
    }
}
