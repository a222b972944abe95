//! What the sweep reads and mends.

use std::collections::BTreeSet;

use jiff::Timestamp;
use perch_app::ports::{Due, FindDue, Heard, KeepHeard, KeepRuns, MendHead, PortError, SweepRun};
use perch_core::head::Fence;
use perch_core::journal::Notice;
use perch_core::names::{ReleaseId, TargetName, Version};
use perch_core::target::ModelSource;

use super::{Items, MemoryStore};

impl FindDue for MemoryStore {
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, PortError> {
        self.port("due", |items| {
            let due = items.due.iter().filter(|(_, at)| **at < now);
            let due = due.map(|(target, at)| Due { target: target.clone(), at: *at });
            let mut due: Vec<Due> = due.collect();
            due.sort_by_key(|due| due.at);
            due.truncate(limit);
            Ok(due)
        })
        .await
    }

    async fn claim(&self, due: &Due, next: Timestamp) -> Result<bool, PortError> {
        self.port("claim", |items| {
            let is_due = items.due.get(&due.target) == Some(&due.at);
            if is_due {
                items.due.insert(due.target.clone(), next);
            }
            Ok(is_due)
        })
        .await
    }
}

impl MendHead for MemoryStore {
    async fn free_target(
        &self,
        target: &TargetName,
        release: &ReleaseId,
        fence: Fence,
        notice: &Notice,
    ) -> Result<bool, PortError> {
        self.port("free_target", |items| {
            let Some(head) = items.heads.get_mut(target) else { return Ok(false) };
            if head.active.as_ref() != Some(release) || head.fence != fence {
                return Ok(false);
            }
            (head.active, head.exposed, head.ledger) = (None, false, None);
            head.fence += 1;
            items.notices.push(notice.clone());
            Ok(true)
        })
        .await
    }

    async fn tell_drift(
        &self,
        target: &TargetName,
        drift: Option<&str>,
        notice: &Notice,
    ) -> Result<(), PortError> {
        self.port("tell_drift", |items| {
            if let Some(head) = items.heads.get_mut(target) {
                head.drift = drift.map(str::to_owned);
            }
            items.notices.push(notice.clone());
            Ok(())
        })
        .await
    }
}

fn of(target: &TargetName, source: &ModelSource) -> (TargetName, String) {
    (target.clone(), source.place())
}

impl Items {
    /// Every target has heard of every model under these keys.
    pub(crate) fn hear_all(&mut self, keys: &[String]) {
        for (name, target) in &self.targets {
            let Some(source) = &target.sources.model else { continue };
            let versions = keys.iter().filter_map(|key| source.version_of(key)?.parse().ok());
            self.heard.entry(of(name, source)).or_default().versions.extend(versions);
        }
    }
}

impl KeepHeard for MemoryStore {
    async fn heard(&self, target: &TargetName, source: &ModelSource) -> Result<Heard, PortError> {
        self.look("heard", |items| {
            Ok(items.heard.get(&of(target, source)).cloned().unwrap_or_default())
        })
        .await
    }

    async fn hear(
        &self,
        target: &TargetName,
        source: &ModelSource,
        version: &Version,
    ) -> Result<(), PortError> {
        self.port("hear", |items| {
            let heard = items.heard.entry(of(target, source)).or_default();
            heard.versions.insert(version.clone());
            Ok(())
        })
        .await
    }

    async fn swept(
        &self,
        target: &TargetName,
        source: &ModelSource,
        versions: &BTreeSet<Version>,
    ) -> Result<(), PortError> {
        self.port("swept", |items| {
            let heard = Heard { versions: versions.clone(), swept: true };
            items.heard.insert(of(target, source), heard);
            Ok(())
        })
        .await
    }
}

impl KeepRuns for MemoryStore {
    async fn run(&self, run: &SweepRun) -> Result<(), PortError> {
        self.port("run", |items| {
            items.runs.push(run.clone());
            Ok(())
        })
        .await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<SweepRun>, PortError> {
        self.port("runs", |items| Ok(items.runs.iter().rev().take(limit).cloned().collect())).await
    }
}
