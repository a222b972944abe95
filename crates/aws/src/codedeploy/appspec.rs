//! What a deployment is given to do (CodeDeploy User Guide, "`AppSpec` 'resources' section" and "`AppSpec`
//! 'hooks' section" for AWS Lambda and Amazon ECS deployments).

use std::collections::BTreeMap;

use perch_app::ports::Deploying;
use perch_core::head::{AliasSnapshot, ServiceSnapshot};
use serde::Serialize;

/// An `AppSpec`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AppSpec<'a> {
    #[serde(rename = "version")]
    version: f32,
    resources: [BTreeMap<&'static str, Resource<'a>>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hooks: Vec<BTreeMap<&'static str, &'a str>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resource<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    properties: Properties<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Properties<'a> {
    #[serde(rename_all = "PascalCase")]
    Function {
        name: &'a str,
        alias: &'a str,
        /// CodeDeploy refuses the deployment where the alias is at another version.
        current_version: &'a str,
        target_version: &'a str,
    },
    #[serde(rename_all = "PascalCase")]
    Service { task_definition: &'a str, load_balancer_info: LoadBalancerInfo<'a> },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LoadBalancerInfo<'a> {
    container_name: &'a str,
    container_port: u16,
}

impl<'a> AppSpec<'a> {
    /// The shift of an alias from one version to another.
    pub(super) fn of_alias(
        deploying: &Deploying<'a>,
        alias: &'a AliasSnapshot,
        hook: Option<&'a str>,
    ) -> Self {
        let properties = Properties::Function {
            name: alias.lambda.function.as_str(),
            alias: alias.lambda.alias.as_str(),
            current_version: deploying.from.as_str(),
            target_version: deploying.to.as_str(),
        };
        let kind = "AWS::Lambda::Function";
        Self::new(("alias", Resource { kind, properties }), ("BeforeAllowTraffic", hook))
    }

    /// Tasks of another definition behind the service's load balancer. The hook comes when the test
    /// listener reaches them and nothing else does.
    pub(super) fn of_service(
        task_definition: &'a str,
        service: &'a ServiceSnapshot,
        hook: Option<&'a str>,
    ) -> Self {
        let load_balancer_info = LoadBalancerInfo {
            container_name: service.container.as_str(),
            container_port: service.port,
        };
        let properties = Properties::Service { task_definition, load_balancer_info };
        let kind = "AWS::ECS::Service";
        Self::new(("TargetService", Resource { kind, properties }), ("AfterAllowTestTraffic", hook))
    }

    fn new(
        (name, resource): (&'static str, Resource<'a>),
        (event, hook): (&'static str, Option<&'a str>),
    ) -> Self {
        let hooks = hook.into_iter().map(|hook| BTreeMap::from([(event, hook)])).collect();
        Self { version: 0.0, resources: [BTreeMap::from([(name, resource)])], hooks }
    }
}
