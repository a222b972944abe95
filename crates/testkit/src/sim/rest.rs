//! The end: people pick up what was left to them, and what must hold at rest is checked.

use std::time::Duration;

use perch_core::artifact::Artifact;
use perch_core::phase::Phase;
use perch_core::release::{Driver, Mover, Release};

use super::driven::deployed_at_rest;
use super::flight::Task;
use super::script::{Behaviour, Wish};
use super::{Entry, Sim, truth};
use crate::invariants;

/// How often people come back: more would hide that something never comes to rest.
const ROUNDS: u64 = 5;

/// What retries, lost executions, the sweep's schedule and clocks that jump may add to a deadline.
const SLACK: Duration = Duration::from_secs(3600);

impl Sim<'_> {
    /// Does what operators do: events from the dead letters are delivered again, and who was paged
    /// for a release that is stuck rolls it back. Whether there was something to do.
    pub(super) fn help(&mut self) -> bool {
        self.jump = 0;
        let letters = std::mem::take(&mut self.dead_letters);
        let stuck = self.world.store.read(|items| {
            let stuck = items.releases.values().filter(|r| matches!(r.phase, Phase::Stuck { .. }));
            stuck.map(|release| release.target.clone()).collect::<Vec<_>>()
        });
        let stopped = self.world.store.read(|items| {
            let stopped = items.heads.values().filter(|head| head.stopped.is_some());
            let own = stopped.map(|head| (head.target.clone(), Wish::Resume));
            let all = items.targets.keys().next().filter(|_| items.stop_of_all.is_some());
            own.chain(all.map(|any| (any.clone(), Wish::ResumeAll))).collect::<Vec<_>>()
        });
        if letters.is_empty() && stuck.is_empty() && stopped.is_empty() {
            return false;
        }
        self.report.helped += 1;
        if self.report.helped > ROUNDS {
            self.breaks(format!("P4: people had to help {ROUNDS} times, and something is left"));
            return false;
        }
        for event in letters {
            self.note(|| format!("redrives {event:?}"));
            self.put(0, Entry::Invoke(Task::Event(event, 0)));
        }
        for (target, wish) in stopped {
            self.put(1000, Entry::Invoke(Task::Person(target, wish, 0)));
        }
        for target in stuck {
            self.put(1000, Entry::Invoke(Task::Person(target, Wish::RollBack, 0)));
        }
        self.stirred = self.clock;
        true
    }

    pub(super) fn check_rest(&mut self) {
        let mut broken = invariants::broken_at_rest_besides(&self.world, &self.ghosts.foreign);
        broken.extend(invariants::twice_released(&self.world));
        broken.extend(self.not_the_newest());
        broken.extend(self.failing_and_promoted());
        broken.extend(self.half_way());
        broken.extend(deployed_at_rest(&self.world));
        if self.report.helped == 0 {
            broken.extend(invariants::late(&self.world, SLACK));
        }
        broken.extend(invariants::unproven(&self.world));
        broken.extend(invariants::untold(&self.world));
        for broken in broken {
            self.breaks(broken);
        }
    }

    /// No target splits its traffic, unless someone else left it so.
    fn half_way(&self) -> Vec<String> {
        let targets = self.script.targets.iter();
        targets
            .filter(|target| !self.ghosts.is_left_by_others(&target.name))
            .map(|target| (target, truth::serves(&self.world, target)))
            .filter(|(_, route)| route.split.is_some())
            .map(|(target, route)| format!("P7: {} is left at {route}", target.name))
            .collect()
    }

    /// P8: at rest the newest artifact of each kind was promoted, or has a release that says why not.
    fn not_the_newest(&self) -> Vec<String> {
        let targets = self.script.targets.iter();
        let targets = targets.filter(|target| !self.ghosts.foreign.contains(&target.name));
        targets
            .flat_map(|target| {
                let sources = &target.sources;
                let image = |artifact: &Artifact| matches!((artifact, &sources.image), (Artifact::Image { repository, .. }, Some(source)) if *repository == source.repository);
                let model = |artifact: &Artifact| matches!((artifact, &sources.model), (Artifact::Model { key, .. }, Some(source)) if source.version_of(key).is_some());
                let images = self.pushes.iter().filter(|(artifact, _)| image(artifact));
                let models = self.pushes.iter().filter(|(artifact, _)| model(artifact));
                let of_images = invariants::not_the_newest(&self.world, target, images);
                of_images.into_iter().chain(invariants::not_the_newest(&self.world, target, models))
            })
            .collect()
    }

    /// Versions that fail from the start, or soon after the promotion, are never promoted.
    fn failing_and_promoted(&self) -> Vec<String> {
        let releases: Vec<Release> =
            self.world.store.read(|items| items.releases.values().cloned().collect());
        releases
            .iter()
            .filter(|release| matches!(release.phase, Phase::Promoted))
            .filter(|release| !self.ghosts.foreign.contains(&release.target))
            .filter(|release| {
                let name = release.plan.driver.name().to_owned();
                let key = (name, release.artifact.identity());
                let watch = i64::try_from(release.plan.watch.as_secs()).unwrap_or(i64::MAX);
                // A clock that jumps ends a watch early: then nobody looked in time.
                let watched = watch >= 180 && !self.jumped;
                match self.script.behaviours.get(&key) {
                    Some(Behaviour::Failing) => watched || !self.may_skip(release),
                    // No order skips the smoke tests.
                    Some(Behaviour::Unfit) => {
                        release.plan.smoke.is_some() || watched || !self.may_skip(release)
                    }
                    Some(Behaviour::TurnsBad(after)) => watched && after + 60 <= watch,
                    Some(Behaviour::Healthy | Behaviour::Slow | Behaviour::Silent) | None => false,
                }
            })
            .map(|release| format!("P7: {} fails and was promoted", release.id))
            .collect()
    }

    /// Whether the release may have been promoted without a bake.
    fn may_skip(&self, release: &Release) -> bool {
        release.plan.steps.is_empty() || self.ghosts.pushed_on.contains(&release.id)
    }

    pub(super) fn sum_up(&mut self) {
        let releases = self.world.store.read(|items| {
            let releases = items.releases.values();
            releases.map(|r| (driver(r), r.phase.name())).collect::<Vec<_>>()
        });
        self.report.releases = releases.len() as u64;
        for (driver, phase) in releases {
            *self.report.ends.entry(phase).or_default() += 1;
            *self.report.drivers.entry((driver, phase)).or_default() += 1;
        }
        let deployments = self.world.deployments.read(|known| known.made.len());
        self.report.deployments = deployments as u64;
        self.report.messages = self.world.topic.messages().len() as u64;
        self.report.hours = u64::try_from(self.clock / 3_600_000).unwrap_or(0);
    }
}

/// What moved the release's traffic, as a table names it.
fn driver(release: &Release) -> &'static str {
    match (&release.plan.driver, release.plan.driver.mover()) {
        (Driver::Alias(_), None) => "alias",
        (Driver::Alias(_), Some(_)) => "CodeDeploy, Lambda",
        (_, Some(Mover::CodeDeploy(_))) => "CodeDeploy, ECS",
        (_, Some(Mover::Ecs(_))) if release.can_wait() => "ECS, pausing",
        (_, Some(Mover::Ecs(_))) => "ECS",
        (_, None) => "model servers",
    }
}
