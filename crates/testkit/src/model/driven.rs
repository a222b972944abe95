//! The promises that a deployment's move can break: nobody of Perch's makes it, so it is the asking that
//! counts, and where the traffic goes.

use std::collections::BTreeMap;

use perch_app::ports::Route;
use perch_core::deployment::Purpose;
use perch_core::names::ReleaseId;
use perch_core::phase::Phase;
use perch_core::release::Release;

use super::deployments::left_moving;
use super::rules::{Broken, fits};
use super::state::State;
use crate::deployments::Made;
use crate::invariants::untested;
use crate::world::World;

/// Where the traffic of the only target goes.
pub(super) fn serves(world: &World) -> Option<Route> {
    let target = world.store.read(|items| items.targets.values().next().cloned());
    world.serves(&target?)
}

/// The release that a deployment works for: its own, or that of the one which it takes back.
pub(super) fn owner<'a>(all: &'a [Made], made: &Made) -> Option<&'a ReleaseId> {
    let taken_back = |origin: &&Made| origin.rollback.as_ref() == Some(&made.id);
    let known = all.iter().find(taken_back).or_else(|| all.iter().find(|own| own.id == made.id));
    known.and_then(|made| made.release.as_ref())
}

/// A deployment moved on, from the state's world to `after`.
pub(super) fn moved(state: &State, after: &World, place: usize) -> Vec<Broken> {
    let service = after.deployments.share();
    let made = &service.made[place];
    let (was, is) = (serves(&state.world), serves(after));
    let (Some(was), Some(is), Some(id)) = (was, is, owner(&service.made, made)) else {
        return Vec::new();
    };
    if was == is {
        return Vec::new();
    }
    let release = after.release(id);
    let text = format!("{} moved the traffic to {is}", made.id);
    let mut found = Vec::new();
    if made.is_rollback() {
        if release.phase == Phase::Promoted && state.ghost.foreign.is_none() {
            found.push(("P7", format!("{text}, after {id} was promoted")));
        }
    } else if made.purpose == Purpose::Canary {
        goes_up(after, &release, (&was, &is), &text, &mut found);
        // From where someone else put the traffic no step leads on.
        found.retain(|(promise, _)| *promise != "P6" || state.ghost.foreign.is_none());
    }
    found.into_iter().map(|(promise, what)| Broken { promise, what }).collect()
}

/// A release's deployment gave its canary more traffic.
fn goes_up(
    world: &World,
    release: &Release,
    (was, is): (&Route, &Route),
    text: &str,
    found: &mut Vec<(&'static str, String)>,
) {
    if release.ledger.is_none() {
        found.push(("P3", format!("{text} without a ledger")));
    }
    if release.phase.is_over() && release.phase != Phase::Promoted {
        found.push(("P2", format!("{text}, when {} was {}", release.id, release.phase.name())));
    }
    if let Some(why) = untested(world, release) {
        found.push(("P9", format!("{text}: {why}")));
    }
    // While it goes back, Perch moves an alias too.
    let goes_back = matches!(release.phase, Phase::RollingBack { .. } | Phase::Stuck { .. });
    let holds = world.head(&release.target).fence == release.fence;
    if holds && !goes_back && !fits(release, was, is) {
        found.push(("P6", format!("{text} after {was}")));
    }
}

/// A deployment was asked for: the ledger is there, and a release has one of a kind.
pub(super) fn created(before: &World, after: &World) -> Vec<(&'static str, String)> {
    let (known, service) = (before.deployments.share().made.len(), after.deployments.share());
    let mut found = Vec::new();
    for made in service.made.iter().skip(known) {
        let Some(id) = &made.release else { continue };
        let release = after.release(id);
        if release.ledger.is_none() {
            found.push(("P3", format!("{} was asked for without a ledger", made.id)));
        }
        if release.phase.is_over() {
            let phase = release.phase.name();
            found.push(("P2", format!("{} was asked for when {id} was {phase}", made.id)));
        }
        let head = after.head(&release.target);
        if head.active.as_ref() == Some(id) && head.ledger != release.ledger {
            found.push(("P3", format!("{} was asked for before the head had the ledger", made.id)));
        }
    }
    let mut kinds: BTreeMap<(ReleaseId, &str), usize> = BTreeMap::new();
    for made in &service.made {
        let way = if made.purpose == Purpose::Canary { "up" } else { "back" };
        if let Some(id) = &made.release {
            *kinds.entry((id.clone(), way)).or_default() += 1;
        }
    }
    let twice = kinds.into_iter().filter(|(_, count)| *count > 1);
    found.extend(twice.map(|((id, way), count)| ("P8", format!("{id} has {count} ways {way}"))));
    found
}

/// P4: a release that ended leaves no deployment of its own moving traffic.
pub(super) fn broken_always(state: &State) -> Vec<Broken> {
    // A promoted release whose deployment someone else stops goes back by their will.
    let by_others = |id: &ReleaseId| {
        state.ghost.foreign.is_some() && state.world.release(id).phase == Phase::Promoted
    };
    left_moving(&state.world)
        .into_iter()
        .filter(|(release, _)| !by_others(release))
        .map(|(release, deployment)| {
            let phase = state.world.release(&release).phase.name();
            let what = format!("{release} is {phase}, and its {deployment} still moves traffic");
            Broken { promise: "P4", what }
        })
        .collect()
}
