//! What must hold of traffic that a deployment moves: nobody of Perch's makes that call, so it is the
//! asking that counts, and where the traffic goes.

use std::collections::BTreeMap;

use perch_app::ports::Route;
use perch_core::deployment::Purpose;
use perch_core::names::{DeploymentId, ReleaseId};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;
use perch_core::weight::Weight;

use super::flight::Flight;
use super::ghosts::Ghosts;
use super::rules::{last_route, skips_a_step};
use super::script::Script;
use crate::deployments::Made;
use crate::invariants::untested;
use crate::world::World;

/// A release's step has asked for a deployment: P3, and nothing goes up past a person.
pub(super) fn created(flight: &Flight, world: &World, broken: &mut Vec<String>) {
    let id = flight.release.as_ref().filter(|_| flight.is_step);
    let release = world.store.read(|items| id.and_then(|id| items.releases.get(id).cloned()));
    let Some(release) = release else { return };
    if release.ledger.is_none() {
        broken.push(format!("P3: {} asked for a deployment without a ledger", flight.name));
    }
    let made = world.deployments.read(|known| {
        known.made.last().is_some_and(|made| {
            made.release.as_ref() == Some(&release.id) && made.started() == known.now()
        })
    });
    if made && flight.is_held(world) {
        broken.push(format!("{} asked for a deployment past a stop or a hold", flight.name));
    }
}

/// A release's step has had a deployment go on: only where it waits for more traffic, and no person keeps it
/// from its first.
pub(super) fn continued(flight: &Flight, world: &World, broken: &mut Vec<String>) {
    let id = flight.release.as_ref().filter(|_| flight.is_step);
    let release = world.store.read(|items| id.and_then(|id| items.releases.get(id).cloned()));
    let Some(release) = release else { return };
    if !world.deployments.read(|known| known.continued) {
        return;
    }
    if matches!(release.phase, Phase::Pending | Phase::Preparing | Phase::Baking { .. }) {
        let (name, phase) = (&flight.name, release.phase.name());
        broken.push(format!("P9: {name} had a deployment go on in phase {phase}"));
    }
    if flight.is_held(world) && release.weight() == Weight::ZERO {
        broken.push(format!("{} had a deployment go on past a stop or a hold", flight.name));
    }
}

impl Ghosts {
    /// What the deployments have moved just now: the promises that it breaks.
    pub(super) fn driven(
        &mut self,
        world: &World,
        script: &Script,
        moved: &[DeploymentId],
    ) -> Vec<String> {
        let mut broken = Vec::new();
        let made = world.deployments.read(|known| known.made.clone());
        for made_now in made.iter().filter(|made| moved.contains(&made.id)) {
            let Some(target) = script.targets.iter().find(|target| made_now.is_of(target)) else {
                continue;
            };
            let (count, after) = last_route(world, target);
            let before = self.routes.insert(target.name.clone(), (count, after.clone()));
            let before = before.map_or_else(|| after.clone(), |(_, before)| before);
            let origin = made.iter().find(|made| made.rollback.as_ref() == Some(&made_now.id));
            let owner = origin.unwrap_or(made_now).release.clone();
            let owner = owner.map(|id| world.release(&id));
            let text = format!("{} moved {} to {after}", made_now.id, target.name);
            if owner.is_some() {
                self.left.remove(&target.name);
            }
            match owner {
                None => {
                    self.foreign.insert(target.name.clone());
                    self.left.insert(target.name.clone());
                }
                Some(release) if made_now.is_rollback() => {
                    let by_others = origin.is_some_and(|made| self.stopped.contains(&made.id));
                    if release.phase == Phase::Promoted && by_others {
                        self.foreign.insert(target.name.clone());
                    } else if release.phase == Phase::Promoted {
                        broken.push(format!("P7: {text}, after {} was promoted", release.id));
                    }
                }
                Some(release) if made_now.purpose == Purpose::Canary => {
                    self.goes_up(world, target, &release, (&before, &after), &text, &mut broken);
                }
                Some(_) => {}
            }
        }
        broken
    }

    /// A release's deployment gave its canary more traffic.
    fn goes_up(
        &self,
        world: &World,
        target: &Target,
        release: &Release,
        (before, after): (&Route, &Route),
        text: &str,
        broken: &mut Vec<String>,
    ) {
        let Some(ledger) = &release.ledger else {
            broken.push(format!("P3: {text} without a ledger"));
            return;
        };
        if release.phase.is_over() && release.phase != Phase::Promoted {
            let phase = release.phase.name();
            broken.push(format!("P2: {text}, when {} was {phase}", release.id));
        }
        if release.can_wait() && matches!(release.phase, Phase::Baking { .. }) {
            broken.push(format!("P9: {text}, while the judge had not decided"));
        }
        if let Some(why) = untested(world, release) {
            broken.push(format!("P9: {text}: {why}"));
        }
        // While it goes back, Perch moves an alias too.
        let is_up = !matches!(release.phase, Phase::RollingBack { .. } | Phase::Stuck { .. });
        let holds = world.head(&target.name).fence == release.fence;
        let skips = skips_a_step(release, &ledger.baseline, before, after);
        if is_up && holds && skips && !self.foreign.contains(&target.name) {
            broken.push(format!("P6: {text} after {before}"));
        }
    }
}

/// The deployments at rest: none runs, and a release has one of a kind at most.
pub(super) fn deployed_at_rest(world: &World) -> Vec<String> {
    let made: Vec<Made> = world.deployments.read(|known| known.made.clone());
    let mut broken = Vec::new();
    let mut own: BTreeMap<(ReleaseId, &str), usize> = BTreeMap::new();
    for made in &made {
        if !made.has_ended() {
            broken.push(format!("P4: {} still runs", made.id));
        }
        let purpose = match made.purpose {
            Purpose::Canary => "up",
            Purpose::WayBack => "back",
        };
        if let Some(release) = &made.release {
            *own.entry((release.clone(), purpose)).or_default() += 1;
        }
    }
    let twice = own.into_iter().filter(|(_, count)| *count > 1);
    broken.extend(twice.map(|((release, purpose), count)| {
        format!("P8: {release} has {count} deployments {purpose}")
    }));
    broken
}
