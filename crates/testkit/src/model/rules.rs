//! The promises that a call can break, checked when it takes effect.

use std::collections::{BTreeMap, BTreeSet};

use perch_app::ports::Route;
use perch_core::head::{Fence, Head};
use perch_core::judge::Outcome;
use perch_core::names::ReleaseId;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::target::Lambda;
use perch_core::weight::Weight;

use super::driven;
use super::state::State;
use super::task::{Task, Work};
use crate::invariants::untested;
use crate::machines::State as MachineState;
use crate::world::World;

/// A promise of the design that does not hold, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its number: `P1` to `P10`.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

/// What the promises are about and the world does not keep.
#[derive(Debug, Clone, Default)]
pub(super) struct Ghost {
    /// Releases that a rollback, an alarm or a Fail took the target from.
    pub(super) condemned: BTreeSet<ReleaseId>,
    /// The highest fence under which the alias was written.
    pub(super) written: Fence,
    /// Releases that were made of each artifact, less those after which it is open again.
    pub(super) effects: BTreeMap<String, usize>,
    /// Events and executions that were lost since the sweep.
    pub(super) lost: u8,
    /// An artifact may wait until the sweep finds it.
    pub(super) left: bool,
    /// The sweep looked at what had come to rest.
    pub(super) swept: bool,
    /// Where someone else moved the alias.
    pub(super) foreign: Option<Route>,
}

/// Looks at a call of `task` that led from the state's world to `after`.
pub(super) fn observe(state: &mut State, after: &World, task: &mut Task, name: &'static str) {
    let before = state.world.clone();
    let rules = Rules { before: &before, after };
    let found = match name {
        "alias" | "service" => {
            task.read = task.answers.last().is_some().then(|| driven::serves(after)).flatten();
            Vec::new()
        }
        "create_deployment" => driven::created(&before, after),
        "shift" => rules.alias_written(&mut state.ghost, task),
        "take_fence" => rules.fence_taken(&mut state.ghost, task),
        "commit" => rules.committed(&mut state.ghost, task),
        "plan" => rules.planned(&mut state.ghost),
        _ => Vec::new(),
    };
    let broken = found.into_iter().map(|(promise, what)| Broken { promise, what });
    state.broken.extend(broken);
}

type Found = Vec<(&'static str, String)>;

struct Rules<'a> {
    before: &'a World,
    after: &'a World,
}

impl Rules<'_> {
    fn alias_written(&self, ghost: &mut Ghost, task: &mut Task) -> Found {
        let mut found = Vec::new();
        let Some((lambda, before, after)) = self.moved() else {
            return found;
        };
        task.read = None;
        if ghost.foreign.as_ref() == Some(&before) && before != after && !self.is_baseline(&before)
        {
            found.push(("P7", format!("{before} was someone's decision, and {after} was written")));
        }
        let Some(fence) = task.fence else {
            return vec![("P2", format!("{after} was written without a fence"))];
        };
        if fence < ghost.written {
            let later = ghost.written;
            found.push(("P2", format!("fence {fence} wrote {after} after fence {later} wrote")));
        }
        ghost.written = ghost.written.max(fence);
        let Work::Execution(execution) = &task.work else {
            return found;
        };
        let (MachineState::Shift(step) | MachineState::Promote(step)) = &execution.state else {
            return found;
        };
        let release = self.after.release(&step.release_id);
        let head = self.after.head(&release.target);
        if release.ledger.is_none() {
            found.push(("P3", format!("{after} was written without a ledger")));
        }
        if head.active.as_ref() == Some(&release.id) && head.ledger != release.ledger {
            found.push(("P3", format!("{after} was written before the head had the ledger")));
        }
        if release.plan.driver.alias() == Some(&lambda) && !fits(&release, &before, &after) {
            found.push(("P6", format!("{before} was followed by {after}")));
        }
        if let Some(why) = untested(self.after, &release) {
            found.push(("P9", format!("{after} was written: {why}")));
        }
        found
    }

    fn fence_taken(&self, ghost: &mut Ghost, task: &mut Task) -> Found {
        for head in heads(self.after) {
            if self.head_before(&head).is_some_and(|before| before.fence != head.fence) {
                task.fence = Some(head.fence);
                ghost.condemned.extend(head.active);
            }
        }
        Vec::new()
    }

    fn committed(&self, ghost: &mut Ghost, task: &Task) -> Found {
        let mut found = Vec::new();
        for release in releases(self.after) {
            let Some(before) = releases(self.before).into_iter().find(|r| r.id == release.id)
            else {
                continue;
            };
            if before == release {
                continue;
            }
            let fence = self.before.head(&release.target).fence;
            if release.fence != fence {
                let (written, phase) = (release.fence, release.phase.name());
                found.push(("P2", format!("{phase} was written under {written}, not {fence}")));
            }
            found.extend(self.phase_entered(ghost, task, &before, &release));
        }
        found
    }

    fn phase_entered(
        &self,
        ghost: &mut Ghost,
        task: &Task,
        before: &Release,
        release: &Release,
    ) -> Found {
        let mut found = Vec::new();
        let verdict = release.verdict.as_ref().map(|verdict| verdict.outcome);
        if before.verdict != release.verdict && verdict == Some(Outcome::Fail) {
            ghost.condemned.insert(release.id.clone());
        }
        if before.phase.name() == release.phase.name() {
            return found;
        }
        let condemned = ghost.condemned.contains(&release.id);
        let read = |wanted: Option<Route>| wanted.is_some() && task.read == wanted;
        let canary = release.canary.as_ref().map(Route::all_on);
        let baseline = release.ledger.as_ref().map(|ledger| Route::all_on(&ledger.baseline));
        match &release.phase {
            Phase::Preparing => {
                let good = self.verified(ghost);
                let ledger = release.ledger.as_ref();
                if !ledger.is_some_and(|ledger| good.contains(ledger.baseline.as_str())) {
                    found.push(("P3", format!("{ledger:?} is not one of {good:?}")));
                }
            }
            Phase::Promoting { .. } => {
                let passed = verdict == Some(Outcome::Pass) || release.plan.steps.is_empty();
                if !passed && release.order.is_none() {
                    found.push(("P9", format!("promoted on {verdict:?}")));
                }
            }
            Phase::Watching { .. } if !read(canary) => {
                found.push(("P5", format!("promoted, but {:?} was read", task.read)));
            }
            Phase::RolledBack { .. } if before.phase.is_exposed() && !read(baseline) => {
                found.push(("P5", format!("rolled back, but {:?} was read", task.read)));
            }
            Phase::Promoted if condemned => {
                found.push(("P7", format!("{} was promoted all the same", release.id)));
            }
            _ => {}
        }
        if let Phase::Promoting { .. } = release.phase {
            found.extend(self.overtaken(release));
        }
        found
    }

    /// The artifact is older than one that was promoted.
    fn overtaken(&self, release: &Release) -> Option<(&'static str, String)> {
        let pushed = release.cause.pushed_at();
        let newer = releases(self.before).into_iter().find(|other| {
            other.target == release.target
                && matches!(other.phase, Phase::Promoted)
                && other.cause.pushed_at() > pushed
        });
        newer.map(|newer| ("P8", format!("{} is promoted after newer {}", release.id, newer.id)))
    }

    fn planned(&self, ghost: &mut Ghost) -> Found {
        let mut found = Vec::new();
        for release in releases(self.after) {
            let known = self.before.store.read(|items| items.releases.get(&release.id).cloned());
            if known.as_ref() == Some(&release) {
                continue;
            }
            let identity = release.artifact.identity();
            let open = |other: &Release| {
                let open = matches!(other.phase, Phase::Rejected { .. } | Phase::Superseded { .. });
                other.artifact.identity() == identity && open
            };
            let ended = releases(self.before).iter().filter(|other| open(other)).count();
            let made = ghost.effects.entry(identity).or_default();
            *made += 1;
            if *made > ended + 1 {
                found.push(("P8", format!("{} has a second release", release.artifact)));
            }
        }
        found
    }

    /// Versions that served as a whole: the first, and the canaries that were promoted.
    fn verified(&self, ghost: &Ghost) -> BTreeSet<String> {
        let promoted = releases(self.before).into_iter();
        let promoted = promoted.filter(|release| matches!(release.phase, Phase::Promoted));
        let canaries = promoted.filter_map(|release| release.canary);
        // What someone else set is theirs to verify.
        let theirs = ghost.foreign.iter().map(|route| route.primary.to_string());
        let first = std::iter::once("1".to_owned()).chain(theirs);
        canaries.map(|version| version.to_string()).chain(first).collect()
    }

    /// Whether a release took this as its way back.
    fn is_baseline(&self, route: &Route) -> bool {
        let of = |head: &Head| head.ledger.as_ref().map(|ledger| Route::all_on(&ledger.baseline));
        heads(self.after).iter().any(|head| of(head).as_ref() == Some(route))
    }

    fn head_before(&self, head: &Head) -> Option<Head> {
        self.before.store.read(|items| items.heads.get(&head.target).cloned())
    }

    /// The alias that was written, with its route before and after.
    fn moved(&self) -> Option<(Lambda, Route, Route)> {
        lambdas(self.after).into_iter().find_map(|lambda| {
            let (before, after) = (self.before.lambda.now(&lambda), self.after.lambda.now(&lambda));
            (before.revision != after.revision).then_some((lambda, before.route, after.route))
        })
    }
}

/// Whether the release may move the alias so: up one step, or from the last one to the canary. An
/// order skips steps.
pub(super) fn fits(release: &Release, before: &Route, after: &Route) -> bool {
    let (Some(ledger), Some(canary)) = (&release.ledger, &release.canary) else {
        return false;
    };
    let steps: Vec<Weight> = release.plan.steps.iter().map(|step| step.weight).collect();
    let split = |weight: Weight| Route {
        primary: ledger.baseline.clone(),
        split: Some((canary.clone(), weight)),
    };
    let mut path = vec![Route::all_on(&ledger.baseline)];
    path.extend(steps.into_iter().map(split));
    path.push(Route::all_on(canary));
    let place = |route: &Route| path.iter().position(|other| other == route);
    match (place(before), place(after)) {
        (Some(before), Some(after)) => {
            after == before
                || after == before + 1
                || (release.order.is_some() && after == path.len() - 1)
        }
        _ => false,
    }
}

pub(super) fn releases(world: &World) -> Vec<Release> {
    world.store.read(|items| items.releases.values().cloned().collect())
}

pub(super) fn heads(world: &World) -> Vec<Head> {
    world.store.read(|items| items.heads.values().cloned().collect())
}

pub(super) fn lambdas(world: &World) -> Vec<Lambda> {
    let of = |target: &perch_core::target::Target| target.service.lambda.clone();
    world.store.read(|items| items.targets.values().filter_map(of).collect())
}
