//! Services whose traffic CodeDeploy moves: two task sets, and the listener that its deployment group names.

use aws_sdk_codedeploy::types::{DeploymentGroupInfo, TargetGroupPairInfo};
use aws_sdk_ecs::types::{Service, TaskSet};
use perch_app::ports::PortError;
use perch_core::target::{CodeDeploy, EcsService};

use super::front::Front;
use super::native::door;
use super::{Services, invalid, rules};
use crate::codedeploy::group_info;
use crate::error::port_error;

/// What is in front of the service and behind it. Four calls.
pub(super) async fn front(
    services: &Services,
    service: &EcsService,
    group: &CodeDeploy,
    found: &Service,
) -> Result<Front, PortError> {
    let mut sets: Vec<&TaskSet> = found.task_sets().iter().collect();
    sets.sort_by_key(|set| rank(set));
    let primary = sets.first().filter(|set| rank(set) == 0);
    let primary = primary.ok_or_else(|| invalid(service, "it has no primary task set"))?;
    let [balancing] = primary.load_balancers() else {
        let count = primary.load_balancers().len();
        let message = format!("it is behind {count} target groups, and CodeDeploy moves one pair");
        return Err(invalid(service, message));
    };
    let door = door(service, balancing)?;
    let info = group_info(&services.code_deploy, group).await?;
    let pair = pair_of(service, group, &info)?;
    let listener = pair.prod_traffic_route().and_then(|route| route.listener_arns().first());
    let Some(splitter) = listener.cloned() else {
        return Err(invalid(service, format!("{group} names no production listener")));
    };
    let pair = arns(services, service, group, pair).await?;
    let behind = sets.iter().filter_map(|set| {
        let behind = set.load_balancers().first()?.target_group_arn()?;
        Some((behind.to_owned(), set.task_definition()?.to_owned()))
    });
    let behind = behind.collect();
    let rules = rules::of_listener(&services.balancers, &splitter).await?;
    Ok(Front { splitter, rules, pair, behind, door, hooks: Vec::new() })
}

/// A set that drains may be in the group of a newer one.
fn rank(set: &TaskSet) -> u8 {
    match set.status() {
        Some("PRIMARY") => 0,
        Some("ACTIVE") => 1,
        _ => 2,
    }
}

/// The pair of target groups, if the group deploys this service.
fn pair_of<'a>(
    service: &EcsService,
    group: &CodeDeploy,
    info: &'a DeploymentGroupInfo,
) -> Result<&'a TargetGroupPairInfo, PortError> {
    let of_it = info.ecs_services().iter().any(|of| {
        of.cluster_name() == Some(service.cluster.as_str())
            && of.service_name() == Some(service.service.as_str())
    });
    if !of_it {
        return Err(invalid(service, format!("{group} deploys another service")));
    }
    match info.load_balancer_info().map(|info| info.target_group_pair_info_list()) {
        Some([pair]) if pair.target_groups().len() == 2 => Ok(pair),
        _ => Err(invalid(service, format!("{group} does not name one pair of target groups"))),
    }
}

/// CodeDeploy knows target groups by name, which are unique in an account and region.
async fn arns(
    services: &Services,
    service: &EcsService,
    group: &CodeDeploy,
    pair: &TargetGroupPairInfo,
) -> Result<[String; 2], PortError> {
    let names: Vec<String> =
        pair.target_groups().iter().filter_map(|of| of.name().map(str::to_owned)).collect();
    let found = services
        .balancers
        .describe_target_groups()
        .set_names(Some(names.clone()))
        .send()
        .await
        .map_err(|e| port_error(format!("the target groups of {group}"), e))?;
    let arn = |name: &String| {
        let of = found.target_groups().iter().find(|of| of.target_group_name() == Some(name));
        of.and_then(|of| of.target_group_arn()).map(str::to_owned)
    };
    let arns: Vec<String> = names.iter().filter_map(arn).collect();
    let missing = |_| invalid(service, format!("the target groups of {group} are not both there"));
    arns.try_into().map_err(missing)
}
