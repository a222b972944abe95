//! What is in front of a service and behind it, whoever moves its traffic.

use aws_sdk_elasticloadbalancingv2::types::Rule;
use perch_app::ports::{PortError, ServiceState};
use perch_core::deployment::StageHook;
use perch_core::head::TargetGroups;
use perch_core::names::{EcsName, Version};
use perch_core::target::EcsService;
use perch_core::weight::Weight;

use super::{invalid, rules};

/// The rules of a load balancer, and the tasks in the groups that they send to.
#[derive(Debug)]
pub(super) struct Front {
    /// The ARN of the listener or rule that splits the traffic.
    pub(super) splitter: String,
    /// What it says.
    pub(super) rules: Vec<Rule>,
    /// The ARNs of the two target groups.
    pub(super) pair: [String; 2],
    /// Target groups and the task definitions of the tasks in them; the first of a group counts.
    pub(super) behind: Vec<(String, String)>,
    /// The container that the load balancer sends to, and its port.
    pub(super) door: (EcsName, u16),
    /// The hooks of its deployments.
    pub(super) hooks: Vec<StageHook>,
}

impl Front {
    /// Which revisions get how much.
    pub(super) fn state(self, service: &EcsService) -> Result<ServiceState, PortError> {
        let Some(balancer) = balancer(&self.splitter) else {
            let message = format!(
                "{} is not of an Application Load Balancer, and only that splits traffic by weights",
                self.splitter
            );
            return Err(invalid(service, message));
        };
        let Some(by_group) = rules::shares(&self.rules, &self.pair) else {
            let message = format!(
                "no rule of {} forwards to {} or {}",
                self.splitter,
                name(&self.pair[0]),
                name(&self.pair[1])
            );
            return Err(invalid(service, message));
        };
        let most = by_group.iter().map(|(group, _)| group).find(|group| self.pair.contains(group));
        let first = || self.behind.first().map(|(group, _)| group);
        let serves = most.or_else(first).cloned().unwrap_or_default();
        let (family, _) = match self.definition(&serves) {
            Some(arn) => revision(arn).ok_or_else(|| invalid(service, unknown(arn)))?,
            None => return Err(gap(service, &serves)),
        };
        let (mut shares, mut foreign) = (Vec::<(Version, Weight)>::new(), None);
        for (group, weight) in &by_group {
            if !self.pair.contains(group) {
                foreign = Some(format!("behind {}", name(group)));
                continue;
            }
            let arn = self.definition(group).ok_or_else(|| gap(service, group))?;
            match revision(arn) {
                Some((of, version)) if of == family => add(&mut shares, version, *weight),
                _ => foreign = Some(short(arn).to_owned()),
            }
        }
        let [one, other] = &self.pair;
        let (first, second) = if serves == *other { (other, one) } else { (one, other) };
        let groups = TargetGroups {
            balancer,
            baseline: name(first).to_owned(),
            canary: name(second).to_owned(),
        };
        let (container, port) = self.door;
        Ok(ServiceState { family, shares, foreign, container, port, groups, hooks: self.hooks })
    }

    fn definition(&self, group: &str) -> Option<&str> {
        self.behind.iter().find(|(of, _)| of == group).map(|(_, arn)| arn.as_str())
    }
}

/// Both groups may have tasks of one revision.
fn add(shares: &mut Vec<(Version, Weight)>, version: Version, weight: Weight) {
    match shares.iter_mut().find(|(known, _)| *known == version) {
        Some((_, sum)) => {
            let percent = sum.percent().saturating_add(weight.percent());
            *sum = Weight::new(percent).unwrap_or(Weight::FULL);
        }
        None => shares.push((version, weight)),
    }
}

/// Traffic goes to a group in which no tasks are known: the answers of two services do not fit yet.
fn gap(service: &EcsService, group: &str) -> PortError {
    let text = format!("{} has traffic, and no tasks of the service are known in it", name(group));
    PortError::Unavailable { what: service.to_string(), source: text.into() }
}

fn unknown(arn: &str) -> String {
    format!("it runs {arn}, which is not a revision of a task definition")
}

/// `app/NAME/ID` of a listener or a rule (Elastic Load Balancing API Reference, ARNs:
/// `listener/app/NAME/ID/LISTENER`, `listener-rule/app/NAME/ID/LISTENER/RULE`).
fn balancer(arn: &str) -> Option<String> {
    let (_, rest) = arn.split_once(":listener/").or_else(|| arn.split_once(":listener-rule/"))?;
    let parts: Vec<&str> = rest.split('/').take(3).collect();
    (parts.len() == 3 && parts[0] == "app").then(|| parts.join("/"))
}

/// `targetgroup/NAME/ID`, as `CloudWatch` names it.
fn name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// `FAMILY:REVISION` of a task definition.
fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The family and the revision of a task definition.
pub(super) fn revision(arn: &str) -> Option<(EcsName, Version)> {
    let (family, revision) = short(arn).split_once(':')?;
    Some((family.parse().ok()?, revision.parse().ok()?))
}
