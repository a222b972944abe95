//! A new release: its record, first journal entry, artifact item and the head, all or nothing.

use perch_app::ports::{PlanRelease, Planned, PortError};
use perch_core::head::Head;
use perch_core::journal::JournalEntry;
use perch_core::release::Release;

use super::{ArtifactItem, Items, MemoryStore, conflict};

impl PlanRelease for MemoryStore {
    async fn plan(&self, release: &Release, entry: &JournalEntry) -> Result<Planned, PortError> {
        self.port("plan", |items| items.plan(release, entry)).await
    }
}

/// How a release can have ended for its artifact to be admitted again.
const OPEN_AGAIN: [&str; 2] = ["Rejected", "Superseded"];

impl Items {
    fn plan(&mut self, release: &Release, entry: &JournalEntry) -> Result<Planned, PortError> {
        if self.releases.contains_key(&release.id) {
            return Ok(Planned::Repeated);
        }
        let artifact = (release.target.clone(), release.artifact.identity());
        if let Some(known) = self.artifacts.get(&artifact)
            && !known.outcome.is_some_and(|outcome| OPEN_AGAIN.contains(&outcome))
        {
            let ended = |outcome| format!("ended {outcome}");
            let outcome = known.outcome.map_or_else(|| "not ended yet".to_owned(), ended);
            return Ok(Planned::AlreadyReleased { by: known.release.clone(), outcome });
        }
        let head = self.heads.get(&release.target);
        if let Some(active) = head.and_then(|head| head.active.clone()) {
            return Ok(Planned::Busy { active });
        }
        if let Some(head) = head.filter(|head| head.fence + 1 != release.fence) {
            let what = format!("head of {}", release.target);
            let expected = release.fence.saturating_sub(1).to_string();
            return Err(conflict(what, expected, head.fence.to_string()));
        }
        let waiting = head.and_then(|head| head.waiting.clone());
        self.heads.insert(
            release.target.clone(),
            Head {
                target: release.target.clone(),
                fence: release.fence,
                active: Some(release.id.clone()),
                exposed: false,
                ledger: None,
                waiting,
            },
        );
        self.artifacts
            .insert(artifact, ArtifactItem { release: release.id.clone(), outcome: None });
        self.journal.insert((entry.release.clone(), entry.seq), entry.clone());
        self.releases.insert(release.id.clone(), release.clone());
        Ok(Planned::Created)
    }
}
