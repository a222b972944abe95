//! What a deployment is given to do (CodeDeploy User Guide, "`AppSpec` 'resources' section for AWS Lambda
//! deployments").

use perch_app::ports::Deploying;
use serde::Serialize;

/// An `AppSpec` of the Lambda compute platform.
#[derive(Debug, Serialize)]
pub(super) struct AppSpec<'a> {
    version: f32,
    #[serde(rename = "Resources")]
    resources: [Resource<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Resource<'a> {
    alias: Function<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Function<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    properties: Properties<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Properties<'a> {
    name: &'a str,
    alias: &'a str,
    /// CodeDeploy refuses the deployment where the alias is at another version.
    current_version: &'a str,
    target_version: &'a str,
}

impl<'a> AppSpec<'a> {
    /// The shift of an alias from one version to another.
    pub(super) fn of(deploying: &Deploying<'a>) -> Self {
        let properties = Properties {
            name: deploying.lambda.function.as_str(),
            alias: deploying.lambda.alias.as_str(),
            current_version: deploying.from.as_str(),
            target_version: deploying.to.as_str(),
        };
        let alias = Function { kind: "AWS::Lambda::Function", properties };
        Self { version: 0.0, resources: [Resource { alias }] }
    }
}
