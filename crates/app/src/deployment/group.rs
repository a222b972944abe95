//! Whether the deployment group of a function is there, and deploys functions.

use std::fmt;

use perch_core::target::{CodeDeploy, Target};

use crate::ports::{Platform, PortError, ReadGroups};

/// What is wrong with the deployment group of a target's function; nothing where it has none, or a fitting one.
///
/// With it no release gets any traffic. What is wrong with the group of an ECS service is said where
/// the service is read.
///
/// # Errors
/// [`PortError`] when the group could not be read.
pub async fn unfit(groups: &impl ReadGroups, target: &Target) -> Result<Option<Unfit>, PortError> {
    let lambda = target.service.lambda.as_ref();
    let Some(group) = lambda.and_then(|lambda| lambda.code_deploy.as_deref()) else {
        return Ok(None);
    };
    let found = match groups.platform(group).await {
        Ok(Platform::Lambda) => return Ok(None),
        Ok(Platform::Ecs) => Some("ECS services"),
        Ok(Platform::Server) => Some("instances"),
        Err(PortError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(Some(Unfit { group: group.clone(), found }))
}

/// A deployment group that can't deploy the target's function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    group: CodeDeploy,
    found: Option<&'static str>,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, found } = self;
        match found {
            None => write!(
                f,
                "CodeDeploy's {group} does not exist yet; no release gets traffic until it does"
            ),
            Some(others) => write!(
                f,
                "CodeDeploy's {group} deploys {others}, not functions: name one of an application for \
                 Lambda under `service.lambda.codeDeploy`; no release gets traffic until then"
            ),
        }
    }
}
