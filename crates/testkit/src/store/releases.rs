//! Releases: reading, committing a transition, listing.

use perch_app::ports::{
    CommitRelease, KnownArtifact, ListReleases, LoadArtifact, LoadRelease, PortError, Transition,
};
use perch_core::artifact::Artifact;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use perch_core::weight::Weight;

use super::{ArtifactItem, Items, MemoryStore, conflict};
use crate::mutation::Mutation;

impl LoadRelease for MemoryStore {
    async fn release(&self, id: &ReleaseId) -> Result<Option<Release>, PortError> {
        self.look("release", |items| Ok(items.releases.get(id).cloned())).await
    }
}

impl LoadArtifact for MemoryStore {
    async fn artifact(
        &self,
        target: &TargetName,
        artifact: &Artifact,
    ) -> Result<Option<KnownArtifact>, PortError> {
        self.look("artifact", |items| {
            let known = items.artifacts.get(&(target.clone(), artifact.identity()));
            Ok(known.map(|item| KnownArtifact {
                release: item.release.clone(),
                outcome: item.outcome.map(str::to_owned),
            }))
        })
        .await
    }
}

impl CommitRelease for MemoryStore {
    async fn commit(&self, transition: &Transition) -> Result<(), PortError> {
        self.port("commit", |items| {
            items.expect(transition)?;
            items.write(transition);
            Ok(())
        })
        .await
    }
}

impl Items {
    /// The conditions of a commit: the head's holder and fence, the release's number, and that no
    /// entry is written twice.
    fn expect(&self, transition: &Transition) -> Result<(), PortError> {
        let release = &transition.release;
        let refused =
            |expected, found| Err(conflict(format!("release {}", release.id), expected, found));
        let head = self.heads.get(&release.target);
        let holder = head.map(|head| (head.active.as_ref(), head.fence));
        let checked = self.mutation != Some(Mutation::FenceUnchecked);
        if holder != Some((Some(&release.id), transition.fence)) && checked {
            return refused(format!("fence {}", transition.fence), format!("{holder:?}"));
        }
        let seq = self.releases.get(&release.id).map(|stored| stored.seq);
        if seq != Some(transition.expected_seq) {
            return refused(format!("entry {}", transition.expected_seq), format!("{seq:?}"));
        }
        let kept = self.releases.get(&release.id).map_or(0, |stored| stored.kept);
        if kept > release.kept {
            return refused(format!("kept {} times", release.kept), format!("{kept} times"));
        }
        let written = |seq: &u64| self.journal.contains_key(&(release.id.clone(), *seq));
        match transition.entries.iter().map(|entry| entry.seq).find(written) {
            Some(seq) => refused(format!("no entry {seq}"), format!("entry {seq}")),
            None => Ok(()),
        }
    }

    fn write(&mut self, transition: &Transition) {
        let release = &transition.release;
        if let Some(head) = self.heads.get_mut(&release.target) {
            head.follow(release);
            if self.mutation == Some(Mutation::LedgerLate) && release.weight() == Weight::ZERO {
                head.ledger = None;
            }
        }
        if release.phase.is_final() {
            let key = (release.target.clone(), release.artifact.identity());
            let outcome = Some(release.phase.name());
            self.artifacts.insert(key, ArtifactItem { release: release.id.clone(), outcome });
        }
        for entry in &transition.entries {
            self.journal.insert((entry.release.clone(), entry.seq), entry.clone());
        }
        self.releases.insert(release.id.clone(), release.clone());
    }
}

impl ListReleases for MemoryStore {
    async fn releases(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> Result<Vec<Release>, PortError> {
        self.port("releases", |items| {
            let wanted = |release: &&Release| target.is_none_or(|name| release.target == *name);
            let mut found: Vec<_> = items.releases.values().filter(wanted).cloned().collect();
            found.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
            found.truncate(limit);
            Ok(found)
        })
        .await
    }
}
