//! `CodeDeploy Deployment State-change Notification` (CodeDeploy User Guide, "Monitoring deployments with
//! Amazon CloudWatch Events") and `ECS Deployment State Change` (ECS Developer Guide, "Amazon ECS service
//! deployment state change events").

use perch_app::deployment::changed::Changed;
use perch_core::names::DeploymentId;
use perch_core::target::EcsService;
use serde::Deserialize;

use super::{Delivered, EventError, detail};

const CODE_DEPLOY: &str = "CodeDeploy Deployment State-change Notification";

const ECS: &str = "ECS Deployment State Change";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deployed {
    deployment_id: DeploymentId,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    event_name: String,
}

/// What ended; `None` for another state.
///
/// # Errors
/// [`EventError`] for another kind of event, or one without a documented field.
pub fn deployment_of(event: &Delivered) -> Result<Option<Changed>, EventError> {
    if event.detail_type == ECS {
        let Served { event_name } = detail(event, ECS)?;
        let ended = ["SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"];
        let service = event.resources.iter().flatten().find_map(|arn| service(arn));
        let service = service.filter(|_| ended.contains(&event_name.as_str()));
        return Ok(service.map(Changed::Service));
    }
    let Deployed { deployment_id, state } = detail(event, CODE_DEPLOY)?;
    let ended = ["SUCCESS", "FAILURE", "STOP"].contains(&state.as_str());
    Ok(ended.then_some(Changed::Deployment(deployment_id)))
}

/// The service of an ARN such as `arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/SERVICE`. The older form
/// without a cluster names none that takes part in deployments.
fn service(arn: &str) -> Option<EcsService> {
    let (cluster, service) = arn.split_once(":service/")?.1.split_once('/')?;
    let (cluster, service) = (cluster.parse().ok()?, service.parse().ok()?);
    Some(EcsService { cluster, service, container: None, code_deploy: None })
}
