//! Promises about what happened, read from the records and the journals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use perch_app::ports::Message;
use perch_core::artifact::Artifact;
use perch_core::journal::{JournalEntry, What};
use perch_core::judge::Outcome;
use perch_core::phase::Phase;
use perch_core::release::{Driver, Release};
use perch_core::smoke::all_passed;
use perch_core::target::{Target, WhileReleasing};

use crate::world::World;

fn releases(world: &World) -> Vec<Release> {
    world.store.read(|items| items.releases.values().cloned().collect())
}

/// Releases that ended later than they may (P4): their deadline, the watch, and `slack` for retries
/// and for the sweep to find what was lost.
pub fn late(world: &World, slack: Duration) -> Vec<String> {
    let mut broken = Vec::new();
    for release in releases(world) {
        let Some(ended) = release.ended_at else { continue };
        let latest = release.deadline.saturating_add(release.plan.watch.duration());
        let latest = latest.and_then(|latest| latest.saturating_add(slack));
        if latest.is_ok_and(|latest| ended > latest) {
            let deadline = release.deadline;
            broken.push(format!("P4: {} ended {ended}, its deadline was {deadline}", release.id));
        }
    }
    broken
}

/// Artifacts that had more than one effect on a target (P8): a release that never touched traffic, or
/// made room for another, leaves its artifact open; one that a person started does not count.
pub fn twice_released(world: &World) -> Vec<String> {
    let mut effects: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for release in releases(world) {
        if matches!(release.phase, Phase::Rejected { .. } | Phase::Superseded { .. }) {
            continue;
        }
        if release.cause.is_person() {
            continue;
        }
        let artifact = (release.target.to_string(), release.artifact.identity());
        effects.entry(artifact).or_default().push(release.id.to_string());
    }
    let twice = effects.into_iter().filter(|(_, releases)| releases.len() > 1);
    twice.map(|((_, artifact), by)| format!("P8: {artifact} was released by {by:?}")).collect()
}

/// Releases that went up without evidence (P9): every bake that was left for more traffic ended with
/// a Pass, unless a person had ordered it on.
pub fn unproven(world: &World) -> Vec<String> {
    let releases = releases(world);
    let mut broken = Vec::new();
    for release in releases.iter().filter(|release| !release.plan.steps.is_empty()) {
        let (mut verdict, mut ordered) = (None, false);
        for entry in world.journal(&release.id) {
            let needs = match entry.what {
                // What moves by itself does so without a verdict: then all of its traffic is taken back.
                What::WeightShifted if release.plan.driver.moves_itself() => false,
                What::WeightShifted | What::PromotionDecided => !is_first(release, &entry),
                _ => false,
            };
            if needs && !ordered && verdict != Some(Outcome::Pass) {
                broken.push(format!("P9: {}/{} went up on {verdict:?}", release.id, entry.seq));
            }
            match entry.what {
                What::BakeJudged => verdict = entry.evidence.map(|e| e.verdict.outcome),
                What::OrderGiven => ordered |= !entry.cause.starts_with("hold"),
                What::WeightShifted => verdict = None,
                _ => {}
            }
        }
    }
    broken
}

/// Why the canary of a release may have no traffic yet (P9): it has smoke tests, and they did not all
/// pass, or were said to without being so.
pub fn untested(world: &World, release: &Release) -> Option<String> {
    release.plan.smoke.as_ref()?;
    let passed = |entry: &JournalEntry| entry.what == What::SmokeTested && all_passed(&entry.smoke);
    if !world.journal(&release.id).iter().any(passed) {
        return Some(format!("{} has no smoke tests that passed", release.id));
    }
    let canary = release.canary.as_ref()?;
    let name = release.plan.driver.name();
    let unfit = match &release.plan.driver {
        Driver::Alias(alias) => {
            world.lambda.read(|account| account.is_unfit(&alias.function, canary)).unwrap_or(true)
        }
        Driver::Service(service) => world.is_unfit(service, canary),
        Driver::Servers(_) => return None,
    };
    unfit.then(|| format!("version {canary} of {name} fails its smoke tests"))
}

/// The shift to the plan's first step needs no verdict.
fn is_first(release: &Release, entry: &JournalEntry) -> bool {
    let first = release.plan.steps.first().map(|step| step.weight.to_string());
    entry.what == What::WeightShifted && first.is_some_and(|first| entry.cause.starts_with(&first))
}

/// Journal entries that people should have been told of and were not, and messages that do not say
/// what their entry says (P10). For worlds whose stream was delivered.
pub fn untold(world: &World) -> Vec<String> {
    let attribute = |message: &Message, name: &str| {
        message.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    };
    let told: BTreeSet<(Option<String>, Option<String>)> = world
        .topic
        .messages()
        .iter()
        .map(|message| (attribute(message, "entry"), attribute(message, "what")))
        .collect();
    let due: BTreeSet<(Option<String>, Option<String>)> = world.store.read(|items| {
        let notified = items.journal.values().filter(|entry| entry.what.is_notified());
        notified
            .map(|entry| {
                let id = format!("{}/{}", entry.release, entry.seq);
                (Some(id), Some(format!("{:?}", entry.what)))
            })
            .collect()
    });
    let missed = due.difference(&told).map(|entry| format!("P10: nobody was told of {entry:?}"));
    let made_up =
        told.difference(&due).map(|entry| format!("P10: {entry:?} was told and never was"));
    missed.chain(made_up).collect()
}

/// Why the newest of these artifacts of the target, all of one lane, does not serve, or an older one was
/// promoted later (P8).
///
/// For worlds at rest, without a stop, whose alias only Perch moved.
pub fn not_the_newest<'a>(
    world: &World,
    target: &Target,
    pushes: impl Iterator<Item = &'a (Artifact, Timestamp)>,
) -> Option<String> {
    let pushes: Vec<&(Artifact, Timestamp)> = pushes.collect();
    let lane = pushes.first()?.0.lane();
    let mut own = releases(world);
    own.retain(|release| release.target == target.name && release.artifact.lane() == lane);
    own.sort_by_key(|release| release.fence);
    let promoted = own.iter().filter(|r| matches!(r.phase, Phase::Promoted));
    let by_events: Vec<&Release> = promoted.filter(|r| !r.cause.is_person()).collect();
    let back = by_events.windows(2).find(|p| p[0].cause.pushed_at() > p[1].cause.pushed_at());
    if let Some(pair) = back {
        return Some(format!("P8: {} was promoted after the newer {}", pair[1].id, pair[0].id));
    }
    // An artifact has one effect, so one that was pushed again may count from its first push or from
    // its last; of those that were pushed in the same second, any may be the last.
    let mut first: BTreeMap<String, &(Artifact, Timestamp)> = BTreeMap::new();
    for push in pushes.iter().rev() {
        let known = first.entry(push.0.identity()).or_insert(push);
        *known = if push.1 < known.1 { push } else { known };
    }
    let last = pushes.iter().map(|(_, at)| *at).max()?;
    let last_of_first = first.values().map(|(_, at)| *at).max()?;
    let later =
        |release: &Release| release.cause.is_person() && release.started_at >= last_of_first;
    if own.iter().any(later) || target.while_releasing == WhileReleasing::Reject {
        return None;
    }
    let of_last = pushes.iter().filter(|(_, at)| *at == last);
    let of_first = first.values().filter(|(_, at)| *at == last_of_first);
    let newest: Vec<&Artifact> = of_last.chain(of_first).map(|(artifact, _)| artifact).collect();
    let settled = |artifact: &&&Artifact| {
        let of = own.iter().rfind(|release| release.artifact.identity() == artifact.identity());
        of.is_some_and(|release| !matches!(release.phase, Phase::Superseded { .. }))
    };
    if newest.iter().any(|artifact| settled(&artifact)) {
        return None;
    }
    Some(format!("P8: {} was pushed last and had no release, or was replaced", newest[0]))
}
