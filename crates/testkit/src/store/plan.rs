//! A new release: its record, first journal entry, artifact item and the head, all or nothing.

use perch_app::ports::{EventTrace, PlanRelease, Planned, PortError};
use perch_app::reconcile::ACTIVE;
use perch_core::head::Head;
use perch_core::journal::JournalEntry;
use perch_core::release::Release;

use super::{ArtifactItem, Items, MemoryStore, conflict};
use crate::mutation::Mutation;

impl PlanRelease for MemoryStore {
    async fn plan(&self, release: &Release, entry: &JournalEntry) -> Result<Planned, PortError> {
        self.port("plan", |items| items.plan(release, entry)).await
    }
}

/// How a release can have ended for its artifact to be admitted again.
const OPEN_AGAIN: [&str; 2] = ["Rejected", "Superseded"];

impl Items {
    fn plan(&mut self, release: &Release, entry: &JournalEntry) -> Result<Planned, PortError> {
        let dedupes = self.mutation != Some(Mutation::DedupeRemoved);
        if dedupes && self.releases.contains_key(&release.id) {
            return Ok(Planned::Repeated);
        }
        let artifact = (release.target.clone(), release.artifact.identity());
        if let Some(known) = self.artifacts.get(&artifact).filter(|_| dedupes)
            && !known.outcome.is_some_and(|o| release.cause.is_person() || OPEN_AGAIN.contains(&o))
        {
            let ended = |outcome| format!("ended {outcome}");
            let outcome = known.outcome.map_or_else(|| "not ended yet".to_owned(), ended);
            return Ok(Planned::AlreadyReleased { by: known.release.clone(), outcome });
        }
        let head = self.heads.get(&release.target);
        let own = head.and_then(|head| head.stopped.clone());
        if let Some(stop) = own.or_else(|| self.stop_of_all.clone()) {
            return Ok(Planned::Stopped(stop));
        }
        if let Some(active) = head.and_then(|head| head.active.clone()) {
            return Ok(Planned::Busy { active });
        }
        if let Some(head) = head.filter(|head| head.fence + 1 != release.fence) {
            let what = format!("head of {}", release.target);
            let expected = release.fence.saturating_sub(1).to_string();
            return Err(conflict(what, expected, head.fence.to_string()));
        }
        let head = head.cloned().unwrap_or_else(|| Head::new(release.target.clone()));
        let (active, fence) = (Some(release.id.clone()), release.fence);
        let head = Head { fence, active, exposed: false, ledger: None, ..head };
        self.heads.insert(release.target.clone(), head);
        let soon = release.started_at.saturating_add(ACTIVE).unwrap_or(release.started_at);
        self.due.insert(release.target.clone(), soon);
        let trace = EventTrace {
            event: release.cause.id(),
            target: Some(release.target.clone()),
            at: release.cause.pushed_at(),
            subject: release.artifact.to_string(),
            release: Some(release.id.clone()),
            why: None,
        };
        self.traces.insert((trace.event.clone(), trace.target.clone()), trace);
        self.artifacts
            .insert(artifact, ArtifactItem { release: release.id.clone(), outcome: None });
        self.journal.insert((entry.release.clone(), entry.seq), entry.clone());
        self.releases.insert(release.id.clone(), release.clone());
        Ok(Planned::Created)
    }
}
