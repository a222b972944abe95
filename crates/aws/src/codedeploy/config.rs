//! Deployment configurations for schedules that AWS has none for.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::error::ProvideErrorMetadata;
use aws_sdk_codedeploy::types::{
    ComputePlatform, TimeBasedCanary, TimeBasedLinear, TrafficRoutingConfig, TrafficRoutingType,
};
use perch_app::ports::PortError;
use perch_core::deployment::Schedule;

use crate::error::port_error;

/// Makes the configuration unless it exists. Its name says all that it holds, so one that exists is right.
pub(super) async fn ensure(
    client: &Client,
    (name, platform): (&str, ComputePlatform),
    schedule: Schedule,
) -> Result<(), PortError> {
    let made = client
        .create_deployment_config()
        .deployment_config_name(name)
        .compute_platform(platform)
        .traffic_routing_config(routing(schedule))
        .send()
        .await;
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("DeploymentConfigAlreadyExistsException") => Ok(()),
        Err(error) => Err(port_error(format!("deployment configuration {name}"), error)),
    }
}

fn routing(schedule: Schedule) -> TrafficRoutingConfig {
    let minutes = |minutes| i32::try_from(minutes).unwrap_or(i32::MAX);
    let config = TrafficRoutingConfig::builder();
    match schedule {
        Schedule::AllAtOnce => config.r#type(TrafficRoutingType::AllAtOnce),
        Schedule::Canary { percent, minutes: after } => {
            config.r#type(TrafficRoutingType::TimeBasedCanary).time_based_canary(
                TimeBasedCanary::builder()
                    .canary_percentage(i32::from(percent))
                    .canary_interval(minutes(after))
                    .build(),
            )
        }
        Schedule::Linear { percent, minutes: each } => {
            config.r#type(TrafficRoutingType::TimeBasedLinear).time_based_linear(
                TimeBasedLinear::builder()
                    .linear_percentage(i32::from(percent))
                    .linear_interval(minutes(each))
                    .build(),
            )
        }
    }
    .build()
}
