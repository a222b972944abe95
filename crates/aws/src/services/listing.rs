//! Which service deployments there are. They have no description: which release one is for follows from the
//! revision that it brings.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::list_service_deployments::builders::ListServiceDeploymentsFluentBuilder;
use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{CreatedAt, ServiceDeploymentBrief, ServiceDeploymentStatus};
use jiff::Timestamp;
use perch_app::ports::{Deploying, PortError};
use perch_core::names::{DeploymentId, Version};
use perch_core::target::EcsService;

use super::front;
use super::native::revisions;
use crate::error::port_error;

/// How much earlier than the intent a deployment may seem to be made: the clocks of two machines. An earlier
/// one of the same revision may be a few seconds older.
const SKEW_SECONDS: i64 = 5;

/// Deployments that one page has at most (ECS API Reference, `ListServiceDeployments`).
const PAGE: i32 = 100;

/// Revisions that one call describes at most (`DescribeServiceRevisions`).
const REVISIONS: usize = 20;

/// The deployment that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// It brings this revision of the task definition.
    pub(super) brings: &'a Version,
    /// It is newer than any that brings this one: else it is that of an earlier release.
    pub(super) unless: Option<&'a Version>,
}

impl<'a> Wanted<'a> {
    /// What was asked for replaces what served.
    pub(super) fn of(deploying: &Deploying<'a>) -> Self {
        Self { brings: deploying.to, unless: Some(deploying.from) }
    }
}

/// The newest deployment that is wanted, among the last 20.
pub(super) async fn newest(
    client: &Client,
    service: &EcsService,
    wanted: Wanted<'_>,
    since: Timestamp,
) -> Result<Option<DeploymentId>, PortError> {
    let after = DateTime::from_secs((since.as_second() - SKEW_SECONDS).max(0));
    let after = CreatedAt::builder().after(after).build();
    let mut listed = list(client.list_service_deployments().created_at(after), service).await?;
    listed.truncate(REVISIONS);
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
    for brief in &listed {
        let version = version(brief);
        if version.as_ref() == Some(wanted.brings) {
            return Ok(brief.service_deployment_arn().and_then(|arn| arn.parse().ok()));
        }
        if version.is_some() && version.as_ref() == wanted.unless {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The statuses of what has not ended.
const OPEN: [ServiceDeploymentStatus; 5] = [
    ServiceDeploymentStatus::Pending,
    ServiceDeploymentStatus::InProgress,
    ServiceDeploymentStatus::StopRequested,
    ServiceDeploymentStatus::RollbackRequested,
    ServiceDeploymentStatus::RollbackInProgress,
];

/// Whether a deployment has not ended.
pub(super) fn is_open(brief: &ServiceDeploymentBrief) -> bool {
    brief.status().is_some_and(|status| OPEN.contains(status))
}

/// What has not ended.
pub(super) async fn running(
    client: &Client,
    service: &EcsService,
) -> Result<Vec<ServiceDeploymentBrief>, PortError> {
    let open = client.list_service_deployments().set_status(Some(OPEN.to_vec()));
    list(open, service).await
}

/// The newest page, newest first.
pub(super) async fn list(
    request: ListServiceDeploymentsFluentBuilder,
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
