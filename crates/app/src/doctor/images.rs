//! Checks of lifecycle policies: which rule takes an image away that a target needs, and when.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use perch_core::digest::Digest;
use perch_core::lifecycle::{Expiry, Rule};
use perch_core::names::RepositoryName;
use serde::Serialize;

use super::{Finding, Outcome, TargetFacts};
use crate::ports::Lifecycle;

/// An image that goes within this time is worth a warning: there is time to mend the rule.
const SOON: Duration = Duration::from_secs(7 * 86_400);

/// An image that goes after this many pushes is worth a warning.
const PUSHES: u64 = 3;

/// What a target needs an image for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It serves.
    Serves,
    /// A release in flight goes back to it.
    WayBack,
    /// It is being released.
    Canary,
    /// It served before: a person can go back to it.
    Served,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Serves => "serves now",
            Role::WayBack => "the way back",
            Role::Canary => "being released",
            Role::Served => "served before",
        })
    }
}

/// An image that a target needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InUse {
    /// Its repository.
    pub repository: RepositoryName,
    /// Its digest.
    pub digest: Digest,
    /// What for.
    pub role: Role,
}

pub(super) fn check(facts: &TargetFacts, now: Timestamp) -> Vec<Finding> {
    const CHECK: &str = "lifecycle";
    let mut found = Vec::new();
    for (repository, lifecycle) in &facts.lifecycles {
        match lifecycle {
            Err(why) => {
                let text = format!("repository {repository} could not be looked at: {why}");
                found.push(Finding::warning(facts, CHECK, text));
            }
            Ok(None) => {
                let text = format!("repository {repository} has no policy: it keeps every image");
                found.push(Finding::ok(facts, CHECK, text));
            }
            Ok(Some(lifecycle)) => {
                let risks = at_risk(repository, lifecycle, &facts.in_use, now);
                if risks.is_empty() {
                    let text = format!("repository {repository} keeps the images in use");
                    found.push(Finding::ok(facts, CHECK, text));
                }
                found.extend(risks.into_iter().map(|risk| {
                    let finding =
                        Finding::of(Some(&facts.target.name), CHECK, risk.result, risk.text);
                    finding.command(risk.show).command(risk.change)
                }));
            }
        }
    }
    found
}

/// A rule that takes images in use away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// How bad it is.
    pub result: Outcome,
    /// The repository, the rule, the images, and when.
    pub text: String,
    /// Shows the policy.
    pub show: String,
    /// Writes another one.
    pub change: String,
}

/// The rules of a repository that take images in use away, soon.
pub fn at_risk(
    repository: &RepositoryName,
    lifecycle: &Lifecycle,
    in_use: &[InUse],
    now: Timestamp,
) -> Vec<Risk> {
    let mut rules: Vec<(&Rule, Outcome, Vec<String>)> = Vec::new();
    for image in in_use.iter().filter(|image| image.repository == *repository) {
        let expiry = lifecycle.policy.expiry(&image.digest, &lifecycle.images, now);
        let Some((rule, expiry)) = expiry else { continue };
        let Some((result, when)) = danger(expiry, image.role, now) else { continue };
        let tag = lifecycle.images.iter().find(|known| known.digest == image.digest);
        let name = match tag.and_then(|known| known.tags.first()) {
            Some(tag) => format!("{tag} ({})", image.digest.short()),
            None => image.digest.short().to_owned(),
        };
        let text = format!("{name}, {}: {when}", image.role);
        match rules.iter_mut().find(|(known, ..)| known.priority == rule.priority) {
            Some((_, worst, images)) => {
                *worst = result.max(*worst);
                images.push(text);
            }
            None => rules.push((rule, result, vec![text])),
        }
    }
    rules
        .into_iter()
        .map(|(rule, result, images)| risk(repository, rule, result, &images))
        .collect()
}

fn danger(expiry: Expiry, role: Role, now: Timestamp) -> Option<(Outcome, String)> {
    // What served before is a comfort; without the others a release or a rollback does not work.
    let worst = if role == Role::Served { Outcome::Warning } else { Outcome::Problem };
    match expiry {
        Expiry::Due => Some((worst, "within 24 hours".to_owned())),
        Expiry::At { at } => {
            let soon = now.saturating_add(SOON).is_ok_and(|soon| at <= soon);
            (soon && role != Role::Served)
                .then(|| (Outcome::Warning, format!("from {} on", at.strftime("%Y-%m-%d"))))
        }
        Expiry::AfterPushes { count } if count <= PUSHES && role != Role::Served => {
            let more = if count == 1 { "push" } else { "pushes" };
            Some((Outcome::Warning, format!("after {count} more {more} that the rule counts")))
        }
        Expiry::AfterPushes { .. } => None,
        Expiry::Unknown => Some((Outcome::Warning, "it can't be told when".to_owned())),
    }
}

fn risk(repository: &RepositoryName, rule: &Rule, result: Outcome, images: &[String]) -> Risk {
    let about = rule.description.as_deref().filter(|text| !text.is_empty());
    let about = about.map(|text| format!(" ({text})")).unwrap_or_default();
    let text = format!(
        "rule {} of repository {repository}{about} will {} images in use: {}. Raise its countNumber, \
         or put a rule before it that keeps their tags",
        rule.priority,
        rule.verb(),
        images.join("; ")
    );
    let show = format!(
        "aws ecr get-lifecycle-policy --repository-name {repository} --query lifecyclePolicyText \
         --output text > policy.json"
    );
    let change = format!(
        "aws ecr put-lifecycle-policy --repository-name {repository} --lifecycle-policy-text \
         file://policy.json"
    );
    Risk { result, text, show, change }
}
