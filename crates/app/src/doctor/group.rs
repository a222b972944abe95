//! Check of the deployment group that moves a function's alias.

use perch_core::target::Target;

use super::{Finding, Outcome, Unseen};
use crate::deployment::group::unfit;
use crate::ports::ReadGroups;

/// Whether the group is there and deploys functions; nothing where CodeDeploy does not move the alias.
pub async fn check_group(groups: &impl ReadGroups, target: &Target) -> Option<Finding> {
    let group = target.service.lambda.as_ref()?.code_deploy.as_deref()?;
    let (result, text) = match unfit(groups, target).await {
        Ok(None) => (Outcome::Ok, format!("CodeDeploy's {group} deploys functions")),
        Ok(Some(unfit)) => (Outcome::Problem, unfit.to_string()),
        Err(error) => {
            (Outcome::Warning, format!("could not be looked at: {}", Unseen::from(error)))
        }
    };
    Some(Finding::of(Some(&target.name), "deployment group", result, text))
}
