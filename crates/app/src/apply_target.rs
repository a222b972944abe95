//! Writes a target and its index items, and says beforehand what that changes.

use jiff::Timestamp;
use perch_core::artifact::Lane;
use perch_core::deployment::hook_problems;
use perch_core::names::{AliasName, FunctionName};
use perch_core::release::{Kind, Plan};
use perch_core::target::{EcsService, Lambda, MetricResolution, Problem, Target};

use crate::ports::{
    LoadTarget, PortError, ReadAlarms, ReadAlias, ReadFunction, ReadServices, SaveTarget,
    ServiceState, TargetChange,
};

/// Why a target was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The target breaks rules over several fields.
    #[error("the target has {} problem(s)", .0.len())]
    Problems(Vec<Problem>),
    /// Another target has this alias.
    #[error(
        "alias {alias} of function {function} belongs to another target; two targets can't move one alias"
    )]
    ServiceTaken {
        /// The function.
        function: FunctionName,
        /// The alias.
        alias: AliasName,
    },
    /// Another target has this ECS service.
    #[error("{0} belongs to another target; two targets can't move one service")]
    EcsServiceTaken(EcsService),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What applying a target changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Whether it is created, updated or left as it is.
    pub kind: TargetChange,
    /// The target as it is stored now.
    pub before: Option<Target>,
    /// The target as it will be.
    pub after: Target,
}

/// What applying `target` would change. Nothing is written.
pub async fn plan(
    store: &impl LoadTarget,
    target: Target,
    resolution: MetricResolution,
) -> Result<Change, ApplyError> {
    let problems = target.problems(resolution);
    if !problems.is_empty() {
        return Err(ApplyError::Problems(problems));
    }
    let before = store.target(&target.name).await?;
    let kind = match &before {
        None => TargetChange::Create,
        Some(before) if *before == target => TargetChange::None,
        Some(_) => TargetChange::Update,
    };
    Ok(Change { kind, before, after: target })
}

/// Writes what [`plan`] found. A target that is the same already is written again all the same: it
/// mends index items that were lost.
pub async fn run(
    store: &impl SaveTarget,
    change: &Change,
    now: Timestamp,
) -> Result<(), ApplyError> {
    let target = &change.after;
    store.save_target(target, change.before.as_ref(), now).await.map_err(|error| match error {
        PortError::Conflict { what, expected, found } => {
            match (&target.service.lambda, &target.service.ecs) {
                (Some(Lambda { function, alias, .. }), _) => {
                    ApplyError::ServiceTaken { function: function.clone(), alias: alias.clone() }
                }
                (None, Some(service)) => ApplyError::EcsServiceTaken(service.clone()),
                (None, None) => PortError::Conflict { what, expected, found }.into(),
            }
        }
        other => other.into(),
    })
}

/// What would make the first release end as Rejected: a missing function, alias, service or guard.
pub async fn warnings(
    (lambda, services): (&(impl ReadAlias + ReadFunction), &impl ReadServices),
    alarms: &impl ReadAlarms,
    target: &Target,
) -> Result<Vec<String>, PortError> {
    let mut found = Vec::new();
    if let Some(service) = &target.service.lambda {
        found.extend(alias_warning(lambda, service).await?);
    }
    if let Some(service) = &target.service.ecs {
        found.extend(service_warnings(services, target, service).await?);
    }
    for missing in alarms.alarms(&target.all_guards()).await?.missing {
        found.push(format!(
            "guard {missing} does not exist yet; a release is rejected until it does"
        ));
    }
    Ok(found)
}

async fn alias_warning(
    lambda: &(impl ReadAlias + ReadFunction),
    service: &Lambda,
) -> Result<Option<String>, PortError> {
    Ok(match lambda.alias(service).await {
        Ok(alias) if alias.route.split.is_some() => Some(format!(
            "alias {} of {} is split ({}); a release is rejected until it is not",
            service.alias, service.function, alias.route
        )),
        Ok(_) if lambda.has_provisioned_concurrency(service).await? => Some(format!(
            "alias {} of {} has provisioned concurrency, and Lambda does not let such an alias split \
             traffic; a release is rejected until it is removed",
            service.alias, service.function
        )),
        Ok(_) => None,
        Err(PortError::NotFound { .. }) => Some(format!(
            "function {} or its alias {} does not exist yet; a release is rejected until it does",
            service.function, service.alias
        )),
        Err(error) => return Err(error),
    })
}

async fn service_warnings(
    services: &impl ReadServices,
    target: &Target,
    service: &EcsService,
) -> Result<Vec<String>, PortError> {
    let found = match services.service(service).await {
        Ok(found) => found,
        Err(error @ (PortError::NotFound { .. } | PortError::Invalid { .. })) => {
            return Ok(vec![format!("{error}; a release is rejected until that is mended")]);
        }
        Err(error) => return Err(error),
    };
    let mut warnings = hook_warnings(target, &found);
    if found.shares.len() != 1 || found.foreign.is_some() {
        warnings.push(format!(
            "the traffic of {service} is split ({found}); a release is rejected until it is not"
        ));
    }
    Ok(warnings)
}

/// What is wrong with the hooks of a service that ECS deploys.
pub(crate) fn hook_warnings(target: &Target, found: &ServiceState) -> Vec<String> {
    let plan = Plan::of(target, Lane::Code).filter(|plan| plan.driver.kind() == Kind::Service);
    plan.map_or_else(Vec::new, |plan| hook_problems(&found.hooks, &plan))
}
