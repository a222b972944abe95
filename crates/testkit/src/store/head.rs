//! The head: reading it, taking the fence, and the artifact that waits.

use jiff::Timestamp;
use perch_app::ports::{LoadHead, PortError, TakeFence, WaitForTurn};
use perch_core::head::{Head, Waiting};
use perch_core::names::{ReleaseId, TargetName};

use super::MemoryStore;

impl LoadHead for MemoryStore {
    async fn head(&self, target: &TargetName) -> Result<Option<Head>, PortError> {
        self.port("head", |items| Ok(items.heads.get(target).cloned())).await
    }
}

impl TakeFence for MemoryStore {
    async fn take_fence(
        &self,
        target: &TargetName,
        holder: Option<&ReleaseId>,
    ) -> Result<Option<Head>, PortError> {
        self.port("take_fence", |items| {
            let free = |head: &&mut Head| match holder {
                None => head.active.is_some() && head.exposed,
                Some(id) => head.active.as_ref() == Some(id),
            };
            let Some(head) = items.heads.get_mut(target).filter(free) else {
                return Ok(None);
            };
            head.fence += 1;
            Ok(Some(head.clone()))
        })
        .await
    }
}

impl WaitForTurn for MemoryStore {
    async fn wait_for_turn(
        &self,
        target: &TargetName,
        waiting: &Waiting,
    ) -> Result<bool, PortError> {
        self.port("wait_for_turn", |items| {
            let Some(head) = items.heads.get_mut(target) else {
                return Ok(false);
            };
            let newer = |other: &Waiting| other.pushed_at > waiting.pushed_at;
            if head.waiting.as_ref().is_some_and(newer) {
                return Ok(false);
            }
            head.waiting = Some(waiting.clone());
            Ok(true)
        })
        .await
    }

    async fn forget_waiting(
        &self,
        target: &TargetName,
        pushed_at: Timestamp,
    ) -> Result<(), PortError> {
        self.port("forget_waiting", |items| {
            let same = |waiting: &Waiting| waiting.pushed_at == pushed_at;
            if let Some(head) = items.heads.get_mut(target)
                && head.waiting.as_ref().is_some_and(same)
            {
                head.waiting = None;
            }
            Ok(())
        })
        .await
    }
}
