//! What a service deployment says of itself.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::types::{
    DeploymentLifecycleHookDetail, DeploymentLifecycleHookStatus, ServiceDeployment,
    ServiceDeploymentRollbackMonitorsStatus, ServiceDeploymentStatus, TaskDefinitionField,
};
use perch_app::ports::{DeploymentState, Pause, PortError, Progress};
use perch_core::names::{DeploymentId, ReleaseId};

use super::definition::release_of;
use super::native::revisions;
use crate::error::port_error;

/// A deployment as ECS describes it (API Reference, `ServiceDeployment`).
pub(super) fn state(
    id: DeploymentId,
    release: Option<ReleaseId>,
    found: &ServiceDeployment,
) -> DeploymentState {
    let over = |what: &str| Progress::Over { why: why(&id, what, found) };
    let progress = match found.status() {
        Some(ServiceDeploymentStatus::Successful) => Progress::Succeeded,
        Some(ServiceDeploymentStatus::Stopped) => over("was stopped"),
        Some(ServiceDeploymentStatus::RollbackSuccessful) => over("was rolled back"),
        Some(ServiceDeploymentStatus::RollbackFailed) => over("could not be rolled back"),
        // What rolls back has not ended, and neither has a status that is not known here.
        _ => Progress::Running,
    };
    let goes_back = match found.status() {
        Some(
            ServiceDeploymentStatus::StopRequested
            | ServiceDeploymentStatus::RollbackRequested
            | ServiceDeploymentStatus::RollbackInProgress,
        ) => Some(why(&id, "goes back", found)),
        _ => None,
    };
    let pauses = pauses(found);
    let (is_rollback, rollback) = (false, None);
    DeploymentState { id, release, progress, goes_back, is_rollback, rollback, pauses }
}

/// The hooks that wait for `ContinueServiceDeployment`.
fn pauses(found: &ServiceDeployment) -> Vec<Pause> {
    let Some(stage) = found.lifecycle_stage() else { return Vec::new() };
    let waits = |hook: &&DeploymentLifecycleHookDetail| {
        hook.status() == Some(&DeploymentLifecycleHookStatus::AwaitingAction)
    };
    let pause = |hook: &DeploymentLifecycleHookDetail| {
        Some(Pause { hook: hook.hook_id()?.to_owned(), stage: stage.as_str().to_owned() })
    };
    found.lifecycle_hook_details().iter().filter(waits).filter_map(pause).collect()
}

fn why(id: &DeploymentId, what: &str, found: &ServiceDeployment) -> String {
    let name = id.as_str().rsplit('/').next().unwrap_or_default();
    let reason = found.rollback().and_then(|rollback| rollback.reason());
    let reason = reason.or(found.status_reason()).map(|reason| format!(": {reason}"));
    let alarms = found.alarms().map(|alarms| alarms.triggered_alarm_names()).unwrap_or_default();
    let alarms = (!alarms.is_empty()).then(|| format!("; in ALARM: {}", alarms.join(", ")));
    let breaker = found.deployment_circuit_breaker().filter(|breaker| {
        breaker.status() == Some(&ServiceDeploymentRollbackMonitorsStatus::Triggered)
    });
    let breaker = breaker.map(|breaker| {
        format!("; the circuit breaker tripped after {} failures", breaker.failure_count())
    });
    let more: String = [reason, alarms, breaker].into_iter().flatten().collect();
    format!("ECS service deployment {name} {what}{more}")
}

/// The release that a service revision is of: its task definition is tagged with it. One that brings a
/// baseline back is of the release that once registered the baseline.
pub(super) async fn release_of_revision(
    client: &Client,
    revision: Option<&str>,
) -> Result<Option<ReleaseId>, PortError> {
    let Some(revision) = revision else { return Ok(None) };
    let found = revisions(client, revision, vec![revision.to_owned()]).await?;
    let Some(definition) = found.first().and_then(|found| found.task_definition()) else {
        return Ok(None);
    };
    let read = client
        .describe_task_definition()
        .task_definition(definition)
        .include(TaskDefinitionField::Tags)
        .send()
        .await;
    match read {
        Ok(read) => Ok(release_of(read.tags())),
        // It was deleted.
        Err(error) if error.code() == Some("ClientException") => Ok(None),
        Err(error) => Err(port_error(format!("task definition {definition}"), error)),
    }
}
