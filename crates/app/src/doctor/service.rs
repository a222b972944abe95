//! Checks of an ECS service: whether its next release could begin, and whether it serves what was promoted.

use perch_core::head::Head;
use perch_core::target::Target;
use perch_core::weight::Weight;

use super::{Finding, Look, Outcome};
use crate::apply_target::hook_warnings;
use crate::ports::{ReadServices, ServiceState};

/// How the target's ECS service is; nothing where it has none.
pub async fn service(services: &impl ReadServices, target: &Target) -> Option<Look<ServiceState>> {
    let service = target.service.ecs.as_ref()?;
    Some(services.service(service).await.map_err(Into::into))
}

/// What is wrong with its hooks.
pub fn check_hooks(target: &Target, found: &Look<ServiceState>) -> Vec<Finding> {
    let warnings = found.as_ref().map(|found| hook_warnings(target, found)).unwrap_or_default();
    let finding = |text| Finding::of(Some(&target.name), "hooks", Outcome::Warning, text);
    warnings.into_iter().map(finding).collect()
}

/// What there is to say about it.
pub fn check_service(target: &Target, head: Option<&Head>, found: &Look<ServiceState>) -> Finding {
    const CHECK: &str = "service";
    let of = |result, text| Finding::of(Some(&target.name), CHECK, result, text);
    let found = match found {
        Ok(found) => found,
        Err(why) => return of(Outcome::Warning, format!("could not be looked at: {why}")),
    };
    let sends = format!("the load balancer sends to {found}");
    if head.is_some_and(|head| head.active.is_some()) {
        return of(Outcome::Ok, sends);
    }
    let ([(version, Weight::FULL)], None) = (found.shares.as_slice(), &found.foreign) else {
        let text = format!(
            "{sends}, and no release runs: a split is never taken as the state to come back to, so \
             every release is rejected until that deployment has ended"
        );
        return of(Outcome::Problem, text);
    };
    match head.and_then(|head| head.serving.as_ref()) {
        Some(serving) if serving.version != *version => {
            let text = format!(
                "{sends}, but release {} promoted task definition {}:{}. If that is meant, do \
                 nothing: the next release starts from what serves then",
                serving.release, found.family, serving.version
            );
            let back =
                format!("perch rollback {} --to {} --reason TEXT", target.name, serving.version);
            of(Outcome::Warning, text).command(back)
        }
        _ => of(Outcome::Ok, sends),
    }
}
