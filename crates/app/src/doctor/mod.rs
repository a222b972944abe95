//! Checks of an installation and its targets: facts in, findings out, each with the commands that put
//! it right. `gather` reads the facts through ports; nothing here changes anything.

mod gather;
mod group;
mod images;
mod installation;
mod models;
mod release;
mod service;
mod target;

pub use gather::{Ports, Store, installation, serving_at_risk, target};
pub use group::check_group;
pub use images::{InUse, Risk, Role, at_risk};
pub use models::{ModelFacts, check_models, models, turn_on_events};
pub use service::{check_hooks, check_service, service};

use std::fmt;

use perch_core::names::{RepositoryName, TargetName, Version};
use perch_core::release::Release;
use perch_core::stop::Stop;
use perch_core::target::Target;
use serde::Serialize;

use crate::dead_letters::DeadLetter;
use crate::ports::{
    AlarmStates, AliasState, ImageState, Lifecycle, PortError, Standing, SweepRun, VersionState,
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Something to know, or to do soon.
    Warning,
    /// Something does not work, or will not when it is needed.
    Problem,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The target; the installation without it.
    pub target: Option<TargetName>,
    /// What was checked, in a word or two.
    pub check: &'static str,
    /// How it ended.
    pub result: Outcome,
    /// What was found, and what it means.
    pub text: String,
    /// The commands that put it right, in this order.
    pub commands: Vec<String>,
}

/// What was read, or why it could not be.
pub type Look<T> = Result<T, Unseen>;

/// Why something could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen(pub String);

impl From<PortError> for Unseen {
    fn from(error: PortError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        Self(text)
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of an installation.
#[derive(Debug, Clone)]
pub struct InstallationFacts {
    /// Its stack, after which its functions are named.
    pub stack: String,
    /// How many targets are looked at.
    pub targets: Look<usize>,
    /// The newest runs of the sweep, newest first.
    pub runs: Look<Vec<SweepRun>>,
    /// The stop of all targets.
    pub stop: Look<Option<Stop>>,
    /// Events that got lost, oldest first.
    pub letters: Look<Vec<DeadLetter>>,
}

/// What is known of a target.
#[derive(Debug, Clone)]
pub struct TargetFacts {
    /// The installation's stack.
    pub stack: String,
    /// The target as applied.
    pub target: Target,
    /// Its head and the stop that holds for it.
    pub standing: Look<Standing>,
    /// The record of the release that its head names.
    pub active: Look<Option<Release>>,
    /// Its alias; nothing when the function or the alias does not exist.
    pub alias: Look<Option<AliasState>>,
    /// Whether the alias has provisioned concurrency.
    pub provisioned: Look<bool>,
    /// The version that a release would go back to.
    pub way_back: Look<Option<WayBack>>,
    /// The state of its guards.
    pub guards: Look<AlarmStates>,
    /// The images that it needs.
    pub in_use: Vec<InUse>,
    /// The lifecycle policies of their repositories.
    pub lifecycles: Vec<(RepositoryName, Look<Option<Lifecycle>>)>,
}

/// A version that a release would go back to.
#[derive(Debug, Clone)]
pub struct WayBack {
    /// The version.
    pub version: Version,
    /// Its state; nothing when it does not exist any more.
    pub state: Option<VersionState>,
    /// Whether its image is in the registry; nothing for a zip.
    pub image: Option<ImageState>,
}

/// What the checks of an installation find.
pub fn check_installation(facts: &InstallationFacts, now: jiff::Timestamp) -> Vec<Finding> {
    installation::check(facts, now)
}

/// What the checks of a target find.
pub fn check_target(facts: &TargetFacts, now: jiff::Timestamp) -> Vec<Finding> {
    let mut found = target::check(facts);
    found.extend(release::check(facts, now));
    found.extend(images::check(facts, now));
    found
}

impl Finding {
    fn of(target: Option<&TargetName>, check: &'static str, result: Outcome, text: String) -> Self {
        Self { target: target.cloned(), check, result, text, commands: Vec::new() }
    }

    fn ok(facts: &TargetFacts, check: &'static str, text: impl Into<String>) -> Self {
        Self::of(Some(&facts.target.name), check, Outcome::Ok, text.into())
    }

    fn warning(facts: &TargetFacts, check: &'static str, text: impl Into<String>) -> Self {
        Self::of(Some(&facts.target.name), check, Outcome::Warning, text.into())
    }

    fn problem(facts: &TargetFacts, check: &'static str, text: impl Into<String>) -> Self {
        Self::of(Some(&facts.target.name), check, Outcome::Problem, text.into())
    }

    /// What could not be looked at is no problem, but nobody knows that it is none.
    fn unseen(facts: &TargetFacts, check: &'static str, why: &Unseen) -> Self {
        Self::warning(facts, check, format!("could not be looked at: {why}"))
    }

    fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }
}

/// Has the sweep look now.
fn sweep_now(stack: &str) -> String {
    format!("aws lambda invoke --function-name {stack}-reconcile /dev/stdout")
}
