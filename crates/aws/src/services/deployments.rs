//! Deployments that ECS carries out itself: service deployments with the strategies `BLUE_GREEN`, `CANARY` and
//! `LINEAR`. A rollback is the same deployment under another status, which has not ended before the baseline
//! is back.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{DeploymentLifecycleHookAction, StopServiceDeploymentStopType};
use jiff::Timestamp;
use perch_app::ports::{Deploying, DeploymentState, Pause, PortError};
use perch_core::deployment::{Purpose, Rollback};
use perch_core::head::Snapshot;
use perch_core::names::DeploymentId;
use perch_core::target::EcsService;
use serde_json::{Value, json};

use super::listing::{Wanted, is_open, list, newest, running};
use super::raw::{Kept, sending};
use super::service_deployment::{release_of_revision, state};
use super::{configuration, ecs_error};
use crate::error::port_error;

/// Whether an id is one of ECS's: an ARN.
pub(crate) fn is_own(id: &DeploymentId) -> bool {
    id.as_str().starts_with("arn:")
}

/// Starts a deployment: it comes of a change of the service's task definition.
pub(crate) async fn create(
    client: &Client,
    service: &EcsService,
    deploying: &Deploying<'_>,
) -> Result<DeploymentId, PortError> {
    let what = format!("a deployment of {service}");
    let before = list(client.list_service_deployments(), service).await?;
    if let Some(other) = before.iter().find(|other| is_open(other)) {
        let found = other.service_deployment_arn().unwrap_or_default().to_owned();
        return Err(PortError::Conflict { what, expected: "none under way".into(), found });
    }
    let current = configuration_of(client, service).await?;
    let made = configuration::of(&current, deploying);
    let definition = task_definition(deploying)?;
    let body = json!({
        "cluster": service.cluster,
        "service": service.service,
        "taskDefinition": definition,
        "deploymentConfiguration": made,
    });
    let started = sending!(client.update_service(), body).send().await;
    started.map_err(|e| ecs_error(&what, e))?;
    if let Some(back) = configuration::given_back(&current, &made) {
        give_back(client, service, back).await?;
    }
    let found = newest(client, service, Wanted::of(deploying), Timestamp::UNIX_EPOCH).await?;
    let is_new = |id: &DeploymentId| {
        !before.iter().any(|other| other.service_deployment_arn() == Some(id.as_str()))
    };
    // It is found by the next try.
    let late = || PortError::Unavailable { what, source: "it is not listed yet".into() };
    found.filter(is_new).ok_or_else(late)
}

/// A deployment as it is now.
pub(crate) async fn one(client: &Client, id: &DeploymentId) -> Result<DeploymentState, PortError> {
    let what = format!("service deployment {id}");
    let found = client.describe_service_deployments().service_deployment_arns(id.as_str());
    let found = found.send().await.map_err(|e| port_error(what.as_str(), e))?;
    let found = found.service_deployments().first().ok_or(PortError::NotFound { what })?;
    let revision = found.target_service_revision().and_then(|revision| revision.arn());
    let release = release_of_revision(client, revision).await?;
    Ok(state(id.clone(), release, found))
}

/// The deployment that was asked for already.
pub(crate) async fn find(
    client: &Client,
    service: &EcsService,
    deploying: &Deploying<'_>,
    since: Timestamp,
) -> Result<Option<DeploymentState>, PortError> {
    let Some(id) = newest(client, service, Wanted::of(deploying), since).await? else {
        return Ok(None);
    };
    if deploying.purpose == Purpose::WayBack {
        recover(client, service, deploying).await?;
    }
    Ok(Some(one(client, &id).await?))
}

/// The deployment that runs.
pub(crate) async fn under_way(
    client: &Client,
    service: &EcsService,
) -> Result<Option<DeploymentState>, PortError> {
    let running = running(client, service).await?;
    let id = running.first().and_then(|brief| brief.service_deployment_arn()?.parse().ok());
    match id {
        Some(id) => Ok(Some(one(client, &id).await?)),
        None => Ok(None),
    }
}

/// The deployment that was made last.
pub(crate) async fn newest_of(
    client: &Client,
    service: &EcsService,
) -> Result<Option<DeploymentState>, PortError> {
    let listed = list(client.list_service_deployments(), service).await?;
    let id = listed.first().and_then(|brief| brief.service_deployment_arn()?.parse().ok());
    match id {
        Some(id) => Ok(Some(one(client, &id).await?)),
        None => Ok(None),
    }
}

/// Stops a deployment and has it put the baseline back. One that is on its way back, or over, is stopped.
/// ECS knows no other stop (API Reference, `StopServiceDeployment`, `stopType`).
pub(crate) async fn stop(
    client: &Client,
    id: &DeploymentId,
    rollback: Rollback,
) -> Result<(), PortError> {
    if rollback == Rollback::LeaveAsFound {
        return Err(PortError::Invalid {
            what: format!("service deployment {id}"),
            message: "ECS stops its deployments with rollback alone".into(),
        });
    }
    let stopped = client
        .stop_service_deployment()
        .service_deployment_arn(id.as_str())
        .stop_type(StopServiceDeploymentStopType::Rollback)
        .send()
        .await;
    match stopped {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ConflictException") => Ok(()),
        Err(error) => Err(port_error(format!("service deployment {id}"), error)),
    }
}

/// Ends a pause of a deployment. ECS refuses that for a hook which does not await it (any more), and for a
/// deployment that goes back or is over: there is nothing left to continue.
pub(crate) async fn go_on(
    client: &Client,
    id: &DeploymentId,
    pause: &Pause,
) -> Result<(), PortError> {
    let continued = client
        .continue_service_deployment()
        .service_deployment_arn(id.as_str())
        .hook_id(&pause.hook)
        .action(DeploymentLifecycleHookAction::Continue)
        .send()
        .await;
    match continued {
        Ok(_) => Ok(()),
        Err(error)
            if matches!(error.code(), Some("InvalidParameterException" | "ClientException")) =>
        {
            Ok(())
        }
        Err(error) => Err(port_error(format!("service deployment {id}"), error)),
    }
}

/// Gives a service its own hooks, alarms and bake again. A change of the configuration alone starts no
/// deployment (API Reference, `UpdateService`, `deploymentConfiguration`).
async fn give_back(client: &Client, service: &EcsService, back: Value) -> Result<(), PortError> {
    let body = json!({
        "cluster": service.cluster,
        "service": service.service,
        "deploymentConfiguration": back,
    });
    let given = sending!(client.update_service(), body).send().await;
    given.map_err(|e| ecs_error(&format!("the configuration of {service}"), e))?;
    Ok(())
}

/// Does so where whoever asked for the way back did not get to it: the deployment of the canary still says
/// what the service had.
async fn recover(
    client: &Client,
    service: &EcsService,
    deploying: &Deploying<'_>,
) -> Result<(), PortError> {
    let current = configuration_of(client, service).await?;
    if !configuration::is_bare(&current) {
        return Ok(());
    }
    let wanted = Wanted { brings: deploying.from, unless: None };
    let before = newest(client, service, wanted, Timestamp::UNIX_EPOCH).await?;
    let Some(before) = before else { return Ok(()) };
    let kept = Kept::default();
    client
        .describe_service_deployments()
        .service_deployment_arns(before.as_str())
        .customize()
        .interceptor(kept.clone())
        .send()
        .await
        .map_err(|e| port_error(format!("service deployment {before}"), e))?;
    let before = kept.take();
    let before = before.pointer("/serviceDeployments/0/deploymentConfiguration");
    match before.and_then(|before| configuration::given_back(before, &current)) {
        Some(back) => give_back(client, service, back).await,
        None => Ok(()),
    }
}

/// The deployment configuration of a service, with all its fields.
async fn configuration_of(client: &Client, service: &EcsService) -> Result<Value, PortError> {
    let kept = Kept::default();
    client
        .describe_services()
        .cluster(service.cluster.as_str())
        .services(service.service.as_str())
        .customize()
        .interceptor(kept.clone())
        .send()
        .await
        .map_err(|e| port_error(service.to_string(), e))?;
    let mut body = kept.take();
    match body.pointer_mut("/services/0/deploymentConfiguration") {
        Some(found) => Ok(found.take()),
        None => Err(PortError::NotFound { what: service.to_string() }),
    }
}

fn task_definition(deploying: &Deploying<'_>) -> Result<String, PortError> {
    match deploying.snapshot {
        Snapshot::Service(of) => Ok(format!("{}:{}", of.family, deploying.to)),
        Snapshot::Alias(_) | Snapshot::Servers(_) => Err(PortError::Invalid {
            what: format!("release {}", deploying.release),
            message: "ECS deploys services alone".into(),
        }),
    }
}
