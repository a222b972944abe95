//! The sweep: looks at every target that is due, and mends what events and executions left behind.
//!
//! With nothing to do a target costs five calls (claim, head and stop, spec, alias, the next claim)
//! and a listing of its repository, which targets of the same source share; where it takes models, also
//! one for those that it has heard of, and a listing of their folders. A target that can't be looked at
//! does not keep the others from it.

mod found;
mod mend;
mod uploads;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use perch_core::head::Head;
use perch_core::names::TargetName;
use perch_core::sweep::{Pushed, Situation, remedies};
use perch_core::target::Target;

use crate::ports::{
    AnnounceUpload, CommitRelease, Due, FindDue, KeepHeard, KeepNote, KeepRuns, ListSources,
    ListUploads, LoadArtifact, LoadHead, LoadRelease, LoadStanding, LoadTarget, MendHead,
    PlanRelease, PortError, ReadAlias, ReadServices, StartExecution, SweepRun, WaitForTurn,
};
use crate::step::StepError;

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
    + KeepHeard
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
        + KeepHeard
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
    (lambda, services): (&impl ReadAlias, &impl ReadServices),
    (images, uploads): (&impl ListSources, &(impl ListUploads + AnnounceUpload)),
    executions: &impl StartExecution,
    now: Timestamp,
    goes_on: impl Fn() -> bool,
) -> Result<SweepRun, PortError> {
    let id = format!("sweep-{}", now.strftime("%Y%m%d-%H%M%S"));
    let mut run =
        SweepRun { id, at: now, looked_at: 0, did: Vec::new(), failed: Vec::new(), more: false };
    let (mut listed, mut seen) = (Listed::default(), HashSet::new());
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
            let (sources, mut did) = ((images, uploads), Vec::new());
            let looked =
                sweep.look_at((lambda, services), sources, &mut listed, &due, &mut did).await;
            run.note(&due.target, looked, &did);
        }
    }
    store.run(&run).await?;
    Ok(run)
}

impl SweepRun {
    /// Adds what came of a look, also what was done before it failed; nothing when another sweep was
    /// faster.
    fn note(&mut self, target: &TargetName, looked: Result<bool, StepError>, did: &[String]) {
        self.did.extend(did.iter().map(|did| format!("{target}: {did}")));
        match looked {
            Ok(false) => return,
            Ok(true) => {}
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

/// What was listed in this run.
#[derive(Debug, Default)]
struct Listed {
    images: HashMap<String, Option<Pushed>>,
    uploads: uploads::Seen,
}

impl<S: Store, E: StartExecution> Sweep<'_, S, E> {
    /// Claims and looks at one target, and adds what was done to `did`; whether another sweep was not
    /// faster.
    async fn look_at(
        &self,
        traffic: (&impl ReadAlias, &impl ReadServices),
        (images, uploads): (&impl ListSources, &(impl ListUploads + AnnounceUpload)),
        listed: &mut Listed,
        due: &Due,
        did: &mut Vec<String>,
    ) -> Result<bool, StepError> {
        let next = self.now.saturating_add(ACTIVE).unwrap_or(self.now);
        if !self.store.claim(due, next).await? {
            return Ok(false);
        }
        let standing = self.store.standing(&due.target).await?;
        let (Some(head), Some(target)) = (standing.head, self.store.target(&due.target).await?)
        else {
            return Ok(true);
        };
        let active = match &head.active {
            Some(id) => self.store.release(id).await?,
            None => None,
        };
        let route = found::run(traffic, &target.service).await?;
        let newest = self.newest(images, &mut listed.images, &target, &head).await?;
        let idle = head.active.is_none();
        let stopped = standing.stop.is_some();
        let situation = Situation { head, active, stopped, route, newest };
        for remedy in remedies(&situation, self.now) {
            did.extend(self.mend(&target, &situation, remedy).await?);
        }
        let of = (&situation.head, situation.active.as_ref());
        did.extend(self.announce_upload(uploads, &mut listed.uploads, &target, of).await?);
        if idle && did.is_empty() {
            let later = self.now.saturating_add(IDLE).unwrap_or(self.now);
            self.store.claim(&Due { target: target.name, at: next }, later).await?;
        }
        Ok(true)
    }

    /// The newest image, listed once per source and run.
    async fn newest(
        &self,
        images: &impl ListSources,
        listed: &mut HashMap<String, Option<Pushed>>,
        target: &Target,
        head: &Head,
    ) -> Result<Option<Pushed>, PortError> {
        let Some(source) = &target.sources.image else { return Ok(None) };
        let key = format!("{}|{}", source.repository, source.tags.join("|"));
        let newest = match listed.get(&key) {
            Some(known) => known.clone(),
            None => {
                let found = images.newest_image(source).await?;
                listed.insert(key, found.clone());
                found
            }
        };
        let Some(newest) = newest.filter(|newest| head.seen.is_none_or(|seen| newest.at > seen))
        else {
            return Ok(None);
        };
        let missed = match self.store.artifact(&target.name, &newest.artifact).await? {
            None => true,
            // Its release left it open: it has another turn if it was pushed again since.
            Some(known) if known.is_open() => {
                let release = self.store.release(&known.release).await?;
                release.is_some_and(|release| newest.at > release.cause.pushed_at())
            }
            Some(_) => false,
        };
        Ok(missed.then_some(newest))
    }
}
