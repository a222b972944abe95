//! The head: reading it, taking the fence, and the artifact that waits.

use jiff::Timestamp;
use perch_app::ports::{
    Behind, Claim, LoadHead, LoadStanding, PortError, Standing, TakeFence, Turn, WaitForTurn,
};
use perch_core::artifact::Lane;
use perch_core::head::{Head, Waiting};
use perch_core::names::TargetName;

use super::{Items, MemoryStore};

impl LoadHead for MemoryStore {
    async fn head(&self, target: &TargetName) -> Result<Option<Head>, PortError> {
        self.look("head", |items| Ok(items.heads.get(target).cloned())).await
    }
}

impl LoadStanding for MemoryStore {
    async fn standing(&self, target: &TargetName) -> Result<Standing, PortError> {
        self.look("standing", |items| {
            let head = items.heads.get(target).cloned();
            let own = head.as_ref().and_then(|head| head.stopped.clone());
            Ok(Standing { head, stop: own.or_else(|| items.stop_of_all.clone()) })
        })
        .await
    }
}

impl TakeFence for MemoryStore {
    async fn take_fence(
        &self,
        target: &TargetName,
        claim: Claim<'_>,
    ) -> Result<Option<Head>, PortError> {
        self.port("take_fence", |items| {
            let holds = |head: &&mut Head| match claim {
                Claim::Guard { at } => {
                    let in_time = |ledger: &perch_core::head::Ledger| ledger.taken_at <= at;
                    head.active.is_some()
                        && head.exposed
                        && head.ledger.as_ref().is_some_and(in_time)
                }
                Claim::Holder(id) => head.active.as_ref() == Some(id),
            };
            let Some(head) = items.heads.get_mut(target).filter(holds) else {
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
        behind: Behind<'_>,
    ) -> Result<Turn, PortError> {
        self.port("wait_for_turn", |items| Ok(items.wait_for_turn(target, waiting, behind))).await
    }

    async fn forget_waiting(
        &self,
        target: &TargetName,
        lane: Lane,
        pushed_at: Timestamp,
    ) -> Result<(), PortError> {
        self.port("forget_waiting", |items| {
            let same = |waiting: &Waiting| waiting.pushed_at == pushed_at;
            if let Some(head) = items.heads.get_mut(target)
                && head.waiting_of(lane).is_some_and(same)
            {
                *waiting_mut(head, lane) = None;
            }
            Ok(())
        })
        .await
    }

    async fn mark_seen(&self, target: &TargetName, pushed_at: Timestamp) -> Result<(), PortError> {
        self.port("mark_seen", |items| {
            if let Some(head) = items.heads.get_mut(target) {
                head.seen = head.seen.max(Some(pushed_at));
            }
            Ok(())
        })
        .await
    }
}

fn waiting_mut(head: &mut Head, lane: Lane) -> &mut Option<Waiting> {
    match lane {
        Lane::Code => &mut head.waiting,
        Lane::Model => &mut head.model_waiting,
    }
}

impl Items {
    fn wait_for_turn(
        &mut self,
        target: &TargetName,
        waiting: &Waiting,
        behind: Behind<'_>,
    ) -> Turn {
        let Some(head) = self.heads.get_mut(target) else { return Turn::Free };
        let stands = match behind {
            Behind::Release(id) => head.active.as_ref() == Some(id),
            // The stop of all is another item, which the condition of one write can't see.
            Behind::Stop => true,
        };
        if !stands {
            return Turn::Free;
        }
        let waits = waiting_mut(head, waiting.artifact.lane());
        match waits {
            Some(newer) if newer.pushed_at > waiting.pushed_at => {
                Turn::Overtaken { by: newer.clone() }
            }
            _ => Turn::Waits { instead_of: waits.replace(waiting.clone()) },
        }
    }
}
