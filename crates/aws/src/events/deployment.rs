//! `CodeDeploy Deployment State-change Notification` (CodeDeploy User Guide, "Monitoring deployments with
//! Amazon CloudWatch Events").

use perch_core::names::DeploymentId;
use serde::Deserialize;

use super::{Delivered, EventError, detail};

const KIND: &str = "CodeDeploy Deployment State-change Notification";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    deployment_id: DeploymentId,
    state: String,
}

/// The deployment that ended; `None` for another state.
///
/// # Errors
/// [`EventError`] for another kind of event, or one without a documented field.
pub fn deployment_of(event: &Delivered) -> Result<Option<DeploymentId>, EventError> {
    let Detail { deployment_id, state } = detail(event, KIND)?;
    let ended = ["SUCCESS", "FAILURE", "STOP"].contains(&state.as_str());
    Ok(ended.then_some(deployment_id))
}
