//! Why nothing happened: facts in, sentences out. `gather` reads the facts through ports.
//!
//! Perch writes down why an event led to no release; this adds what became of it since, and what a
//! person can do. The order is that of importance: what keeps everything from going on comes first.

mod artifact;
mod event;
mod gather;
mod kind;
mod release;
mod target;

pub use gather::{Registry, Store, gather};

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::lifecycle::Image;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use perch_core::stop::Stop;
use perch_core::sweep::Pushed;
use perch_core::target::Target;
use serde::Serialize;

use crate::ports::{EventTrace, KnownArtifact, Note, Standing, SweepRun};
use perch_core::journal::Notice;

/// What a person asked about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "camelCase")]
pub enum Subject {
    /// A target.
    Target(TargetName),
    /// An event.
    Event(String),
    /// A release.
    Release(ReleaseId),
    /// An artifact, as it was named.
    Artifact(String),
    /// Nothing that is known.
    Unknown(String),
}

/// All that answers rest on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// What was asked about.
    pub subject: Subject,
    /// When.
    pub now: Timestamp,
    /// The artifact, where one was asked about: as its registry knows it.
    pub artifact: Option<Found>,
    /// The targets concerned.
    pub targets: Vec<TargetFacts>,
    /// What became of the event.
    pub traces: Vec<EventTrace>,
    /// Releases that the answers name.
    pub releases: Vec<Release>,
    /// The newest runs of the sweep, newest first.
    pub runs: Vec<SweepRun>,
}

/// An artifact that was asked about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The artifact, if it exists.
    pub artifact: Option<Artifact>,
    /// Its image, as the repository lists it.
    pub image: Option<Image>,
    /// Why the repository could not be asked.
    pub unseen: Option<String>,
}

/// What is known of a target.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetFacts {
    /// The target as applied.
    pub target: Target,
    /// Its head and the stop that holds for it.
    pub standing: Standing,
    /// The release in flight.
    pub active: Option<Release>,
    /// Its newest release.
    pub newest: Option<Release>,
    /// Its newest notes, newest first.
    pub notes: Vec<Note>,
    /// What happened to it outside of releases, newest first.
    pub notices: Vec<Notice>,
    /// The newest image that its source takes, where the target never had a release of it.
    pub missed: Option<Pushed>,
    /// What it knows of the artifact that was asked about.
    pub known: Option<KnownArtifact>,
}

/// Why something did or did not happen, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// A release is on its way.
    InFlight,
    /// It was promoted.
    Promoted,
    /// It serves already.
    Serves,
    /// It was rolled back, and is not tried again by itself.
    Quarantined,
    /// It was rejected because a guard was in ALARM.
    AlarmAtStart,
    /// It was rejected for another reason.
    Rejected,
    /// A newer release took its place.
    Superseded,
    /// Somebody else moved the alias.
    TakenOver,
    /// A person must act.
    Stuck,
    /// It waits for a release to end.
    WaitsForRelease,
    /// It waits for a stop to end.
    WaitsForStop,
    /// It waits, and nothing keeps it.
    Waits,
    /// A newer one was released instead.
    Skipped,
    /// The target's policy refuses artifacts while a release runs.
    Refused,
    /// What serves is newer.
    Older,
    /// Its tag or key matches no glob.
    NoGlob,
    /// It has no tag.
    Untagged,
    /// No target takes artifacts from its source.
    NoTarget,
    /// No event of it came.
    NeverSeen,
    /// It does not exist.
    NoArtifact,
    /// The alarm had no release to roll back.
    NothingToGuard,
    /// A person stopped the target, or all.
    Stopped,
    /// The alias sends something else than what was promoted.
    Drift,
    /// The sweep does not run, or can't do its work.
    Sweep,
    /// Everything that came was released.
    Idle,
    /// Something else that was written down.
    Noted,
    /// Nothing is known under that name.
    Unknown,
}

/// One answer: what happened, why, and what to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Why, for programs.
    pub reason: Reason,
    /// The target, where it concerns one.
    pub target: Option<TargetName>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// What happened, or did not.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do, a line each: a command, or nothing but waiting.
    #[serde(rename = "do")]
    pub todo: Vec<String>,
}

impl Answer {
    fn of(reason: Reason, what: impl Into<String>, why: impl Into<String>) -> Self {
        let (what, why) = (what.into(), why.into());
        Self { reason, target: None, at: None, what, why, todo: Vec::new() }
    }

    fn target(mut self, name: &TargetName) -> Self {
        self.target = Some(name.clone());
        self
    }

    fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    fn todo(mut self, line: impl Into<String>) -> Self {
        self.todo.push(line.into());
        self
    }
}

/// The answers, the most important first; never none.
pub fn explain(facts: &Facts) -> Vec<Answer> {
    let answers = match &facts.subject {
        Subject::Target(_) => {
            facts.targets.iter().flat_map(|t| target::answers(facts, t)).collect()
        }
        Subject::Event(id) => event::answers(facts, id),
        Subject::Release(id) => {
            let found = facts.releases.iter().filter(|release| release.id == *id);
            found.map(|release| release::answer(facts, release)).collect()
        }
        Subject::Artifact(name) => artifact::answers(facts, name),
        Subject::Unknown(_) => Vec::new(),
    };
    if answers.is_empty() { vec![unknown(facts)] } else { answers }
}

fn unknown(facts: &Facts) -> Answer {
    let (Subject::Event(name) | Subject::Artifact(name) | Subject::Unknown(name)) = &facts.subject
    else {
        return Answer::of(Reason::Unknown, "nothing is known", "nothing was written down");
    };
    let why = "no target, no release, and no event of the last 30 days has it, and it is no name of \
               an artifact. An event that could not be delivered or processed is a dead letter";
    Answer::of(Reason::Unknown, format!("nothing is known of {name}"), why)
        .todo("perch targets")
        .todo("perch journal")
        .todo("perch dead-letters list")
}

impl Facts {
    fn release(&self, id: &ReleaseId) -> Option<&Release> {
        let active = self.targets.iter().filter_map(|target| target.active.as_ref());
        let newest = self.targets.iter().filter_map(|target| target.newest.as_ref());
        self.releases.iter().chain(active).chain(newest).find(|release| release.id == *id)
    }

    fn target(&self, name: &TargetName) -> Option<&TargetFacts> {
        self.targets.iter().find(|facts| facts.target.name == *name)
    }
}

impl TargetFacts {
    fn name(&self) -> &TargetName {
        &self.target.name
    }

    fn stop(&self) -> Option<&Stop> {
        self.standing.stop.as_ref()
    }

    /// The scope of the stop that holds, as `perch resume` takes it.
    fn stop_scope(&self) -> String {
        let own = self.standing.head.as_ref().is_some_and(|head| head.stopped.is_some());
        if own { self.name().to_string() } else { "--all".to_owned() }
    }
}

/// Starts a release of the artifact all the same.
fn start(target: &TargetName, artifact: &Artifact, options: &str) -> String {
    format!(
        "perch release start {target} --artifact {}{options} --reason TEXT",
        artifact.identity()
    )
}
