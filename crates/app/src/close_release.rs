//! The end of a release: records a rollback that could not be done, and starts what waited.

use jiff::Timestamp;
use perch_core::decide::{Event, Next};
use perch_core::head::{Fence, Waiting};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Cause, Release};
use perch_core::target::Target;
use serde::{Deserialize, Serialize};

use crate::announce::Answer;
use crate::ports::{
    Claim, CommitRelease, KeepNote, LoadHead, LoadRelease, LoadTarget, Note, PlanRelease,
    PortError, StartExecution, TakeFence, WaitForTurn,
};
use crate::start_release::start;
use crate::step::{StepError, StepInput, StepOutput, transition};
use crate::stuck;

/// What the state machines hand over at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloseInput {
    /// The release.
    pub release_id: ReleaseId,
    /// The fence it ended with, where the machine knows it.
    #[serde(default)]
    pub fence: Fence,
    /// What kept the rollback from restoring traffic, if it did not.
    #[serde(default)]
    pub failure: Option<String>,
}

/// Ends the release and starts the artifact that waited for it.
pub async fn run(
    store: &(
         impl LoadRelease
         + LoadHead
         + LoadTarget
         + TakeFence
         + CommitRelease
         + PlanRelease
         + WaitForTurn
         + KeepNote
     ),
    executions: &impl StartExecution,
    input: &CloseInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let id = &input.release_id;
    let mut release =
        store.release(id).await?.ok_or_else(|| StepError::UnknownRelease(id.clone()))?;
    if let (Some(failure), false) = (&input.failure, release.phase.is_final()) {
        release = give_up(store, release, failure, now).await?;
    }
    if release.phase.is_over() {
        start_waiting(store, executions, &release.target, now).await?;
    }
    Ok(StepInput { release_id: id.clone(), fence: release.fence }.then(Next::End))
}

/// Ends the release as Stuck. It keeps the target: nothing else may move traffic until a person did.
async fn give_up(
    store: &(impl TakeFence + CommitRelease),
    mut release: Release,
    failure: &str,
    now: Timestamp,
) -> Result<Release, StepError> {
    if let Some(head) = store.take_fence(&release.target, Claim::Holder(&release.id)).await? {
        release.fence = head.fence;
    }
    let mut events = Vec::new();
    if !matches!(release.phase, Phase::RollingBack { .. }) {
        let cause = RollbackCause::Error { error: failure.to_owned() };
        events.push(Event::RollbackRequested(cause));
    }
    events.push(Event::RestoreFailed { why: stuck::text(&release, failure) });
    let (transition, _) = transition(release, &events, None, now)?;
    store.commit(&transition).await?;
    Ok(transition.release)
}

/// Starts the artifact that waits for the target; what became of it, if one did.
pub(crate) async fn start_waiting(
    store: &(impl LoadHead + LoadRelease + LoadTarget + PlanRelease + WaitForTurn + KeepNote),
    executions: &impl StartExecution,
    target: &TargetName,
    now: Timestamp,
) -> Result<Option<Answer>, PortError> {
    let Some(head) = store.head(target).await? else { return Ok(None) };
    let mut all: Vec<Waiting> = [head.waiting, head.model_waiting].into_iter().flatten().collect();
    // Of an image and a model that wait, the one that was pushed first has the first turn.
    all.sort_by_key(|waiting| waiting.pushed_at);
    if all.is_empty() {
        return Ok(None);
    }
    let Some(target) = store.target(target).await? else {
        return Ok(None);
    };
    let mut last = None;
    for waiting in all {
        let answer = start_one(store, executions, &target, &waiting, now).await?;
        let goes_on = matches!(answer, Answer::Ignored(_));
        last = Some(answer);
        if !goes_on {
            break;
        }
    }
    Ok(last)
}

async fn start_one(
    store: &(impl LoadHead + LoadRelease + LoadTarget + PlanRelease + WaitForTurn + KeepNote),
    executions: &impl StartExecution,
    target: &Target,
    waiting: &Waiting,
    now: Timestamp,
) -> Result<Answer, PortError> {
    let cause = Cause::Waited { id: waiting.event.clone(), pushed_at: waiting.pushed_at };
    let answer = start(store, executions, target, &waiting.artifact, cause, now).await?;
    match &answer {
        Answer::Started(_) => {}
        // Another release was faster, or the line is stopped; that end is the next turn.
        Answer::Waits { .. } => return Ok(answer),
        Answer::Ignored(why) => store.note(&note(waiting, &target.name, why)).await?,
    }
    let lane = waiting.artifact.lane();
    store.forget_waiting(&target.name, lane, waiting.pushed_at).await?;
    Ok(answer)
}

fn note(waiting: &Waiting, target: &TargetName, why: &str) -> Note {
    Note {
        at: waiting.pushed_at,
        target: Some(target.clone()),
        event: waiting.event.clone(),
        subject: waiting.artifact.to_string(),
        text: why.to_owned(),
    }
}
