//! The end of a release: records a rollback that could not be done, and starts what waited.

use jiff::Timestamp;
use perch_core::decide::{Event, Next};
use perch_core::head::{Fence, Waiting};
use perch_core::names::ReleaseId;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Cause, Release};
use serde::{Deserialize, Serialize};

use crate::announce::{Answer, start};
use crate::ports::{
    CommitRelease, KeepNote, LoadHead, LoadRelease, LoadTarget, Note, PlanRelease, StartExecution,
    TakeFence, WaitForTurn,
};
use crate::step::{StepError, StepInput, StepOutput, transition};

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
    if !matches!(release.phase, Phase::Stuck { .. }) {
        start_waiting(store, executions, &release, now).await?;
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
    if let Some(head) = store.take_fence(&release.target, Some(&release.id)).await? {
        release.fence = head.fence;
    }
    let mut events = Vec::new();
    if !matches!(release.phase, Phase::RollingBack { .. }) {
        let cause = RollbackCause::Error { error: failure.to_owned() };
        events.push(Event::RollbackRequested(cause));
    }
    events.push(Event::RestoreFailed { why: stuck_text(&release, failure) });
    let (transition, _) = transition(release, &events, None, now)?;
    store.commit(&transition).await?;
    Ok(transition.release)
}

fn stuck_text(release: &Release, failure: &str) -> String {
    let lambda = &release.plan.lambda;
    let baseline = release.ledger.as_ref().map_or("?", |ledger| ledger.baseline.as_str());
    format!(
        "traffic could not be restored: {failure}. Put it right with `aws lambda update-alias \
         --function-name {} --name {} --function-version {baseline} --routing-config \
         '{{\"AdditionalVersionWeights\":{{}}}}'`, then run `perch rollback {} --reason TEXT`",
        lambda.function, lambda.alias, release.target
    )
}

async fn start_waiting(
    store: &(impl LoadHead + LoadRelease + LoadTarget + PlanRelease + WaitForTurn + KeepNote),
    executions: &impl StartExecution,
    ended: &Release,
    now: Timestamp,
) -> Result<(), StepError> {
    let Some(waiting) = store.head(&ended.target).await?.and_then(|head| head.waiting) else {
        return Ok(());
    };
    let Some(target) = store.target(&ended.target).await? else {
        return Ok(());
    };
    let cause = Cause::Waited { id: waiting.event.clone(), pushed_at: waiting.pushed_at };
    let answer = if overtaken(&waiting, ended) {
        Answer::Ignored(format!("release {} of a newer artifact was promoted", ended.id))
    } else {
        start(store, executions, &target, &waiting.artifact, cause, now).await?
    };
    match answer {
        Answer::Started(_) => {}
        // Another release was faster; its end is the next turn.
        Answer::Waits { .. } => return Ok(()),
        Answer::Ignored(text) => store.note(&note(&waiting, ended, text)).await?,
    }
    store.forget_waiting(&ended.target, waiting.pushed_at).await?;
    Ok(())
}

/// Events can come late: what was pushed before the artifact that was promoted has no turn.
fn overtaken(waiting: &Waiting, ended: &Release) -> bool {
    matches!(ended.phase, Phase::Promoted) && waiting.pushed_at < ended.cause.pushed_at()
}

fn note(waiting: &Waiting, ended: &Release, text: String) -> Note {
    Note {
        at: waiting.pushed_at,
        target: Some(ended.target.clone()),
        event: waiting.event.clone(),
        subject: waiting.artifact.to_string(),
        text,
    }
}
