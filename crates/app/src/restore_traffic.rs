//! Takes the fence, puts all traffic back on the baseline, and reads it back.
//!
//! Traffic first: the decision is written down after the alias was moved. When the alias can't be
//! moved the decision is still written, and the state machine tries again.

use jiff::Timestamp;
use perch_core::decide::{Event, Next};
use perch_core::head::{AliasSnapshot, Fence, Head, Ledger, Snapshot};
use perch_core::names::ReleaseId;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::Release;
use serde::{Deserialize, Serialize};

use crate::ports::{
    AliasState, Claim, CommitRelease, LoadHead, LoadRelease, PortError, ReadAlias, Route,
    ShiftWeight, TakeFence,
};
use crate::step::{StepError, StepInput, StepOutput, transition};

/// How often a rollback re-reads an alias that someone else changes at the same time.
const ATTEMPTS: usize = 4;

/// What the rollback machine is started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackInput {
    /// The release to roll back.
    pub release_id: ReleaseId,
    /// Why, unless the release says so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<RollbackCause>,
}

/// Puts traffic back for the release, whatever phase it is in.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + TakeFence + CommitRelease),
    lambda: &(impl ReadAlias + ShiftWeight),
    input: &RollbackInput,
    now: Timestamp,
) -> Result<StepOutput, StepError> {
    let id = &input.release_id;
    let mut release =
        store.release(id).await?.ok_or_else(|| StepError::UnknownRelease(id.clone()))?;
    let step = StepInput { release_id: id.clone(), fence: release.fence };
    let over = step.then(Next::Close);
    if release.phase.is_over() {
        return Ok(over);
    }
    if comes_too_late(store, &release, input).await? {
        return Ok(step.then(Next::End));
    }
    let Some(head) = store.take_fence(&release.target, Claim::Holder(id)).await? else {
        return Ok(over);
    };
    release.fence = head.fence;
    let restored = match release.ledger.as_ref().map(|ledger| (ledger, &ledger.snapshot)) {
        Some((ledger, Snapshot::Alias(alias))) if release.phase.is_exposed() => {
            restore(store, lambda, &head, (ledger, alias), None).await.map(Some)
        }
        // Nothing was moved, so there is nothing to put back; or it is for another step to do.
        _ => Ok(None),
    };
    let of_servers = release.phase.is_exposed() && release.plan.driver.servers().is_some();
    // Nobody but a deployment moves the traffic of an ECS service.
    let of_service = release.phase.is_exposed() && release.plan.driver.service().is_some();
    let stops = release.plan.driver.capabilities().stop_with_rollback;
    let deployed = release.phase.is_exposed() && stops && release.deployment.is_some();
    let moving = matches!(release.phase, Phase::Shifting { .. } | Phase::Promoting { .. });
    if let Some(reload) = release.reload.as_mut().filter(|_| of_servers && moving) {
        reload.racing = true;
    }
    let mut events = Vec::new();
    events.extend(request(&release, input).map(Event::RollbackRequested));
    match &restored {
        Ok(None) if of_servers || of_service => {}
        Ok(None) => events.push(Event::TrafficRestored),
        Ok(Some(Restored::Back(alias))) => {
            // A deployment could move it again.
            let is_safe = !deployed;
            if let Some(snapshot) = release.ledger.as_mut().and_then(Ledger::alias_mut) {
                snapshot.revision.clone_from(&alias.revision);
            }
            events.extend(is_safe.then_some(Event::TrafficRestored));
        }
        // A deployment could overwrite it: that is stopped first.
        Ok(Some(Restored::Foreign(_))) if deployed => {}
        Ok(Some(Restored::Foreign(route))) => {
            events.push(Event::TakenOver { found: route.to_string() });
        }
        Err(_) => {}
    }
    let fence = release.fence;
    let (transition, next) = transition(release, &events, None, now)?;
    // The fence is the rollback's now: the record has to say so for the steps that come after.
    if !transition.entries.is_empty() || of_servers || of_service || deployed {
        store.commit(&transition).await?;
    }
    let restored = restored?;
    let next = match restored {
        _ if of_servers => Next::Restore { after_seconds: 0 },
        _ if of_service => Next::Unwind { after_seconds: 0 },
        Some(_) if deployed => Next::Unwind { after_seconds: 0 },
        Some(_) | None => next,
    };
    Ok(StepInput { release_id: id.clone(), fence }.then(next))
}

/// The cause to write down: none where the rollback was decided already, unless it was only to make
/// room and now something speaks against the artifact.
fn request(release: &Release, input: &RollbackInput) -> Option<RollbackCause> {
    let given = input.cause.clone();
    match &release.phase {
        Phase::RollingBack { cause, .. } if cause.is_replaced() => {
            given.filter(|later| !later.is_replaced())
        }
        Phase::RollingBack { .. } => None,
        _ => {
            let unknown = || RollbackCause::Error { error: "no cause was given".to_owned() };
            Some(given.unwrap_or_else(unknown))
        }
    }
}

/// A newer artifact replaces a release only until its promotion is decided: then the release and its
/// execution are left alone. Once the fence was taken
/// the rollback goes on all the same: the release's own execution can't.
async fn comes_too_late(
    store: &impl LoadHead,
    release: &Release,
    input: &RollbackInput,
) -> Result<bool, PortError> {
    let replaced = input.cause.as_ref().is_some_and(RollbackCause::is_replaced);
    if !replaced || release.is_replaceable() || matches!(release.phase, Phase::RollingBack { .. }) {
        return Ok(false);
    }
    let head = store.head(&release.target).await?;
    Ok(head.is_some_and(|head| head.fence == release.fence))
}

/// The name of the rollback that took the fence: a rollback that ended without restoring anything may
/// have the release's own name already.
pub(crate) fn rollback_name(release: &ReleaseId, fence: Fence) -> ReleaseId {
    format!("{release}-f{fence}").parse().unwrap_or_else(|_| release.clone())
}

/// What became of an alias that was to go back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Restored {
    /// It was read back with the baseline alone.
    Back(AliasState),
    /// Someone else had moved it to something that the release never set; it was not touched.
    Foreign(Route),
}

/// Moves the alias to the baseline alone and reads it back, while `held` is the head as the fence was
/// taken.
///
/// With `hint`, the first write goes without a read, conditional on that revision. Any other comes
/// after a read of the alias and a look at the fence: who took the fence later, or came after it,
/// has moved the alias too, and a rollback that was slow must not undo that.
///
/// # Errors
/// [`StepError`] when the alias could not be moved or was not read back as set;
/// [`PortError::Conflict`] when another took the fence.
pub(crate) async fn restore(
    store: &impl LoadHead,
    lambda: &(impl ReadAlias + ShiftWeight),
    held: &Head,
    (ledger, alias): (&Ledger, &AliasSnapshot),
    hint: Option<&str>,
) -> Result<Restored, StepError> {
    let route = Route::all_on(&ledger.baseline);
    if let Some(revision) = hint {
        match lambda.shift(&alias.lambda, &route, revision).await {
            // Lambda answers an update with the alias as it is then.
            Ok(alias) if alias.route == route => return Ok(Restored::Back(alias)),
            Ok(_) | Err(PortError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut found = lambda.alias(&alias.lambda).await?;
    for _ in 0..ATTEMPTS {
        refuse_stale(store, held).await?;
        if !found.route.is_within(ledger) {
            return Ok(Restored::Foreign(found.route));
        }
        // Written even where the alias is as it should be: its new revision refuses a shift that
        // read the alias and the fence before the fence was taken, and comes later.
        match lambda.shift(&alias.lambda, &route, &found.revision).await {
            Ok(_) | Err(PortError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        found = lambda.alias(&alias.lambda).await?;
        if found.route == route {
            return Ok(Restored::Back(found));
        }
    }
    Err(StepError::NotAsSet {
        what: format!("alias {}", alias.lambda.alias),
        expected: route.to_string(),
        found: found.route.to_string(),
    })
}

async fn refuse_stale(store: &impl LoadHead, held: &Head) -> Result<(), PortError> {
    let fence = store.head(&held.target).await?.map_or(0, |head| head.fence);
    if fence == held.fence {
        return Ok(());
    }
    Err(PortError::Conflict {
        what: format!("head of {}", held.target),
        expected: format!("fence {}", held.fence),
        found: format!("fence {fence}"),
    })
}
