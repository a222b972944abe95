//! What a state does with deployments that move traffic by themselves: their moves, their hooks, and the
//! time-out of a step that might still ask for one.

use std::sync::Arc;

use jiff::Timestamp;
use perch_app::deployment::hook::Hook;
use perch_app::deployment::stage::Stage;
use perch_core::names::{DeploymentId, ReleaseId, Version};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::EcsService;
use perch_core::weight::Weight;

use super::action::Action;
use super::driven;
use super::event::Event;
use super::state::State;
use super::task::{Task, Work};
use crate::deployments::{Hooked, Made};
use crate::machines::State as MachineState;
use crate::mutation::Mutation;
use crate::services::Cluster;
use crate::world::World;

/// The places of hooks among events: after all that a scenario has.
const HOOKS: usize = 1000;

/// The stage at which ECS asks.
const STAGE: &str = "POST_TEST_TRAFFIC_SHIFT";

/// Calls that a deployment's move makes a difference to, or that make one to it. A move after any other
/// call is the same as one before it: then it is made there, where the checks see more.
const MET: [&str; 10] = [
    "alias",
    "shift",
    "service",
    "deployment",
    "find_deployment",
    "newest_deployment",
    "deployment_under_way",
    "create_deployment",
    "stop_deployment",
    "answer_hook",
];

pub(super) fn meets_moves(call: &str) -> bool {
    MET.contains(&call)
}

impl State {
    /// The moves that deployments can make.
    pub(super) fn moves(&self, actions: &mut Vec<Action>) {
        let service = self.world.deployments.share();
        let made = service.made.iter().enumerate();
        actions.extend(
            made.filter(|(place, made)| {
                (self.moves_differ && made.can_move()) || self.waits_in_vain(*place, made)
            })
            .map(|(place, _)| Action::Move(place)),
        );
    }

    /// Whether its hook was asked, and nobody is left to answer.
    fn waits_in_vain(&self, place: usize, made: &Made) -> bool {
        let answers = |task: &Arc<Task>| matches!(task.work, Work::Event { place: of, .. } if of == HOOKS + place);
        made.hook == Hooked::Asked && !made.has_ended() && !self.tasks.iter().any(answers)
    }

    /// Whether every deployment has ended.
    pub(super) fn deployments_are_over(&self) -> bool {
        self.world.deployments.share().made.iter().all(Made::has_ended)
    }

    /// The deployment at this place moves on.
    pub(super) fn move_on(&mut self, place: usize) {
        self.time_out_before(place);
        let world = self.world.fork();
        world.deployments.move_on(place, (&world.lambda, &world.services));
        let found = driven::moved(self, &world, place);
        self.broken.extend(found);
        self.prints = self.prints.next(&self.world, &world);
        self.world = Arc::new(world);
    }

    pub(super) fn move_in_words(&self, place: usize) -> String {
        let made = self.world.deployments.share().made[place].clone();
        let world = self.world.fork();
        world.deployments.move_on(place, (&world.lambda, &world.services));
        let serves = driven::serves(&world).map_or("nothing".to_owned(), |route| route.to_string());
        format!("{} towards {}: {serves}", made.id, made.to())
    }

    /// A rollback that found its deployment under way looks again once one has moved: before that it would
    /// find the same. One that waits for steps under way goes on.
    pub(super) fn waits_for_moves(&self, task: &mut Task, then: Timestamp) {
        let Work::Execution(execution) = &task.work else { return };
        let release = execution.release().map(|id| self.world.release(&id));
        let deployment = release.and_then(|release| release.deployment);
        let settles = deployment
            .is_some_and(|it| it.id.is_none() && it.settles_at.is_some_and(|end| then < end));
        if !settles && !execution.tries_again() {
            task.found = Some(self.prints.driven());
        }
    }

    /// Hooks of deployments that a call made are asked.
    pub(super) fn ask_hooks(&mut self, known: usize, now: Timestamp) {
        let made = self.world.deployments.share();
        let asked = made.made.iter().enumerate().skip(known);
        for (place, made) in asked.filter(|(_, made)| made.hook == Hooked::Asked) {
            let event = Arc::new(asking(&made.id, made.native()));
            self.tasks.push(Task { now, ..Task::event(&event, HOOKS + place) }.seal());
        }
    }

    /// Functions end by their time-out where the task at this place has waited longer than they run: tries
    /// of its own execution, and the steps that might ask for a deployment where its rollback takes it that
    /// none can (`perch_app::deployment::unwind`). Its place from now on.
    pub(super) fn time_out_others(&mut self, place: usize) -> usize {
        let task = self.tasks[place].clone();
        if let Work::Execution(of) = &task.work
            && task.waited
            && task.answers.is_empty()
            && !self.world.deployments.share().made.is_empty()
        {
            let is_try =
                |other: &Task| matches!(&other.work, Work::Execution(it) if it.name == of.name);
            self.time_out(|other| other.orphan && is_try(other));
        }
        let place = self.tasks.iter().position(|other| Arc::ptr_eq(other, &task)).unwrap_or(place);
        let Some(release) = settled(&self.world, &task) else { return place };
        self.time_out(|other| match &other.work {
            Work::Execution(execution) => {
                let of = execution.release();
                matches!(execution.state, MachineState::Follow(_)) && of.as_ref() == Some(&release)
            }
            Work::Event { .. } => false,
        });
        self.tasks.iter().position(|other| Arc::ptr_eq(other, &task)).unwrap_or(place)
    }

    /// The moves of a schedule are a minute or more apart, and a step's function ends after 30 s: one that
    /// ran at the first move of a deployment has ended at the second.
    fn time_out_before(&mut self, place: usize) {
        let reached = self.world.deployments.share().made[place].reached();
        if reached == Weight::ZERO {
            for task in &mut self.tasks {
                if is_step(task) && !task.answers.is_empty() {
                    *task = Task { ran_at: Some(place), ..(**task).clone() }.seal();
                }
            }
        } else if reached < Weight::FULL {
            self.time_out(|task| task.ran_at == Some(place));
        }
    }

    /// Ends the functions that run for these.
    fn time_out(&mut self, of: impl Fn(&Task) -> bool) {
        if self.world.deployments.share().mutation == Some(Mutation::NoTimeOut) {
            return;
        }
        let runs = |task: &Arc<Task>| !task.answers.is_empty() && of(task);
        while let Some(place) = self.tasks.iter().position(runs) {
            let mut ended = (*self.tasks[place]).clone();
            let after = ended.dies();
            self.go_on(place, ended, after);
        }
    }
}

/// Whether it is a step of a state machine.
fn is_step(task: &Task) -> bool {
    matches!(task.work, Work::Execution(_))
}

/// Whether it answers a hook.
pub(super) fn is_hook(task: &Task) -> bool {
    matches!(task.work, Work::Event { place, .. } if place >= HOOKS)
}

fn asking(deployment: &DeploymentId, native: Option<&EcsService>) -> Event {
    let deployment = deployment.clone();
    match native {
        Some(_) => Event::Stage(Stage { deployment, name: STAGE.to_owned() }),
        None => Event::Hook(Hook { execution: format!("hook-of-{deployment}"), deployment }),
    }
}

/// The release whose rollback has waited for steps that were under way, where this is the task that did.
fn settled(world: &World, task: &Task) -> Option<ReleaseId> {
    let Work::Execution(execution) = &task.work else { return None };
    let MachineState::StopDeployment(step) = &execution.state else { return None };
    let release = world.release(&step.release_id);
    let settles_at = release.deployment?.settles_at?;
    (task.now >= settles_at).then_some(release.id)
}

/// A service as it looks where nobody reads it back: with all traffic where the release wants it.
pub(super) fn not_read_back(world: &World, task: &Task) -> Option<Cluster> {
    if world.deployments.share().mutation != Some(Mutation::ReadBackGone) {
        return None;
    }
    let Work::Execution(execution) = &task.work else { return None };
    let release: Release = world.release(&execution.release()?);
    let (Phase::Promoting { .. }, Some(service)) = (&release.phase, release.plan.driver.service())
    else {
        return None;
    };
    let known = world.services.read(Clone::clone);
    let (baseline, canary): (&Version, Version) =
        (&release.ledger.as_ref()?.baseline, release.canary.clone()?);
    world.services.change(service, |running| running.send(baseline, &canary, Weight::FULL));
    Some(known)
}

/// The releases of the world that are over and whose deployment may still move traffic.
pub(super) fn left_moving(world: &World) -> Vec<(ReleaseId, DeploymentId)> {
    let service = world.deployments.share();
    let moving: Vec<&Made> = service.made.iter().filter(|made| made.still_moves()).collect();
    if moving.is_empty() {
        return Vec::new();
    }
    let stuck = |release: &Release| matches!(release.phase, Phase::Stuck { .. });
    let owners =
        moving.iter().filter_map(|made| Some((driven::owner(&service.made, made)?, *made)));
    let items = world.store.share();
    let is_over = |id: &ReleaseId| {
        let release = items.releases.get(id);
        release.is_some_and(|release| release.phase.is_final() && !stuck(release))
    };
    let left = owners.filter(|(release, _)| is_over(release));
    left.map(|(release, made)| (release.clone(), made.id.clone())).collect()
}
