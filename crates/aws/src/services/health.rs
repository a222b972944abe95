//! How a load balancer sees the targets of a group.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum;
use perch_app::ports::PortError;
use perch_core::judge::Health;

use crate::error::port_error;

/// The health of the targets of `targetgroup/NAME/ID`. One that leaves the group, or that no listener
/// sends to, is none of its targets.
pub(super) async fn read(client: &Client, group: &str) -> Result<Health, PortError> {
    let missing = || PortError::NotFound { what: group.to_owned() };
    let name = group.split('/').nth(1).ok_or_else(missing)?;
    let found = client.describe_target_groups().names(name).send().await;
    let found = found.map_err(|e| port_error(group, e))?;
    let arns = found.target_groups().iter().filter_map(|group| group.target_group_arn());
    let suffix = format!(":{group}");
    let arn = arns.into_iter().find(|arn| arn.ends_with(&suffix)).ok_or_else(missing)?;
    let health = client.describe_target_health().target_group_arn(arn).send().await;
    let health = health.map_err(|e| port_error(format!("the health of {group}"), e))?;
    let states = health.target_health_descriptions().iter();
    let states = states.filter_map(|of| of.target_health()?.state());
    let mut seen = Health { healthy: 0, of: 0 };
    for state in states {
        match state {
            TargetHealthStateEnum::Draining | TargetHealthStateEnum::Unused => continue,
            TargetHealthStateEnum::Healthy => seen.healthy += 1,
            _ => {}
        }
        seen.of += 1;
    }
    Ok(seen)
}
