//! What must hold of a target and its releases. Each broken rule is a sentence; none is fine.

mod promises;

use std::collections::BTreeSet;

use perch_app::ports::Route;
use perch_core::names::{DeploymentId, TargetName};
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Target;
use perch_core::weight::Weight;

use crate::deployments::Made;
use crate::world::World;

pub use promises::{late, not_the_newest, twice_released, unproven, untested, untold};

/// The rules that hold at every moment, also while executions run.
pub fn broken_always(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    let releases: Vec<Release> = world.store.read(|i| i.releases.values().cloned().collect());
    for release in &releases {
        journal(world, release, &mut broken);
        holder(world, release, &mut broken);
        deployments(world, release, &mut broken);
    }
    for target in world.store.read(|items| items.targets.values().cloned().collect::<Vec<_>>()) {
        let of = |release: &&Release| release.target == target.name && !release.phase.is_over();
        if releases.iter().filter(of).count() > 1 {
            broken.push(format!("{} has more than one active release", target.name));
        }
    }
    broken
}

/// The rules that hold once nothing runs any more: also that every release ended, and that each
/// alias serves what the newest release that touched it says.
pub fn broken_at_rest(world: &World) -> Vec<String> {
    broken_at_rest_besides(world, &BTreeSet::new())
}

/// The same for a world where others moved the aliases of some targets: where those send their
/// traffic is not Perch's doing alone.
pub fn broken_at_rest_besides(world: &World, others: &BTreeSet<TargetName>) -> Vec<String> {
    let mut broken = broken_always(world);
    let releases: Vec<Release> = world.store.read(|i| i.releases.values().cloned().collect());
    for release in releases.iter().filter(|release| !release.phase.is_final()) {
        broken.push(format!("{} has not ended: {}", release.id, release.phase.name()));
    }
    let names: Vec<TargetName> = world.store.read(|items| items.targets.keys().cloned().collect());
    for name in names.into_iter().filter(|name| !others.contains(name)) {
        alias(world, &name, &releases, &mut broken);
    }
    broken
}

/// Routes that skip a step of the target's plan: a split goes up one step at a time, or to nothing.
/// For worlds whose alias only Perch moved, and without orders, which skip steps.
pub fn skipped_steps(world: &World, target: &Target) -> Vec<String> {
    let steps: Vec<Weight> = target.rollout.steps().iter().map(|step| step.weight).collect();
    let routes = world.lambda.routes(target.service.lambda.as_ref().unwrap());
    let place = |route: &Route| match &route.split {
        None => Some(0),
        Some((_, weight)) => steps.iter().position(|step| step == weight).map(|place| place + 1),
    };
    let fits = |before: &Route, after: &Route| match (place(before), place(after)) {
        (Some(before), Some(0)) => after.primary == routes[0].primary || before == steps.len(),
        (Some(earlier), Some(later)) => later == earlier + 1 && after.primary == before.primary,
        (None, _) | (_, None) => false,
    };
    let pairs = routes.windows(2).filter(|pair| pair[0] != pair[1] && !fits(&pair[0], &pair[1]));
    pairs.map(|pair| format!("{} was followed by {}", pair[0], pair[1])).collect()
}

/// Numbers without gaps or doubles, from 1 to the release's own.
fn journal(world: &World, release: &Release, broken: &mut Vec<String>) {
    let all = (release.id.clone(), 0)..=(release.id.clone(), u64::MAX);
    let found: Vec<u64> =
        world.store.read(|items| items.journal.range(all).map(|((_, seq), _)| *seq).collect());
    if !found.iter().copied().eq(1..=release.seq) {
        broken.push(format!("journal of {} is {found:?}, not 1 to {}", release.id, release.seq));
    }
    let ended = release.ended_at.is_some();
    if ended != release.phase.is_final() {
        broken.push(format!("{} in {} ended: {ended}", release.id, release.phase.name()));
    }
}

/// The head knows of a release what its record says.
fn holder(world: &World, release: &Release, broken: &mut Vec<String>) {
    let head = world.head(&release.target);
    let holds = head.active.as_ref() == Some(&release.id);
    let over = release.phase.is_over();
    if holds == over {
        broken.push(format!("{} in {} holds: {holds}", release.id, release.phase.name()));
    }
    if holds && head.exposed != release.is_guarded() {
        broken.push(format!("head of {} says exposed: {}", release.target, head.exposed));
    }
    if holds && head.ledger != release.ledger {
        broken.push(format!("head of {} has another ledger", release.target));
    }
    if release.fence > head.fence {
        broken.push(format!("{} has fence {}, its head {}", release.id, release.fence, head.fence));
    }
}

/// A release that is over has no deployment left that moves traffic, nor one that takes it back. That of a
/// promoted one may keep the former tasks.
fn deployments(world: &World, release: &Release, broken: &mut Vec<String>) {
    if !release.phase.is_over() {
        return;
    }
    let promoted = release.phase == Phase::Promoted;
    let runs: Vec<DeploymentId> = world.deployments.read(|known| {
        let own = |made: &&Made| made.release.as_ref() == Some(&release.id);
        let own: Vec<&Made> = known.made.iter().filter(own).collect();
        let back = |made: &&Made| own.iter().any(|own| own.rollback.as_ref() == Some(&made.id));
        let back = known.made.iter().filter(back).filter(|_| !promoted);
        let own = own.iter().copied().filter(|made| !promoted || !made.has_all_traffic());
        own.chain(back).filter(|made| !made.has_ended()).map(|made| made.id.clone()).collect()
    });
    let phase = release.phase.name();
    broken.extend(runs.iter().map(|id| format!("P2: {} ended {phase}, and {id} runs", release.id)));
}

/// The alias serves one version: the canary of the newest promoted release, else what was there.
fn alias(world: &World, name: &TargetName, releases: &[Release], broken: &mut Vec<String>) {
    let target = world.store.read(|items| items.targets[name].clone());
    let of = |release: &&Release| release.target == *name && release.ledger.is_some();
    let newest = releases.iter().filter(of).max_by_key(|release| release.fence);
    // Someone else's route, or one that a person has to put right.
    let unknown =
        |phase: &Phase| matches!(phase, Phase::Stuck { .. } | Phase::Superseded { by: None });
    let Some(newest) = newest.filter(|release| !unknown(&release.phase)) else {
        return;
    };
    let version = match newest.phase {
        Phase::Promoted => newest.canary.as_ref(),
        _ => newest.ledger.as_ref().map(|ledger| &ledger.baseline),
    };
    let Some(found) = world.serves(&target) else { return };
    if Some(&found) != version.map(Route::all_on).as_ref() {
        let phase = newest.phase.name();
        broken.push(format!("{} ended {phase}, but its target sends {found}", newest.id));
    }
}
