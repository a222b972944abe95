//! Deployments that ECS carries out itself: service deployments with the strategies `BLUE_GREEN`, `CANARY` and
//! `LINEAR`. A rollback is the same deployment under another status, which has not ended before the baseline
//! is back.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{
    CreatedAt, ServiceDeploymentBrief, ServiceDeploymentStatus, StopServiceDeploymentStopType,
};
use jiff::Timestamp;
use perch_app::ports::{Deploying, DeploymentState, PortError};
use perch_core::names::{DeploymentId, Version};
use perch_core::target::EcsService;
use serde_json::{Value, json};

use super::native::revisions;
use super::raw::{Kept, sending};
use super::service_deployment::{release_of_revision, state};
use super::{configuration, ecs_error, front};
use crate::error::port_error;

/// How much earlier than the intent a deployment may seem to be made: the clocks of two machines. A service
/// deployment has no description; it is told from an earlier one of the same revision by its time.
const SKEW_SECONDS: i64 = 5;

/// Deployments that one page has at most (ECS API Reference, `ListServiceDeployments`).
const PAGE: i32 = 100;

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
    if let Some(other) = running(client, service).await?.first() {
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
    // A change of this alone starts no deployment (API Reference, `UpdateService`).
    if let Some(back) = configuration::given_back(&current, &made) {
        let body = json!({
            "cluster": service.cluster,
            "service": service.service,
            "deploymentConfiguration": back,
        });
        let given = sending!(client.update_service(), body).send().await;
        given.map_err(|e| ecs_error(&what, e))?;
    }
    let found = newest(client, service, deploying, Timestamp::UNIX_EPOCH).await?;
    // It is found by the next try.
    let late = || PortError::Unavailable { what, source: "it is not listed yet".into() };
    found.ok_or_else(late)
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
    match newest(client, service, deploying, since).await? {
        Some(id) => Ok(Some(one(client, &id).await?)),
        None => Ok(None),
    }
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
pub(crate) async fn stop(client: &Client, id: &DeploymentId) -> Result<(), PortError> {
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

/// The newest deployment that brings what is asked for, unless what it replaces was deployed after it: then
/// it is that of an earlier release.
async fn newest(
    client: &Client,
    service: &EcsService,
    deploying: &Deploying<'_>,
    since: Timestamp,
) -> Result<Option<DeploymentId>, PortError> {
    let after = DateTime::from_secs((since.as_second() - SKEW_SECONDS).max(0));
    let after = CreatedAt::builder().after(after).build();
    let request = client.list_service_deployments().created_at(after);
    let listed = list(request, service).await?;
    // Twenty at once is what ECS describes; more were not made since.
    let listed = &listed[..listed.len().min(20)];
    let arns = listed.iter().filter_map(|brief| brief.target_service_revision_arn());
    let mut arns: Vec<String> = arns.map(str::to_owned).collect();
    // A service may go back to a revision.
    arns.sort();
    arns.dedup();
    let known = revisions(client, &service.to_string(), arns).await?;
    let version = |brief: &ServiceDeploymentBrief| -> Option<Version> {
        let arn = brief.target_service_revision_arn();
        let of = known.iter().find(|revision| revision.service_revision_arn() == arn)?;
        Some(front::revision(of.task_definition()?)?.1)
    };
    for brief in listed {
        match version(brief) {
            Some(version) if version == *deploying.to => {
                return Ok(brief.service_deployment_arn().and_then(|arn| arn.parse().ok()));
            }
            Some(version) if version == *deploying.from => return Ok(None),
            Some(_) | None => {}
        }
    }
    Ok(None)
}

async fn running(
    client: &Client,
    service: &EcsService,
) -> Result<Vec<ServiceDeploymentBrief>, PortError> {
    let statuses = vec![
        ServiceDeploymentStatus::Pending,
        ServiceDeploymentStatus::InProgress,
        ServiceDeploymentStatus::StopRequested,
        ServiceDeploymentStatus::RollbackRequested,
        ServiceDeploymentStatus::RollbackInProgress,
    ];
    list(client.list_service_deployments().set_status(Some(statuses)), service).await
}

type Listing =
    aws_sdk_ecs::operation::list_service_deployments::builders::ListServiceDeploymentsFluentBuilder;

/// The newest page, newest first.
async fn list(
    request: Listing,
    service: &EcsService,
) -> Result<Vec<ServiceDeploymentBrief>, PortError> {
    let request = request.cluster(service.cluster.as_str()).service(service.service.as_str());
    let found = request.max_results(PAGE).send().await;
    let found = found.map_err(|e| port_error(format!("the deployments of {service}"), e))?;
    let mut found = found.service_deployments.unwrap_or_default();
    let at = |brief: &ServiceDeploymentBrief| brief.created_at().map(DateTime::as_nanos);
    found.sort_by_key(|brief| std::cmp::Reverse(at(brief)));
    Ok(found)
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
        perch_core::head::Snapshot::Service(of) => Ok(format!("{}:{}", of.family, deploying.to)),
        perch_core::head::Snapshot::Alias(_) | perch_core::head::Snapshot::Servers(_) => {
            Err(PortError::Invalid {
                what: format!("release {}", deploying.release),
                message: "ECS deploys services alone".into(),
            })
        }
    }
}
