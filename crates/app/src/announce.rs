//! A new artifact: finds the targets that take it, starts a release of each, and logs the answers.
//!
//! The release id follows from the event, so a repeated event finds its own release and starts its
//! execution again, which Step Functions answers as started. An artifact that comes while a release
//! runs waits or replaces it, as the target says; the newest by push time stays.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Cause;
use perch_core::target::Target;

use crate::ports::{
    FindTargets, KeepNote, LoadHead, LoadRelease, LoadTarget, Note, PlanRelease, PortError,
    SourceMatch, StartExecution, WaitForTurn,
};
use crate::start_release::start;

/// An artifact that an event announced.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// The artifact.
    pub artifact: Artifact,
    /// The event's id.
    pub event: String,
    /// When the artifact was pushed.
    pub pushed_at: Timestamp,
}

/// What became of an announcement for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A release runs for it.
    Started(ReleaseId),
    /// It waits.
    Waits {
        /// For what.
        behind: String,
    },
    /// Nothing is to be done; the note says why.
    Ignored(String),
}

/// Starts a release of every target that takes the artifact.
///
/// # Errors
/// [`PortError`] when a port failed; a repeated call does the rest and nothing twice.
pub async fn run(
    store: &(
         impl FindTargets + LoadTarget + LoadHead + LoadRelease + PlanRelease + WaitForTurn + KeepNote
     ),
    executions: &impl StartExecution,
    announcement: &Announcement,
    now: Timestamp,
) -> Result<Vec<(Option<TargetName>, Answer)>, PortError> {
    let found = store.by_source(&announcement.artifact).await?;
    if found.is_empty() {
        let why =
            "no target takes artifacts from this source: name it under `sources` in a target \
                   file and apply it"
                .to_owned();
        store.note(&announcement.note(None, &why)).await?;
        let answer = Answer::Ignored(why);
        log(announcement, None, &answer);
        return Ok(vec![(None, answer)]);
    }
    let mut answers = Vec::with_capacity(found.len());
    for candidate in found {
        let answer = answer(store, executions, announcement, &candidate, now).await?;
        if let Some(why) = answer.note() {
            store.note(&announcement.note(Some(&candidate.target), &why)).await?;
        }
        log(announcement, Some(&candidate.target), &answer);
        answers.push((Some(candidate.target), answer));
    }
    Ok(answers)
}

async fn answer(
    store: &(impl LoadTarget + LoadHead + LoadRelease + PlanRelease + WaitForTurn + KeepNote),
    executions: &impl StartExecution,
    announcement: &Announcement,
    candidate: &SourceMatch,
    now: Timestamp,
) -> Result<Answer, PortError> {
    let Some(target) = store.target(&candidate.target).await? else {
        return Ok(Answer::Ignored("the target was deleted".to_owned()));
    };
    if let Some(why) = not_admitted(&target, &announcement.artifact) {
        return Ok(Answer::Ignored(why));
    }
    let cause = Cause::Event { id: announcement.event.clone(), pushed_at: announcement.pushed_at };
    start(store, executions, &target, &announcement.artifact, cause, now).await
}

fn log(announcement: &Announcement, target: Option<&TargetName>, answer: &Answer) {
    tracing::info!(
        event.id = announcement.event,
        target.name = target.map_or("none", TargetName::as_str),
        artifact = %announcement.artifact,
        ?answer,
        "Artifact announced"
    );
}

fn not_admitted(target: &Target, artifact: &Artifact) -> Option<String> {
    match artifact {
        Artifact::Image { tag: None, .. } => {
            Some("the push has no tag; only tagged pushes start a release".to_owned())
        }
        Artifact::Image { tag: Some(tag), .. } => {
            let source = target.sources.image.as_ref();
            (!source.is_some_and(|source| source.admits(tag))).then(|| {
                let globs = source.map(|source| source.tags.join(", ")).unwrap_or_default();
                format!("tag {tag} matches none of the target's globs: {globs}")
            })
        }
        Artifact::Package { key, .. } => {
            let source = target.sources.package.as_ref();
            (!source.is_some_and(|source| source.admits(key))).then(|| {
                let globs = source.map(|source| source.keys.join(", ")).unwrap_or_default();
                format!("key {key} matches none of the target's globs: {globs}")
            })
        }
        // The keys of a model source are a folder: the index finds those that have it.
        Artifact::Model { .. } => None,
        Artifact::Version { .. } => Some("no source announces versions".to_owned()),
    }
}

impl Announcement {
    fn note(&self, target: Option<&TargetName>, text: &str) -> Note {
        Note {
            at: self.pushed_at,
            target: target.cloned(),
            event: self.event.clone(),
            subject: self.artifact.to_string(),
            text: text.to_owned(),
        }
    }
}

impl Answer {
    pub(crate) fn note(&self) -> Option<String> {
        match self {
            Answer::Started(_) => None,
            Answer::Waits { behind } => Some(format!("waits: {behind}")),
            Answer::Ignored(why) => Some(why.clone()),
        }
    }
}
