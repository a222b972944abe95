//! What every step of a state machine shares: its input and output, loading under the fence, and
//! committing a decision.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{self, Decision, Event, IllegalTransition, Next};
use perch_core::head::{Fence, Head};
use perch_core::journal::{Evidence, JournalEntry, Moment, What};
use perch_core::names::ReleaseId;
use perch_core::phase::Phase;
use perch_core::release::{Order, Release};
use perch_core::target::Lambda;
use serde::{Deserialize, Serialize};

use crate::ports::{CommitRelease, LoadHead, LoadRelease, PortError, Transition};

/// What the state machine hands to each step of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepInput {
    /// The release.
    pub release_id: ReleaseId,
    /// The fence that this execution holds the target with.
    pub fence: Fence,
}

/// What the state machine hands to a round of a step that comes back until others have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundInput {
    /// The release and its fence.
    #[serde(flatten)]
    pub step: StepInput,
    /// When the state was entered, by Step Functions' clock. An execution that began before Perch asked for
    /// it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<Timestamp>,
}

impl From<StepInput> for RoundInput {
    fn from(step: StepInput) -> Self {
        Self { step, entered_at: None }
    }
}

impl RoundInput {
    /// When the state was entered; `now` where Step Functions did not say.
    pub(crate) fn entered(&self, now: Timestamp) -> Timestamp {
        self.entered_at.unwrap_or(now)
    }
}

/// What a step answers: the same, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutput {
    /// The release.
    pub release_id: ReleaseId,
    /// The fence that this execution holds the target with.
    pub fence: Fence,
    /// The name that the state machine routes on.
    pub next: String,
    /// How long to wait before it, in seconds.
    pub wait_seconds: u64,
}

impl StepInput {
    /// The answer that leads to `next`.
    pub fn then(&self, next: Next) -> StepOutput {
        StepOutput {
            release_id: self.release_id.clone(),
            fence: self.fence,
            next: next.name().to_owned(),
            wait_seconds: next.wait_seconds(),
        }
    }
}

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The release is in a phase that has no place for this.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The release is not known.
    #[error("release {0} does not exist")]
    UnknownRelease(ReleaseId),
    /// The release has no ledger or canary where its phase needs one.
    #[error("release {release} has no {what} in phase {phase}")]
    Incomplete {
        /// The release.
        release: ReleaseId,
        /// What is missing.
        what: &'static str,
        /// Its phase.
        phase: &'static str,
    },
    /// The target was read back and is not as it was set.
    #[error("{what} was read back as {found} instead of {expected}")]
    NotAsSet {
        /// What was read back.
        what: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// The release if this execution still holds it; `None` when another took the target.
pub async fn held(
    store: &impl LoadRelease,
    input: &StepInput,
) -> Result<Option<Release>, StepError> {
    let release = store
        .release(&input.release_id)
        .await?
        .ok_or_else(|| StepError::UnknownRelease(input.release_id.clone()))?;
    Ok((release.fence == input.fence).then_some(release))
}

/// The alias that the release moves.
///
/// # Errors
/// [`StepError::Incomplete`] for a release that moves something else: it has another state machine.
pub(crate) fn alias_of(release: &Release) -> Result<&Lambda, StepError> {
    release.plan.driver.alias().ok_or_else(|| missing(release, "alias"))
}

/// The error for a release that lacks what its phase needs.
pub(crate) fn missing(release: &Release, what: &'static str) -> StepError {
    StepError::Incomplete { release: release.id.clone(), what, phase: release.phase.name() }
}

/// What a step of a rollback does that has lost the fence. Who took it and has written nothing since may not
/// go on: the order that started this rollback, or a try that nobody waits for. So the rollback takes the
/// fence anew. Who has written goes on in its place, and [`held`] finds that.
pub(crate) fn robbed(head: Option<&Head>, release: &Release) -> Next {
    match head {
        Some(head) if head.active.as_ref() == Some(&release.id) => Next::Rollback,
        _ => Next::End,
    }
}

/// Decides on `event` and commits the outcome.
///
/// When another took the target meanwhile the answer is [`Next::End`]: a stale execution ends
/// quietly. When only the release changed (a person gave an order), or the release goes back, the conflict is
/// returned, and the state machine tries the step again.
pub async fn settle(
    store: &(impl CommitRelease + LoadHead),
    input: &StepInput,
    release: Release,
    event: &Event,
    evidence: Option<Evidence>,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let before = release.phase.clone();
    let (transition, next) = transition(release, std::slice::from_ref(event), evidence, now)?;
    write(store, input, (&before, &transition), next).await
}

/// Decides on events one after the other and commits the outcome, as [`settle`] does for one.
pub(crate) async fn settle_all(
    store: &(impl CommitRelease + LoadHead),
    input: &StepInput,
    release: Release,
    events: &[Event],
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let before = release.phase.clone();
    let (transition, next) = transition(release, events, None, now)?;
    write(store, input, (&before, &transition), next).await
}

/// Keeps what a release has learned without a decision, and comes back.
pub(crate) async fn keep(
    store: &(impl CommitRelease + LoadHead),
    input: &StepInput,
    mut release: Release,
    next: Next,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let wait = Duration::from_secs(next.wait_seconds());
    release.due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    release.kept += 1;
    let (expected_seq, fence, before) = (release.seq, release.fence, release.phase.clone());
    let transition = Transition { expected_seq, fence, entries: Vec::new(), release };
    write(store, input, (&before, &transition), next).await
}

async fn write(
    store: &(impl CommitRelease + LoadHead),
    input: &StepInput,
    (before, transition): (&Phase, &Transition),
    next: Next,
) -> Result<StepOutput, StepError> {
    match store.commit(transition).await {
        Ok(()) => Ok(input.then(next)),
        Err(PortError::Conflict { what, expected, found }) => {
            let head = store.head(&transition.release.target).await?;
            let goes_back = matches!(before, Phase::RollingBack { .. });
            if goes_back || head.is_some_and(|head| head.fence == input.fence) {
                return Err(PortError::Conflict { what, expected, found }.into());
            }
            Ok(input.then(Next::End))
        }
        Err(error) => Err(error.into()),
    }
}

/// The one transition that these events lead to, one after the other, and what is next then.
pub(crate) fn transition(
    mut release: Release,
    events: &[Event],
    evidence: Option<Evidence>,
    now: Timestamp,
) -> Result<(Transition, Next), IllegalTransition> {
    let expected_seq = release.seq;
    let (mut entries, mut next) = (Vec::new(), decide::resume(&release, now));
    for event in events {
        let before = release.phase.clone();
        let Decision { phase, next: then, entries: texts } = decide::decide(&release, event, now)?;
        next = then;
        release.learn(event);
        release.phase = phase;
        // An order to go on is carried out once.
        if release.phase != before && matches!(release.order, Some(Order::Continue { .. })) {
            release.order = None;
        }
        for (what, cause) in texts {
            release.seq += 1;
            entries.push(entry(&release, what, cause, evidence.clone(), now));
        }
    }
    // A release that was Stuck goes on when a person asks for it: it has not ended any more.
    let wait = Duration::from_secs(next.wait_seconds());
    release.due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    release.ended_at = release.phase.is_final().then_some(now);
    Ok((Transition { expected_seq, fence: release.fence, entries, release }, next))
}

/// A journal entry with the release's current number.
pub(crate) fn entry(
    release: &Release,
    what: What,
    cause: String,
    evidence: Option<Evidence>,
    at: Timestamp,
) -> JournalEntry {
    JournalEntry {
        release: release.id.clone(),
        target: release.target.clone(),
        seq: release.seq,
        at,
        what,
        cause,
        evidence: evidence.filter(|_| what == What::BakeJudged),
        smoke: if what == What::SmokeTested { release.smoke.clone() } else { Vec::new() },
        moment: what.is_notified().then(|| Box::new(Moment::of(release))),
    }
}
