//! Services whose traffic ECS moves: two service revisions, and the rule that the load balancer's
//! configuration names.

use aws_sdk_ecs::types::{LoadBalancer, Service, ServiceRevision};
use perch_app::ports::PortError;
use perch_core::names::EcsName;
use perch_core::target::EcsService;

use super::front::Front;
use super::{Services, invalid, rules, stage_hooks};
use crate::error::port_error;

/// What is in front of the service and behind it. Three calls.
pub(super) async fn front(
    services: &Services,
    service: &EcsService,
    found: &Service,
) -> Result<Front, PortError> {
    let [balancing] = found.load_balancers() else {
        let message = match found.load_balancers().len() {
            0 => "it has no load balancer, and a release needs one that splits traffic".to_owned(),
            count => format!("it is behind {count} load balancers, and Perch follows one"),
        };
        return Err(invalid(service, message));
    };
    let advanced = balancing.advanced_configuration();
    let arns = advanced.and_then(|advanced| {
        let pair = [balancing.target_group_arn()?, advanced.alternate_target_group_arn()?];
        Some((pair.map(str::to_owned), advanced.production_listener_rule()?.to_owned()))
    });
    let Some((pair, splitter)) = arns else {
        let message = "its load balancer has no `advancedConfiguration` with \
                       `alternateTargetGroupArn` and `productionListenerRule`: ECS replaces its \
                       tasks in place and moves no traffic";
        return Err(invalid(service, message));
    };
    let door = door(service, balancing)?;
    let arns = found.current_service_revisions().iter();
    let arns = arns.filter_map(|revision| revision.arn().map(str::to_owned)).collect();
    let revisions = revisions(&services.ecs, &service.to_string(), arns).await?;
    let behind = revisions.iter().filter_map(behind).collect();
    let rules = rules::one(&services.balancers, &splitter).await?;
    Ok(Front { splitter, rules, pair, behind, door, hooks: stage_hooks::of(found) })
}

/// Service revisions by their ARNs, at most 20 (ECS API Reference, `DescribeServiceRevisions`).
pub(super) async fn revisions(
    client: &aws_sdk_ecs::Client,
    what: &str,
    arns: Vec<String>,
) -> Result<Vec<ServiceRevision>, PortError> {
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let found = client.describe_service_revisions().set_service_revision_arns(Some(arns));
    let found = found.send().await.map_err(|e| port_error(what, e))?;
    Ok(found.service_revisions.unwrap_or_default())
}

/// The group that a revision's tasks are in, and its task definition.
fn behind(revision: &ServiceRevision) -> Option<(String, String)> {
    let of = revision.resolved_configuration()?.load_balancers().first()?;
    Some((of.target_group_arn()?.to_owned(), revision.task_definition()?.to_owned()))
}

/// The container that a load balancer sends to, and its port.
pub(super) fn door(
    service: &EcsService,
    balancing: &LoadBalancer,
) -> Result<(EcsName, u16), PortError> {
    let container = balancing.container_name().and_then(|name| name.parse().ok());
    let port = balancing.container_port().and_then(|port| u16::try_from(port).ok());
    let unknown = || invalid(service, "its load balancer names no container and port");
    container.zip(port).ok_or_else(unknown)
}
