//! What the sweep does about a target, with the use cases that events start.

use perch_core::decide::{Event, Next};
use perch_core::head::{Fence, Head};
use perch_core::journal::{Happened, Notice};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Cause, Release};
use perch_core::sweep::{Remedy, Situation, is_overdue};
use perch_core::target::Target;
use serde_json::json;

use super::{Store, Sweep};
use crate::announce::Answer;
use crate::close_release::start_waiting;
use crate::ports::{Machine, PortError, StartExecution};
use crate::restore_traffic::{RollbackInput, rollback_name};
use crate::start_release::start;
use crate::step::{StepError, transition};

impl<S: Store, E: StartExecution> Sweep<'_, S, E> {
    /// Does what the situation asks for; what was done, in words.
    pub(super) async fn mend(
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
        let name = self.rollback_name(release, fence);
        self.executions.start(Machine::Rollback, &name, &json!(input)).await?;
        Ok(Some(text))
    }

    /// The name of the rollback that took the fence, which may run; once it must have ended, a name
    /// of its own: an execution that ended keeps its name from others.
    fn rollback_name(&self, release: &Release, fence: Fence) -> ReleaseId {
        let name = rollback_name(&release.id, fence);
        if !is_overdue(release, self.now) {
            return name;
        }
        format!("{name}-{}", self.now.strftime("%H%M%S")).parse().unwrap_or(name)
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
        let what = match (&target.service.lambda, &target.service.ecs) {
            (Some(lambda), _) => format!("alias {} of {} sends", lambda.alias, lambda.function),
            (None, Some(service)) => format!("{service} has"),
            (None, None) => return Ok(None),
        };
        let text = format!(
            "{what} {found}, but release {} promoted version {}. If that is meant, do nothing: the next \
             release starts from what serves then, unless it is a split. If not: `perch rollback {} --to {} \
             --reason TEXT`",
            serving.release, serving.version, target.name, serving.version
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
    (Machine::of(&release.plan.driver), json!({ "releaseId": release.id, "fence": release.fence }))
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Started(id) => format!("release {id} started"),
        Answer::Waits { behind } => format!("it waits: {behind}"),
        Answer::Ignored(why) => why.clone(),
    }
}
