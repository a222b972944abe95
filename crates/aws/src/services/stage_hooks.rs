//! The hooks that a service has its deployments wait for.

use aws_sdk_ecs::types::{
    DeploymentLifecycleHook, DeploymentLifecycleHookAction, DeploymentLifecycleHookStage,
    DeploymentLifecycleHookTargetType, Service,
};
use perch_core::deployment::{HookKind, StageHook};

/// How long a hook waits where it does not say (ECS API Reference,
/// `DeploymentLifecycleHookTimeoutConfiguration`); then the deployment goes back.
const MINUTES: u32 = 1440;

/// The hooks of a service as it stands.
pub(super) fn of(service: &Service) -> Vec<StageHook> {
    let hooks = service.deployment_configuration().map(|of| of.lifecycle_hooks());
    hooks.unwrap_or_default().iter().map(hook).collect()
}

fn hook(found: &DeploymentLifecycleHook) -> StageHook {
    let stages = found.lifecycle_stages().iter().map(DeploymentLifecycleHookStage::as_str);
    let stages = stages.map(str::to_owned).collect();
    let kind = match (found.target_type(), found.hook_target_arn()) {
        (Some(DeploymentLifecycleHookTargetType::Pause), _) => {
            let limit = found.timeout_configuration();
            let minutes = limit.and_then(|limit| u32::try_from(limit.timeout_in_minutes()?).ok());
            let action = limit.and_then(|limit| limit.action());
            HookKind::Pauses {
                minutes: minutes.unwrap_or(MINUTES),
                goes_on: action == Some(&DeploymentLifecycleHookAction::Continue),
            }
        }
        (_, Some(arn)) if is_perch(arn) => HookKind::Asks,
        _ => HookKind::Foreign,
    };
    StageHook { kind, stages }
}

/// Whether a function is the `answer-hook` of a stack: `CodeDeployHook_STACK-answer-hook`, maybe with a
/// version or an alias behind it.
fn is_perch(arn: &str) -> bool {
    let name = arn.split(':').nth(6).unwrap_or_default();
    name.starts_with("CodeDeployHook_") && name.ends_with("-answer-hook")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_of_any_stack_is_known() {
        let arn = |name: &str| format!("arn:aws:lambda:eu-west-1:1:function:{name}");
        for (name, expected) in [
            ("CodeDeployHook_perch-answer-hook", true),
            ("CodeDeployHook_perch-answer-hook:live", true),
            ("my-answer-hook", false),
            ("CodeDeployHook_other", false),
        ] {
            assert_eq!(is_perch(&arn(name)), expected, "{name}");
        }
    }
}
