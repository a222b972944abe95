//! The promises that a state can break by itself: some always, some once nothing is under way.

use perch_app::ports::Route;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::{Target, WhileReleasing};

use super::rules::{Broken, heads, releases};
use super::state::State;
use crate::invariants;
use crate::store::Items;

/// What must hold of the table at every moment.
pub(super) fn broken_always(state: &State) -> Vec<Broken> {
    let found = invariants::broken_always(&state.world);
    found.into_iter().map(|what| Broken { promise: promise(&what), what }).collect()
}

/// The promise that the invariant stands for.
fn promise(what: &str) -> &'static str {
    match what {
        _ if what.contains("another ledger") => "P3",
        _ if what.contains("has fence") => "P2",
        _ if what.starts_with("journal") => "P10",
        _ => "P1",
    }
}

/// What must hold once nothing is under way.
pub(super) fn broken_at_rest(state: &State) -> Vec<Broken> {
    let mut found = Vec::new();
    if state.ghost.lost > 0 {
        // What was lost is for the next sweep to find.
        return Vec::new();
    }
    let releases = releases(&state.world);
    ends(&releases, &mut found);
    serves(state, &releases, &mut found);
    newest(state, &releases, &mut found);
    found.into_iter().map(|(promise, what)| Broken { promise, what }).collect()
}

/// P4: every release ended; nothing here makes traffic impossible to restore.
fn ends(releases: &[Release], found: &mut Vec<(&'static str, String)>) {
    for release in releases {
        match &release.phase {
            Phase::Stuck { why, .. } => {
                found.push(("P4", format!("{} is stuck: {why}", release.id)))
            }
            phase if !phase.is_final() => {
                found.push(("P4", format!("{} stays in {}", release.id, phase.name())));
            }
            _ => {}
        }
    }
}

/// P3, P5, P7: the alias serves what the newest release says, never a split, never a canary that
/// was condemned.
fn serves(state: &State, releases: &[Release], found: &mut Vec<(&'static str, String)>) {
    let targets = |items: &Items| items.targets.values().cloned().collect::<Vec<Target>>();
    for target in state.world.store.read(targets) {
        let Some(route) = state.world.serves(&target) else { continue };
        if route.split.is_some() && state.ghost.foreign.as_ref() != Some(&route) {
            found.push(("P4", format!("{route} is left")));
        }
        let of = |release: &&Release| release.target == target.name && release.ledger.is_some();
        let Some(newest) = releases.iter().filter(of).max_by_key(|release| release.fence) else {
            continue;
        };
        let promoted = matches!(newest.phase, Phase::Promoted);
        let baseline = newest.ledger.as_ref().map(|ledger| Route::all_on(&ledger.baseline));
        let canary = newest.canary.as_ref().map(Route::all_on);
        let wanted = if promoted { canary } else { baseline };
        let theirs = matches!(newest.phase, Phase::Superseded { by: None });
        if wanted.as_ref() != Some(&route)
            && !theirs
            && state.ghost.foreign.as_ref() != Some(&route)
        {
            let phase = newest.phase.name();
            found.push(("P5", format!("{} is {phase}, but {route} serves", newest.id)));
        }
        let condemned = |release: &&Release| state.ghost.condemned.contains(&release.id);
        for release in releases.iter().filter(condemned) {
            if release.canary.as_ref() == Some(&route.primary)
                && state.ghost.foreign.as_ref() != Some(&route)
            {
                found.push(("P7", format!("{route} serves, from {}", release.id)));
            }
        }
    }
}

/// P8: nothing waits for a turn that is free, and the newest artifact that came had its release,
/// unless a person stopped the line or chose to reject what comes while a release runs.
fn newest(state: &State, releases: &[Release], found: &mut Vec<(&'static str, String)>) {
    let rejects = |items: &Items| {
        let mut targets = items.targets.values();
        targets.any(|target| target.while_releasing == WhileReleasing::Reject)
    };
    let mut excused = state.ghost.left || state.world.store.read(rejects);
    for head in heads(&state.world) {
        excused |= head.stopped.is_some();
        if let Some(waiting) = head.waiting.filter(|_| head.stopped.is_none() && !state.ghost.left)
        {
            found.push(("P8", format!("{} waits for nothing", waiting.artifact)));
        }
    }
    let came = state.events.iter().filter(|(_, came)| *came || state.ghost.swept);
    let pushes = came.filter_map(|(event, _)| event.pushed());
    let Some(newest) = pushes.max_by_key(|push| push.pushed_at).filter(|_| !excused) else {
        return;
    };
    let later = |release: &Release| release.cause.pushed_at() > newest.pushed_at;
    let promoted = |release: &Release| matches!(release.phase, Phase::Promoted);
    if releases.iter().any(|release| later(release) && promoted(release)) {
        return;
    }
    let identity = newest.artifact.identity();
    let mut its = releases.iter().filter(|release| release.artifact.identity() == identity);
    let replaced = |release: &Release| matches!(release.phase, Phase::Superseded { by: Some(_) });
    if its.all(replaced) {
        found.push(("P8", format!("{} is the newest and had no release", newest.artifact)));
    }
}
