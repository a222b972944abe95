//! The hooks of an ECS service: which of them waits for Perch, and what is wrong with them.

use std::time::Duration;

use super::passage::{BEFORE_EACH_SHIFT, GATES};
use crate::release::Plan;
use crate::span::Span;

/// A hook of a service, at stages of its deployments (ECS API Reference, `DeploymentLifecycleHook`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageHook {
    /// What it does.
    pub kind: HookKind,
    /// The names of its stages, as ECS gives them.
    pub stages: Vec<String>,
}

/// What a hook does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// It asks `answer-hook`.
    Asks,
    /// It pauses the deployment until somebody continues it.
    Pauses {
        /// The minutes after which it gives up.
        minutes: u32,
        /// Whether the deployment goes on then, rather than back.
        goes_on: bool,
    },
    /// It asks somebody else.
    Foreign,
}

impl StageHook {
    fn is_at(&self, stage: &str) -> bool {
        self.stages.iter().any(|of| of == stage)
    }

    /// Whether a deployment waits here for Perch, however long that takes.
    fn waits(&self) -> bool {
        matches!(self.kind, HookKind::Asks | HookKind::Pauses { goes_on: false, .. })
    }

    fn problem(&self, longest: Duration) -> Option<String> {
        let HookKind::Pauses { minutes, goes_on } = self.kind else { return None };
        let others: Vec<&str> =
            self.stages.iter().map(String::as_str).filter(|at| !GATES.contains(at)).collect();
        let limit = Span::seconds(u64::from(minutes) * 60);
        let at = self.stages.join(", ");
        if !others.is_empty() {
            return Some(format!(
                "the pause hook at {} is continued by nobody: Perch continues those at {}",
                others.join(", "),
                GATES.join(" and ")
            ));
        }
        if goes_on {
            return Some(format!(
                "the pause hook at {at} goes on by itself after {limit}, past the judge: give it \
                 `timeoutConfiguration.action: ROLLBACK`"
            ));
        }
        (limit.duration() < longest).then(|| {
            format!(
                "the pause hook at {at} gives up after {limit}, which is shorter than a bake: a \
                 judge that needs longer, or a hold, would end in a rollback"
            )
        })
    }
}

/// Whether a service's deployments wait for Perch before every shift.
pub fn are_gated(hooks: &[StageHook]) -> bool {
    hooks.iter().any(|hook| hook.is_at(BEFORE_EACH_SHIFT) && hook.waits())
}

/// What would go past the judge, or end a release without need.
pub fn hook_problems(hooks: &[StageHook], plan: &Plan) -> Vec<String> {
    let longest = plan.steps.iter().map(|step| step.bake.duration()).max().unwrap_or_default();
    let mut found: Vec<String> = hooks.iter().filter_map(|hook| hook.problem(longest)).collect();
    if !plan.steps.is_empty() && !hooks.iter().any(|hook| hook.is_at(BEFORE_EACH_SHIFT)) {
        found.push(format!(
            "no hook waits at {BEFORE_EACH_SHIFT}: ECS gives the canary all traffic when the bake is \
             over, so a release can't be held and goes back where the judge is not done in time; \
             name `answer-hook` there, or a hook of `targetType: PAUSE`"
        ));
    }
    found
}

#[cfg(test)]
mod tests;
