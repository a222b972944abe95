//! The sweep: looks at every target that is due, and mends what events and executions left behind.
//!
//! With nothing to do a target costs five calls (claim, head and stop, spec, alias, the next claim)
//! and a listing of its repository, which targets of the same source share. A target that can't be
//! looked at does not keep the others from it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use perch_core::decide::{Event, Next};
use perch_core::head::{Fence, Head};
use perch_core::journal::{Happened, Notice};
use perch_core::names::TargetName;
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Cause, Release};
use perch_core::sweep::{Found, Pushed, Remedy, Situation, remedies};
use perch_core::target::Target;
use serde_json::json;

use crate::announce::Answer;
use crate::close_release::start_waiting;
use crate::ports::{
    CommitRelease, Due, FindDue, KeepNote, KeepRuns, ListSources, LoadArtifact, LoadHead,
    LoadRelease, LoadStanding, LoadTarget, Machine, MendHead, PlanRelease, PortError, ReadAlias,
    StartExecution, SweepRun, WaitForTurn,
};
use crate::restore_traffic::{RollbackInput, rollback_name};
use crate::start_release::start;
use crate::step::{StepError, transition};

/// How often a target without a release is looked at.
pub const IDLE: Duration = Duration::from_secs(900);

/// How often a target with a release is looked at.
pub const ACTIVE: Duration = Duration::from_secs(300);

/// Targets that are claimed with one query.
const PAGE: usize = 100;

/// The table as the sweep needs it.
pub trait Store:
    FindDue
    + MendHead
    + KeepRuns
    + LoadHead
    + LoadStanding
    + LoadRelease
    + LoadTarget
    + LoadArtifact
    + PlanRelease
    + CommitRelease
    + WaitForTurn
    + KeepNote
    + Sync
{
}

impl<T> Store for T where
    T: FindDue
        + MendHead
        + KeepRuns
        + LoadHead
        + LoadStanding
        + LoadRelease
        + LoadTarget
        + LoadArtifact
        + PlanRelease
        + CommitRelease
        + WaitForTurn
        + KeepNote
        + Sync
{
}

/// Looks at every target that was due before `now`, page by page, while `goes_on` says so.
///
/// # Errors
/// [`PortError`] when due targets can't be found or the run can't be written. What fails for one
/// target stands in the run, and the target is due again.
pub async fn run(
    store: &impl Store,
    lambda: &impl ReadAlias,
    sources: &impl ListSources,
    executions: &impl StartExecution,
    now: Timestamp,
    goes_on: impl Fn() -> bool,
) -> Result<SweepRun, PortError> {
    let id = format!("sweep-{}", now.strftime("%Y%m%d-%H%M%S"));
    let mut run =
        SweepRun { id, at: now, looked_at: 0, did: Vec::new(), failed: Vec::new(), more: false };
    let (mut listed, mut seen) = (HashMap::new(), HashSet::new());
    while !run.more {
        let mut page = store.due(now, PAGE).await?;
        let is_full = page.len() == PAGE;
        // The index follows the table with a delay: what was claimed may still be found as due.
        page.retain(|due| seen.insert(due.target.clone()));
        if page.is_empty() {
            run.more = is_full;
            break;
        }
        for due in page {
            run.more = !goes_on();
            if run.more {
                break;
            }
            let sweep = Sweep { store, executions, run: &run.id, now };
            let looked = sweep.look_at(lambda, sources, &mut listed, &due).await;
            run.note(&due.target, looked);
        }
    }
    store.run(&run).await?;
    Ok(run)
}

impl SweepRun {
    /// Adds what came of a look; nothing when another sweep was faster.
    fn note(&mut self, target: &TargetName, looked: Result<Option<Vec<String>>, StepError>) {
        match looked {
            Ok(None) => return,
            Ok(Some(did)) => self.did.extend(did.iter().map(|did| format!("{target}: {did}"))),
            Err(error) => self.failed.push(format!("{target}: {error}")),
        }
        self.looked_at += 1;
    }
}

struct Sweep<'a, S, E> {
    store: &'a S,
    executions: &'a E,
    run: &'a str,
    now: Timestamp,
}

type Listed = HashMap<String, Option<Pushed>>;

impl<S: Store, E: StartExecution> Sweep<'_, S, E> {
    /// Claims and looks at one target; what was done, or nothing when another sweep was faster.
    async fn look_at(
        &self,
        lambda: &impl ReadAlias,
        sources: &impl ListSources,
        listed: &mut Listed,
        due: &Due,
    ) -> Result<Option<Vec<String>>, StepError> {
        let next = self.now.saturating_add(ACTIVE).unwrap_or(self.now);
        if !self.store.claim(due, next).await? {
            return Ok(None);
        }
        let standing = self.store.standing(&due.target).await?;
        let (Some(head), Some(target)) = (standing.head, self.store.target(&due.target).await?)
        else {
            return Ok(Some(Vec::new()));
        };
        let active = match &head.active {
            Some(id) => self.store.release(id).await?,
            None => None,
        };
        let route = match lambda.alias(&target.service.lambda).await {
            Ok(alias) => Some(Found {
                alone: alias.route.split.is_none().then(|| alias.route.primary.clone()),
                text: alias.route.to_string(),
            }),
            Err(PortError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let newest = self.newest(sources, listed, &target, &head).await?;
        let idle = head.active.is_none();
        let stopped = standing.stop.is_some();
        let situation = Situation { head, active, stopped, route, newest };
        let mut did = Vec::new();
        for remedy in remedies(&situation, self.now) {
            did.extend(self.mend(&target, &situation, remedy).await?);
        }
        if idle && did.is_empty() {
            let later = self.now.saturating_add(IDLE).unwrap_or(self.now);
            self.store.claim(&Due { target: target.name, at: next }, later).await?;
        }
        Ok(Some(did))
    }

    /// The newest image, listed once per source and run.
    async fn newest(
        &self,
        sources: &impl ListSources,
        listed: &mut Listed,
        target: &Target,
        head: &Head,
    ) -> Result<Option<Pushed>, PortError> {
        let Some(source) = &target.sources.image else { return Ok(None) };
        let key = format!("{}|{}", source.repository, source.tags.join("|"));
        let newest = match listed.get(&key) {
            Some(known) => known.clone(),
            None => {
                let found = sources.newest_image(source).await?;
                listed.insert(key, found.clone());
                found
            }
        };
        let Some(newest) = newest.filter(|newest| head.seen.is_none_or(|seen| newest.at > seen))
        else {
            return Ok(None);
        };
        let known = self.store.artifact(&target.name, &newest.artifact).await?;
        Ok(known.is_none().then_some(newest))
    }

    async fn mend(
        &self,
        target: &Target,
        situation: &Situation,
        remedy: Remedy,
    ) -> Result<Option<String>, StepError> {
        let name = &target.name;
        match remedy {
            Remedy::FreeTarget => self.free(name, &situation.head).await,
            Remedy::FinishRollback { fence } => {
                let error = format!("the rollback that took fence {fence} was lost");
                self.roll_back(situation, fence, RollbackCause::Error { error }).await
            }
            Remedy::CloseStuck => {
                let error = "traffic was put back by hand".to_owned();
                let fence = situation.head.fence;
                self.roll_back(situation, fence, RollbackCause::Error { error }).await
            }
            Remedy::Revive => self.revive(situation).await,
            Remedy::StartWaiting => {
                let answer = start_waiting(self.store, self.executions, name, self.now).await?;
                Ok(answer.map(|answer| format!("an artifact waited: {}", told(&answer))))
            }
            Remedy::StartMissed(pushed) => {
                let cause = Cause::Sweep { id: self.run.to_owned(), pushed_at: pushed.at };
                let (store, executions) = (self.store, self.executions);
                let answer =
                    start(store, executions, target, &pushed.artifact, cause, self.now).await?;
                Ok(Some(format!("no event announced {}: {}", pushed.artifact, told(&answer))))
            }
            Remedy::TellDrift { found } => self.tell_drift(target, &situation.head, found).await,
            Remedy::ForgetDrift => {
                let text = "the alias sends again what was promoted last".to_owned();
                let notice = self.notice(name, Happened::DriftEnded, text);
                self.store.tell_drift(name, None, &notice).await?;
                Ok(Some(notice.text))
            }
        }
    }

    async fn free(&self, name: &TargetName, head: &Head) -> Result<Option<String>, StepError> {
        let Some(release) = &head.active else { return Ok(None) };
        let text = format!("it was held by {release}, which is over or does not exist");
        let notice = self.notice(name, Happened::TargetFreed, text);
        let freed = self.store.free_target(name, release, head.fence, &notice).await?;
        Ok(freed.then_some(notice.text))
    }

    async fn roll_back(
        &self,
        situation: &Situation,
        fence: Fence,
        cause: RollbackCause,
    ) -> Result<Option<String>, StepError> {
        let Some(release) = &situation.active else { return Ok(None) };
        let text = format!("rollback of {} started: {cause}", release.id);
        let input = RollbackInput { release_id: release.id.clone(), cause: Some(cause) };
        let name = rollback_name(&release.id, fence);
        self.executions.start(Machine::Rollback, &name, &json!(input)).await?;
        Ok(Some(text))
    }

    /// Writes down that the execution was lost, then starts another. A conflict means that the
    /// execution lives: its next step came between.
    async fn revive(&self, situation: &Situation) -> Result<Option<String>, StepError> {
        let Some(release) = &situation.active else { return Ok(None) };
        let (transition, next) = transition(release.clone(), &[Event::Revived], None, self.now)?;
        match self.store.commit(&transition).await {
            Ok(()) => {}
            Err(PortError::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let revived = transition.release;
        let name = format!("{}-{}", revived.id, revived.seq);
        let name = name.parse().unwrap_or_else(|_| revived.id.clone());
        let (machine, input) = going_on(&revived, next);
        self.executions.start(machine, &name, &input).await?;
        Ok(Some(format!("{} goes on in phase {}", revived.id, revived.phase.name())))
    }

    async fn tell_drift(
        &self,
        target: &Target,
        head: &Head,
        found: String,
    ) -> Result<Option<String>, StepError> {
        let Some(serving) = &head.serving else { return Ok(None) };
        let lambda = &target.service.lambda;
        let text = format!(
            "alias {} of {} sends {found}, but release {} promoted version {}. If that is meant, do \
             nothing: the next release starts from what serves then, unless it is a split. If not: \
             `perch rollback {} --to {} --reason TEXT`",
            lambda.alias,
            lambda.function,
            serving.release,
            serving.version,
            target.name,
            serving.version
        );
        let notice = self.notice(&target.name, Happened::DriftFound, text);
        self.store.tell_drift(&target.name, Some(&found), &notice).await?;
        Ok(Some(notice.text))
    }

    fn notice(&self, target: &TargetName, what: Happened, text: String) -> Notice {
        Notice { id: self.run.to_owned(), target: Some(target.clone()), at: self.now, what, text }
    }
}

/// The machine that carries a release on, and its input.
fn going_on(release: &Release, next: Next) -> (Machine, serde_json::Value) {
    if matches!(release.phase, Phase::RollingBack { .. }) || next == Next::Rollback {
        let input = RollbackInput { release_id: release.id.clone(), cause: None };
        return (Machine::Rollback, json!(input));
    }
    (Machine::CanaryDeploy, json!({ "releaseId": release.id, "fence": release.fence }))
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Started(id) => format!("release {id} started"),
        Answer::Waits { behind } => format!("it waits: {behind}"),
        Answer::Ignored(why) => why.clone(),
    }
}
