//! What the world does not remember, and what must hold of it after each call: who wrote an alias
//! under which fence, what was read back, and what was promised to whom.

use std::collections::{BTreeMap, BTreeSet};

use perch_app::ports::Route;
use perch_core::head::Fence;
use perch_core::journal::What;
use perch_core::names::{DeploymentId, ReleaseId, TargetName};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;
use perch_core::weight::Weight;

use super::driven::{continued, created};
use super::flight::{Event, Flight, Task};
use super::rules::{last_route, overwritten, past_a_stop, read_back, skips_a_step};
use super::script::Script;
use crate::invariants::{broken_always, untested};
use crate::world::World;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    /// Releases that must go back, and why.
    pub(super) doomed: BTreeMap<ReleaseId, String>,
    /// Releases that a person ordered to be promoted.
    pub(super) ordered: BTreeSet<ReleaseId>,
    /// Releases that a person ordered on, to the promotion or by a step.
    pub(super) pushed_on: BTreeSet<ReleaseId>,
    /// Targets whose alias or code someone else touched.
    pub(super) foreign: BTreeSet<TargetName>,
    /// Deployments that someone else stopped.
    pub(super) stopped: BTreeSet<DeploymentId>,
    /// Releases whose fence a rollback took before it could know of a person's order.
    replaced: BTreeSet<ReleaseId>,
    /// Releases as last written.
    releases: BTreeMap<ReleaseId, Release>,
    /// The fence of each target.
    fences: BTreeMap<TargetName, Fence>,
    /// The highest fence that each alias was written under.
    written: BTreeMap<TargetName, Fence>,
    /// How many routes each alias was given, and the last.
    pub(super) routes: BTreeMap<TargetName, (usize, Route)>,
    /// The targets whose alias is as someone else left it.
    pub(super) left: BTreeSet<TargetName>,
}

/// What a call changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Promises that it broke.
    pub(super) broken: Vec<String>,
    /// Releases whose journal grew, and the phase where it is another.
    pub(super) releases: Vec<(ReleaseId, Option<&'static str>)>,
    /// Whether an alias was written.
    pub(super) alias: bool,
}

impl Ghosts {
    /// The aliases as they are before the first call.
    pub(super) fn of(world: &World, script: &Script) -> Self {
        let mut ghosts = Self::default();
        for target in &script.targets {
            ghosts.routes.insert(target.name.clone(), last_route(world, target));
        }
        ghosts
    }

    /// Someone else moved the alias: nothing of it is Perch's doing.
    pub(super) fn moved_by_others(&mut self, world: &World, target: &Target) {
        self.routes.insert(target.name.clone(), last_route(world, target));
        self.foreign.insert(target.name.clone());
        self.left.insert(target.name.clone());
    }

    /// Whether the alias is as someone else left it.
    pub(super) fn is_left_by_others(&self, target: &TargetName) -> bool {
        self.left.contains(target)
    }

    /// What the call that this flight made has changed.
    pub(super) fn after(
        &mut self,
        call: &str,
        flight: &mut Flight,
        world: &World,
        script: &Script,
    ) -> Changes {
        let mut changes = Changes::default();
        match call {
            "alias" | "service" => flight.seen = seen(flight, world, script),
            "create_deployment" => created(flight, world, &mut changes.broken),
            "continue_deployment" => continued(flight, world, &mut changes.broken),
            "shift" => self.after_shift(flight, world, script, &mut changes),
            "take_fence" => self.after_take_fence(flight, world, &mut changes),
            "commit" | "plan" => self.after_commit(flight, world, &mut changes),
            _ => return changes,
        }
        if !["alias", "service"].contains(&call) {
            changes.broken.extend(broken_always(world));
        }
        changes
    }

    fn after_take_fence(&mut self, flight: &mut Flight, world: &World, changes: &mut Changes) {
        let heads = world.store.read(|items| {
            let heads = items.heads.values();
            heads
                .map(|h| (h.target.clone(), h.fence, h.active.clone(), h.ledger.clone()))
                .collect::<Vec<_>>()
        });
        for (target, fence, active, ledger) in heads {
            // A target that nothing was released to has a head too, under fence 0.
            let before = self.fences.insert(target, fence);
            if before.unwrap_or_default() == fence {
                continue;
            }
            flight.fence = Some(fence);
            if let (Some(release), false) = (&flight.release, flight.knew_an_order) {
                self.replaced.insert(release.clone());
            }
            if let (Task::Event(Event::Alarm(alarm), _), Some(active)) = (&flight.task, active) {
                if ledger.is_some_and(|ledger| ledger.taken_at > alarm.at) {
                    changes.broken.push(format!("{} is older than {active}", alarm.event));
                }
                self.doomed.insert(active, format!("{} took its fence", alarm.event));
            }
        }
    }

    fn after_shift(
        &mut self,
        flight: &mut Flight,
        world: &World,
        script: &Script,
        changes: &mut Changes,
    ) {
        for target in &script.targets {
            let (count, route) = last_route(world, target);
            let (known, before) = self.routes[&target.name].clone();
            if count == known {
                continue;
            }
            changes.alias = true;
            self.routes.insert(target.name.clone(), (count, route.clone()));
            flight.seen = Some(route.clone());
            if self.left.remove(&target.name) {
                overwritten(flight, world, target, &before, &mut changes.broken);
            }
            self.in_order(flight, target, &route, &mut changes.broken);
            if flight.is_step {
                self.step_wrote(flight, world, target, (&before, &route), &mut changes.broken);
            }
        }
    }

    /// P2: nobody writes the alias under an older fence than one it was written under before.
    fn in_order(
        &mut self,
        flight: &Flight,
        target: &Target,
        after: &Route,
        broken: &mut Vec<String>,
    ) {
        let fence = flight.fence.unwrap_or_default();
        let highest = self.written.entry(target.name.clone()).or_default();
        if *highest > fence {
            broken.push(format!(
                "P2: {} wrote {after} under fence {fence}, after a write under {highest}",
                flight.name
            ));
        }
        *highest = fence.max(*highest);
    }

    /// A release's own step moved the alias: P3 and P6.
    fn step_wrote(
        &self,
        flight: &Flight,
        world: &World,
        target: &Target,
        (before, after): (&Route, &Route),
        broken: &mut Vec<String>,
    ) {
        let id = flight.release.as_ref();
        let release = world.store.read(|items| id.and_then(|id| items.releases.get(id).cloned()));
        let Some(release) = release else {
            return;
        };
        let Some(ledger) = &release.ledger else {
            broken.push(format!("P3: {} wrote {after} without a ledger", flight.name));
            return;
        };
        if flight.is_held(world) && release.phase.weight() == Weight::ZERO {
            broken.push(format!("{} wrote {after} past a stop or a hold", flight.name));
        }
        let skips = skips_a_step(&release, &ledger.baseline, before, after);
        if skips && !self.ordered.contains(&release.id) && !self.foreign.contains(&target.name) {
            broken.push(format!("P6: {} wrote {after} after {before}", flight.name));
        }
        if let Some(why) = untested(world, &release) {
            broken.push(format!("P9: {} wrote {after}: {why}", flight.name));
        }
    }

    fn after_commit(&mut self, flight: &Flight, world: &World, changes: &mut Changes) {
        let written: Vec<Release> = world.store.read(|items| {
            let known = |release: &&Release| {
                self.releases.get(&release.id).is_none_or(|known| known.seq != release.seq)
            };
            items.releases.values().filter(known).cloned().collect()
        });
        for release in written {
            let known = self.releases.insert(release.id.clone(), release.clone());
            let before = known.as_ref().map(|known| known.phase.clone());
            self.fences.insert(release.target.clone(), world.head(&release.target).fence);
            let same = before.as_ref().map(Phase::name) == Some(release.phase.name());
            let phase = (!same).then(|| release.phase.name());
            changes.releases.push((release.id.clone(), phase));
            self.orders(&release, world);
            if flight.is_held(world) {
                past_a_stop(flight, &release, before.as_ref(), &mut changes.broken);
            }
            if !same {
                read_back(flight, &release, before.as_ref(), &mut changes.broken);
                self.goes_back(&release, known.as_ref(), &mut changes.broken);
            }
        }
    }

    /// Notes whether a person ordered the promotion, which skips steps.
    fn orders(&mut self, release: &Release, world: &World) {
        let last = (release.id.clone(), release.seq);
        let order = world.store.read(|items| {
            let entry = items.journal.get(&last).filter(|entry| entry.what == What::OrderGiven);
            entry.map(|entry| entry.cause.clone()).unwrap_or_default()
        });
        if order.starts_with("promote") {
            self.ordered.insert(release.id.clone());
        }
        if order.starts_with("promote") || order.starts_with("continue") {
            self.pushed_on.insert(release.id.clone());
        }
    }

    /// P7: what must go back, never gets anywhere else.
    fn goes_back(&mut self, release: &Release, known: Option<&Release>, broken: &mut Vec<String>) {
        if matches!(release.phase, Phase::RollingBack { .. }) {
            self.doomed.entry(release.id.clone()).or_insert("its rollback was decided".to_owned());
        }
        let replaced = matches!(release.phase, Phase::Superseded { by: Some(_) });
        let replaceable = |known: &Release| known.is_replaceable() || known.order.is_none();
        let decided = self.replaced.contains(&release.id);
        let ordered = release.cause.is_person() || !(decided || known.is_none_or(replaceable));
        if replaced && ordered {
            broken.push(format!("P7: {} was replaced, although a person wanted it", release.id));
        }
        if matches!(release.phase, Phase::Promoted)
            && let Some(why) = self.doomed.get(&release.id)
        {
            broken.push(format!("P7: {} was promoted, although {why}", release.id));
        }
    }
}

/// Where the traffic of the flight's target goes as it is read.
fn seen(flight: &Flight, world: &World, script: &Script) -> Option<Route> {
    let target = script.targets.iter().find(|t| Some(&t.name) == flight.target.as_ref())?;
    world.serves(target)
}
