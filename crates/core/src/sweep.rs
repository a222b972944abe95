//! The look-back: what no event announced and nobody carried on, and what to do about it.
//!
//! Everything that the protocol needs can get lost: an event, an execution, a function in the middle
//! of its work. The sweep looks at each target from time to time and finds what is left behind.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::artifact::{Artifact, Lane};
use crate::head::{Fence, Head};
use crate::names::Version;
use crate::phase::Phase;
use crate::release::Release;

/// How late the next step of a release may be before its execution counts as lost. All retries of a
/// step take less (`statemachines/canary-deploy.asl.json`: 7 attempts of 40 s, 45 s of waits).
pub const GRACE: Duration = Duration::from_secs(360);

/// What was found of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Situation {
    /// Its head.
    pub head: Head,
    /// The record of the active release.
    pub active: Option<Release>,
    /// Whether a stop keeps anything from starting.
    pub stopped: bool,
    /// What its alias sends; nothing if it could not be read.
    pub route: Option<Found>,
    /// The newest artifact that the target takes.
    pub newest: Option<Pushed>,
}

/// What an alias sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The only version that it sends to; nothing while it is split.
    pub alone: Option<Version>,
    /// In words.
    pub text: String,
}

/// An artifact as its source lists it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    /// The artifact.
    pub artifact: Artifact,
    /// When it was pushed.
    pub at: Timestamp,
}

/// A model that lies in its source and that its target never heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheard {
    /// The name of its version.
    pub version: Version,
    /// The key of its manifest, or of its only file.
    pub key: String,
    /// The S3 version id of that object.
    pub object: String,
    /// When it was uploaded.
    pub at: Timestamp,
}

/// What comes of a model that no event announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// It is announced as its event would have.
    Announced,
    /// It has its turn after a newer one that is under way or waits, if it has one at all.
    Later,
    /// It has no turn any more: it counts as heard of.
    Past,
}

/// What comes of a model that no event announced. `first` is the first look at its source: what lay
/// there before the target took models from it is not missed.
pub fn hearing(head: &Head, active: Option<&Release>, unheard: &Unheard, first: bool) -> Hearing {
    let (lane, at) = (Lane::Model, unheard.at);
    let before_the_target = first && head.seen.is_some_and(|seen| at <= seen);
    if before_the_target || !head.admits(lane, at) {
        return Hearing::Past;
    }
    let under_way = active.filter(|release| release.artifact.lane() == lane);
    let newer = [
        under_way.map(|release| release.cause.pushed_at()),
        head.waiting_of(lane).map(|waiting| waiting.pushed_at),
    ];
    match newer.into_iter().flatten().any(|newer| newer >= at) {
        true => Hearing::Later,
        false => Hearing::Announced,
    }
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// The head names a release that is over or does not exist: free it.
    FreeTarget,
    /// A rollback took the fence and never wrote down its end: start it again.
    FinishRollback {
        /// The fence that it took.
        fence: Fence,
    },
    /// The next step of the release is overdue: start an execution that goes on.
    Revive,
    /// A person has put right what was Stuck: close it.
    CloseStuck,
    /// An artifact waits and nothing runs: start its release.
    StartWaiting,
    /// No event announced this artifact: start its release.
    StartMissed(Pushed),
    /// The alias sends something else than what was promoted last: tell people.
    TellDrift {
        /// What it sends.
        found: String,
    },
    /// The alias sends again what was promoted last.
    ForgetDrift,
}

/// What to do about a target, in this order.
pub fn remedies(situation: &Situation, now: Timestamp) -> Vec<Remedy> {
    let head = &situation.head;
    let mut remedies = Vec::new();
    match (&head.active, &situation.active) {
        (Some(_), Some(release)) if !release.phase.is_over() => {
            remedies.extend(carry_on(situation, release, now));
        }
        (Some(_), _) => remedies.push(Remedy::FreeTarget),
        (None, _) => {
            remedies.extend(drift(situation));
            let waits = head.waiting.is_some() || head.model_waiting.is_some();
            if waits && !situation.stopped {
                remedies.push(Remedy::StartWaiting);
            }
        }
    }
    if let Some(newest) = &situation.newest
        && is_missed(situation, newest)
    {
        remedies.push(Remedy::StartMissed(newest.clone()));
    }
    remedies
}

fn carry_on(situation: &Situation, release: &Release, now: Timestamp) -> Option<Remedy> {
    let fence = situation.head.fence;
    if let (Phase::Stuck { .. }, Some(ledger)) = (&release.phase, &release.ledger) {
        let back =
            situation.route.as_ref().is_some_and(|r| r.alone.as_ref() == Some(&ledger.baseline));
        return back.then_some(Remedy::CloseStuck);
    }
    if fence > release.fence {
        return Some(Remedy::FinishRollback { fence });
    }
    is_overdue(release, now).then_some(Remedy::Revive)
}

/// Whether the next step of the release should have been done long ago.
pub fn is_overdue(release: &Release, now: Timestamp) -> bool {
    release.due.saturating_add(GRACE).is_ok_and(|late| now > late)
}

fn drift(situation: &Situation) -> Option<Remedy> {
    let (serving, found) = (situation.head.serving.as_ref()?, situation.route.as_ref()?);
    let told = situation.head.drift.as_ref();
    if found.alone.as_ref() == Some(&serving.version) {
        return told.map(|_| Remedy::ForgetDrift);
    }
    (told != Some(&found.text)).then(|| Remedy::TellDrift { found: found.text.clone() })
}

/// Whether the artifact is newer than all that the target has seen. Whether it had its release
/// already is for the table to say.
fn is_missed(situation: &Situation, newest: &Pushed) -> bool {
    let Situation { head, active, .. } = situation;
    let newer = |seen: Option<Timestamp>| seen.is_none_or(|seen| newest.at > seen);
    let same = |artifact: &Artifact| artifact.identity() == newest.artifact.identity();
    newer(head.seen)
        && newer(head.horizon)
        && newer(head.waiting.as_ref().map(|waiting| waiting.pushed_at))
        && !head.waiting.as_ref().is_some_and(|waiting| same(&waiting.artifact))
        && !head.serving.as_ref().is_some_and(|serving| same(&serving.artifact))
        && !active.as_ref().is_some_and(|release| same(&release.artifact))
}

#[cfg(test)]
mod tests;
