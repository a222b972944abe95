//! Asks CodeDeploy for a deployment.

use aws_sdk_codedeploy::types::{
    Alarm, AlarmConfiguration, AppSpecContent, AutoRollbackConfiguration, AutoRollbackEvent,
    ComputePlatform, RevisionLocation, RevisionLocationType,
};
use perch_app::ports::{Deploying, PortError};
use perch_core::deployment::{Deployment, Purpose, Schedule};
use perch_core::head::{ServiceSnapshot, Snapshot};
use perch_core::names::{AlarmName, DeploymentId};
use perch_core::target::CodeDeploy;

use super::appspec::AppSpec;
use super::{Deployments, config};
use crate::error::port_error;

/// Starts a deployment in a group.
pub(super) async fn run(
    deployments: &Deployments,
    group: &CodeDeploy,
    deploying: &Deploying<'_>,
) -> Result<DeploymentId, PortError> {
    let client = &deployments.code_deploy;
    let (platform, config) = match deploying.snapshot {
        Snapshot::Service(_) => (ComputePlatform::Ecs, deploying.schedule.ecs_config()),
        Snapshot::Alias(_) | Snapshot::Servers(_) => {
            (ComputePlatform::Lambda, deploying.schedule.lambda_config())
        }
    };
    if !Schedule::is_predefined(&config) {
        config::ensure(client, (&config, platform), deploying.schedule).await?;
    }
    let what = || format!("a deployment in {group}");
    let invalid = |message: String| PortError::Invalid { what: what(), message };
    let content = content(deployments, deploying).await?.map_err(invalid)?;
    let content = AppSpecContent::builder().content(content).build();
    let revision = RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(content)
        .build();
    let created = client
        .create_deployment()
        .application_name(group.application.as_str())
        .deployment_group_name(group.deployment_group.as_str())
        .deployment_config_name(config)
        .description(Deployment::description(deploying.release, deploying.purpose))
        .revision(revision)
        .auto_rollback_configuration(rollback(deploying.purpose))
        .set_override_alarm_configuration(deploying.alarms.map(alarms))
        .send()
        .await
        .map_err(|e| port_error(what(), e))?;
    let id = created.deployment_id.unwrap_or_default();
    id.parse().map_err(|_| invalid(format!("`{id}` is not the id of a deployment")))
}

/// The `AppSpec`, or why there can't be one.
async fn content(
    deployments: &Deployments,
    deploying: &Deploying<'_>,
) -> Result<Result<String, String>, PortError> {
    let hook = deployments.hook.as_deref().filter(|_| deploying.is_tested);
    if deploying.is_tested && hook.is_none() {
        let why = "smoke tests need a hook, and none is configured: set PERCH_HOOK";
        return Ok(Err(why.to_owned()));
    }
    let written = match deploying.snapshot {
        Snapshot::Alias(alias) => serde_json::to_string(&AppSpec::of_alias(deploying, alias, hook)),
        Snapshot::Service(service) => {
            let arn = task_definition(&deployments.ecs, service, deploying).await?;
            serde_json::to_string(&AppSpec::of_service(&arn, service, hook))
        }
        Snapshot::Servers(_) => {
            return Ok(Err("CodeDeploy moves no model servers".to_owned()));
        }
    };
    Ok(written.map_err(|error| error.to_string()))
}

/// An `AppSpec` names a task definition by its ARN (User Guide, "`AppSpec` 'resources' section for Amazon
/// ECS deployments").
async fn task_definition(
    ecs: &aws_sdk_ecs::Client,
    service: &ServiceSnapshot,
    deploying: &Deploying<'_>,
) -> Result<String, PortError> {
    let name = format!("{}:{}", service.family, deploying.to);
    let what = format!("task definition {name}");
    let found = ecs.describe_task_definition().task_definition(name).send().await;
    let found = found.map_err(|e| port_error(what.as_str(), e))?;
    let arn = found.task_definition().and_then(|found| found.task_definition_arn());
    arn.map(str::to_owned).ok_or(PortError::NotFound { what })
}

/// Where it fails or its alarms go off, CodeDeploy puts the baseline back alone. What a stop does, its caller
/// says: as an event here it could overwrite what a person set (see `docs/decisions.md`). On the way back a
/// rollback would put the canary back: that only goes forward.
fn rollback(purpose: Purpose) -> AutoRollbackConfiguration {
    let config = AutoRollbackConfiguration::builder();
    match purpose {
        Purpose::Canary => config
            .enabled(true)
            .events(AutoRollbackEvent::DeploymentFailure)
            .events(AutoRollbackEvent::DeploymentStopOnAlarm),
        Purpose::WayBack => config.enabled(false),
    }
    .build()
}

fn alarms(alarms: &[AlarmName]) -> AlarmConfiguration {
    let named = |alarm: &AlarmName| Alarm::builder().name(alarm.as_str()).build();
    let named: Vec<Alarm> = alarms.iter().map(named).collect();
    AlarmConfiguration::builder().enabled(!alarms.is_empty()).set_alarms(Some(named)).build()
}
