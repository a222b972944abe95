//! Deployments that move traffic by themselves: time passes for them, their hooks are asked, events tell
//! of their ends, and others stop them or make their own.

use std::collections::BTreeSet;

use perch_app::deployment::changed::Changed;
use perch_app::deployment::hook::Hook;
use perch_app::deployment::stage::{Answer, Stage};
use perch_core::deployment::Schedule;
use perch_core::names::{DeploymentId, TargetName, Version};
use perch_core::target::Target;

use super::flight::{Event, Task};
use super::script::Foreign;
use super::{Entry, Sim, truth};
use crate::deployments::Made;

/// Milliseconds between two looks at deployments that run.
const LOOK: i64 = 5000;

/// Milliseconds before ECS asks again where the answer was that it is in progress (`callBackDelay` of
/// the hook's answer).
const AGAIN: i64 = 30_000;

/// The stage at which ECS asks.
const STAGE: &str = "POST_TEST_TRAFFIC_SHIFT";

/// What was done for the deployments so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    looks: bool,
    asked: BTreeSet<DeploymentId>,
    told: BTreeSet<DeploymentId>,
}

impl Sim<'_> {
    /// Time has passed for the deployments too.
    pub(super) fn pass(&mut self) {
        let now = self.time();
        let moved = self.world.deployments.pass((&self.world.lambda, &self.world.services), now);
        if moved.is_empty() {
            return;
        }
        for id in &moved {
            self.note(|| format!("{id} moves traffic"));
        }
        for broken in self.ghosts.driven(&self.world, &self.script, &moved) {
            self.breaks(broken);
        }
        self.traffic_moved();
    }

    /// Asks hooks, tells of ends, and sees to it that time goes on for those that run.
    pub(super) fn see_to_deployments(&mut self) {
        let (asked, over, runs) = self.world.deployments.read(|known| {
            let asked = known.asked().filter(|made| !self.deployments.asked.contains(&made.id));
            let over = known.made.iter().filter(|made| made.has_ended());
            let over = over.filter(|made| !self.deployments.told.contains(&made.id));
            let runs = known.made.iter().any(|made| !made.has_ended());
            (asked.cloned().collect::<Vec<Made>>(), over.cloned().collect::<Vec<Made>>(), runs)
        });
        for made in asked {
            self.deployments.asked.insert(made.id.clone());
            self.ask(&made);
        }
        for made in over {
            self.deployments.told.insert(made.id.clone());
            self.note(|| format!("{} is over: {:?}", made.id, made.progress));
            let changed = match made.native() {
                Some(service) => Changed::Service(service.clone()),
                None => Changed::Deployment(made.id),
            };
            let delays = self.event_delays();
            self.deliver(&Event::Changed(changed), &delays);
        }
        if runs && !self.deployments.looks {
            self.deployments.looks = true;
            self.put(LOOK, Entry::Deployments);
        }
    }

    pub(super) fn looked_at_deployments(&mut self) {
        self.deployments.looks = false;
    }

    fn ask(&mut self, made: &Made) {
        let mut delays = vec![self.dice.between(200, 3000)];
        // Lambda runs an asynchronous call at least once.
        if self.stormy() && self.dice.once_in(6) {
            delays.push(self.dice.between(200, 60_000));
        }
        let deployment = made.id.clone();
        let event = match made.native() {
            Some(_) => Event::Stage(Stage { deployment, name: STAGE.to_owned() }),
            None => Event::Hook(Hook { execution: format!("hook-of-{deployment}"), deployment }),
        };
        self.deliver(&event, &delays);
    }

    /// ECS has the answer of a stage; none counts as a no.
    pub(super) fn stage_answered(&mut self, stage: Stage, answer: Option<Answer>) {
        self.note(|| format!("{} is answered {answer:?}", stage.deployment));
        let id = &stage.deployment;
        match answer {
            Some(Answer::Succeeded) => self.world.deployments.change(|known| known.pass_hook(id)),
            Some(Answer::InProgress) => {
                self.put(AGAIN, Entry::Invoke(Task::Event(Event::Stage(stage), 0)));
            }
            Some(Answer::Failed) | None => {
                self.world.deployments.change(|known| known.fail_hook(id));
            }
        }
    }

    /// Someone else stops what runs for the target.
    pub(super) fn stop_deployment(&mut self, name: &TargetName) {
        let Some(target) = self.target(name) else { return };
        let running = self.world.deployments.read(|known| {
            let of = |made: &&Made| !made.has_ended() && !made.is_rollback() && made.is_of(&target);
            known.made.iter().find(of).map(|made| made.id.clone())
        });
        let Some(id) = running else { return };
        self.ghosts.stopped.insert(id.clone());
        let why = format!("deployment {id} was stopped by kim");
        self.world.deployments.change(|known| known.stop(&id, &why));
    }

    /// Someone else makes a deployment, where none runs.
    pub(super) fn deploy_by_others(&mut self, target: &Target, to: Foreign) {
        let number = |number: usize| -> Version { number.to_string().parse().expect("a version") };
        let newest = number(truth::codes(&self.world, target).len());
        let (to, schedule) = match to {
            Foreign::First => (number(1), Schedule::AllAtOnce),
            Foreign::Newest => (newest, Schedule::AllAtOnce),
            Foreign::Split(percent) => (newest, Schedule::Canary { percent, minutes: 3 }),
        };
        let serves = truth::serves(&self.world, target);
        if serves.split.is_some() || serves.primary == to {
            return;
        }
        let way = (&serves.primary, &to);
        let made = self.world.deployments.change(|known| known.deploy(target, way, schedule));
        self.note(|| format!("others deploy {to} for {}: {made}", target.name));
    }
}
