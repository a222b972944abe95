//! A new artifact: finds the targets that take it and starts a release of each.
//!
//! The release id follows from the event, so a repeated event finds its own release and starts its
//! execution again, which Step Functions answers as started. An artifact that comes while a release
//! runs waits; the newest by push time stays.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::head::{Fence, Waiting};
use perch_core::journal::{JournalEntry, What};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::Phase;
use perch_core::release::{Cause, Plan, Release};
use perch_core::target::Target;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::ports::{
    FindTargets, KeepNote, LoadHead, LoadRelease, LoadTarget, Machine, Note, PlanRelease, Planned,
    PortError, SourceMatch, StartExecution, WaitForTurn,
};

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
    /// It waits for the active release.
    Waits {
        /// The active release.
        active: ReleaseId,
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
        return Ok(vec![(None, Answer::Ignored(why))]);
    }
    let mut answers = Vec::with_capacity(found.len());
    for candidate in found {
        let answer = answer(store, executions, announcement, &candidate, now).await?;
        if let Some(why) = answer.note() {
            store.note(&announcement.note(Some(&candidate.target), &why)).await?;
        }
        answers.push((Some(candidate.target), answer));
    }
    Ok(answers)
}

async fn answer(
    store: &(impl LoadTarget + LoadHead + LoadRelease + PlanRelease + WaitForTurn),
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

/// Plans a release of the artifact and starts its execution, or has it wait its turn.
pub(crate) async fn start(
    store: &(impl LoadHead + LoadRelease + PlanRelease + WaitForTurn),
    executions: &impl StartExecution,
    target: &Target,
    artifact: &Artifact,
    cause: Cause,
    now: Timestamp,
) -> Result<Answer, PortError> {
    let fence = store.head(&target.name).await?.map_or(0, |head| head.fence) + 1;
    let release = planned(target, artifact.clone(), cause, fence, now);
    let entry = JournalEntry {
        release: release.id.clone(),
        target: release.target.clone(),
        seq: release.seq,
        at: now,
        what: What::ReleasePlanned,
        cause: format!("{artifact} by {}", release.cause),
        evidence: None,
    };
    match store.plan(&release, &entry).await? {
        Planned::Created => launch(executions, release).await,
        // The head's fence may be a later one: the execution goes on with the release's own.
        Planned::Repeated => {
            let known = store.release(&release.id).await?.unwrap_or(release);
            launch(executions, known).await
        }
        Planned::AlreadyReleased { by, outcome } => {
            Ok(Answer::Ignored(format!("the artifact had its release already: {by}, {outcome}")))
        }
        Planned::Busy { active } => {
            let (Cause::Event { id: event, pushed_at } | Cause::Waited { id: event, pushed_at }) =
                release.cause;
            let waiting = Waiting { artifact: artifact.clone(), event, pushed_at };
            if store.wait_for_turn(&target.name, &waiting).await? {
                return Ok(Answer::Waits { active });
            }
            Ok(Answer::Ignored(format!("a newer artifact waits for release {active} already")))
        }
    }
}

async fn launch(executions: &impl StartExecution, release: Release) -> Result<Answer, PortError> {
    let input = json!({ "releaseId": release.id, "fence": release.fence });
    executions.start(Machine::CanaryDeploy, &release.id, &input).await?;
    Ok(Answer::Started(release.id))
}

fn planned(
    target: &Target,
    artifact: Artifact,
    cause: Cause,
    fence: Fence,
    now: Timestamp,
) -> Release {
    let deadline = now.saturating_add(target.deadline().duration()).unwrap_or(Timestamp::MAX);
    Release {
        id: release_id(&target.name, &artifact, &cause),
        target: target.name.clone(),
        plan: Plan::of(target),
        artifact,
        phase: Phase::Pending,
        fence,
        seq: 1,
        code: None,
        ledger: None,
        canary: None,
        cause,
        started_at: now,
        deadline,
        ended_at: None,
        verdict: None,
        order: None,
    }
}

/// `TARGET-yyyymmdd-hhmmss-XXXXXX`: the time of the push, and six digits of a hash over target,
/// artifact and event. The same event gives the same id, so it can't start two releases.
fn release_id(target: &TargetName, artifact: &Artifact, cause: &Cause) -> ReleaseId {
    let (Cause::Event { id: event, pushed_at } | Cause::Waited { id: event, pushed_at }) = cause;
    let hash = Sha256::digest(format!("{target}|{}|{event}", artifact.identity()));
    let time = pushed_at.strftime("%Y%m%d-%H%M%S");
    let id = format!("{target}-{time}-{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2]);
    // A target name (40 characters at most) and this suffix are always a release id.
    id.parse().unwrap_or_else(|_| unreachable!("{id}"))
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
    fn note(&self) -> Option<String> {
        match self {
            Answer::Started(_) => None,
            Answer::Waits { active } => Some(format!("waits for the end of release {active}")),
            Answer::Ignored(why) => Some(why.clone()),
        }
    }
}
