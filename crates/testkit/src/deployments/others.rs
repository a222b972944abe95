//! What others do with deployments, and what becomes of hooks that nobody answers.

use std::time::Duration;

use jiff::Timestamp;
use perch_app::ports::{
    DeploymentState, NewestDeployment, Platform, PortError, Progress, ReadGroups,
};
use perch_core::artifact::Lane;
use perch_core::deployment::{Purpose, Schedule};
use perch_core::names::{DeploymentId, Version};
use perch_core::release::Driver;
use perch_core::target::{CodeDeploy, EcsService, Target};
use perch_core::weight::Weight;

use super::made::{Hooked, Made, Moves};
use super::{MemoryDeployments, Service};

/// Seconds that CodeDeploy waits for the answer of a hook (User Guide, "`AppSpec` 'hooks' section").
const HOOK_SECONDS: i64 = 3600;

impl Service {
    /// Someone else brings the traffic of a target from one version to another; whether nothing was
    /// under way there.
    pub fn deploy(
        &mut self,
        target: &Target,
        (from, to): (&Version, &Version),
        schedule: Schedule,
    ) -> bool {
        let Some(driver) = Driver::of(target, Lane::Code) else { return false };
        let Some(mover) = driver.mover() else { return false };
        if self.under_way(mover).is_some() {
            return false;
        }
        let moves = match &driver {
            Driver::Alias(alias) => Moves::Alias(alias.clone()),
            Driver::Service(service) => Moves::Service(service.clone()),
            Driver::Servers(_) => return false,
        };
        self.made.push(Made {
            id: format!("d-{}", self.made.len() + 1).parse().unwrap(),
            release: None,
            progress: Progress::Running,
            goes_back: None,
            rollback: None,
            purpose: Purpose::Canary,
            hook: Hooked::Not,
            pausing: None,
            mover: mover.to_string(),
            moves,
            from: from.clone(),
            to: to.clone(),
            schedule,
            started: self.now,
            delay: Duration::ZERO,
            reached: Weight::ZERO,
            full_at: None,
        });
        true
    }

    /// A hook lets its deployment go on, unless it was answered before.
    pub fn pass_hook(&mut self, id: &DeploymentId) {
        let now = self.now;
        let made = self.made.iter_mut().find(|made| made.id == *id);
        if let Some(made) = made.filter(|made| made.hook == Hooked::Asked) {
            made.hook = Hooked::Passed(now);
        }
    }

    /// A hook fails its deployment, unless it was answered before.
    pub fn fail_hook(&mut self, id: &DeploymentId) {
        if self.asked().any(|made| made.id == *id) {
            self.stop(id, &format!("a hook of deployment {id} failed"));
        }
    }

    /// What its clock shows.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Deployments whose hook had no answer in time fail.
    pub(super) fn give_up_hooks(&mut self) {
        let now = self.now;
        let late = |made: &&Made| now.duration_since(made.started).as_secs() >= HOOK_SECONDS;
        let ids: Vec<DeploymentId> =
            self.asked().filter(late).map(|made| made.id.clone()).collect();
        for id in ids {
            self.stop(&id, &format!("a hook of deployment {id} did not answer within an hour"));
        }
    }
}

impl ReadGroups for MemoryDeployments {
    async fn platform(&self, group: &CodeDeploy) -> Result<Platform, PortError> {
        let gone = || PortError::NotFound { what: format!("deployment group {group}") };
        let look = || self.read(|service| service.groups).ok_or_else(gone);
        self.calls.port("deployment_group", look).await
    }
}

impl NewestDeployment for MemoryDeployments {
    async fn newest(&self, service: &EcsService) -> Result<Option<DeploymentState>, PortError> {
        let of = |made: &&Made| {
            !made.is_rollback() && made.native().is_some_and(|own| own.service == service.service)
        };
        let look = || Ok(self.read(|known| known.made.iter().rfind(of).map(Made::state)));
        self.calls.port("newest_deployment", look).await
    }
}
