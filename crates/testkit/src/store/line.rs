//! Stops, notices, and what became of events.

use perch_app::ports::{EventTrace, ListNotices, PortError, StopLine, TraceEvent};
use perch_core::journal::Notice;
use perch_core::names::TargetName;
use perch_core::stop::Stop;

use super::{Items, MemoryStore, conflict};

impl StopLine for MemoryStore {
    async fn stop(
        &self,
        target: Option<&TargetName>,
        stop: &Stop,
        notice: &Notice,
    ) -> Result<(), PortError> {
        self.port("stop", |items| {
            let place = items.stop_mut(target)?;
            if place.is_none() {
                *place = Some(stop.clone());
                items.notices.push(notice.clone());
            }
            Ok(())
        })
        .await
    }

    async fn resume(
        &self,
        target: Option<&TargetName>,
        notice: &Notice,
    ) -> Result<bool, PortError> {
        self.port("resume", |items| {
            let stood = items.stop_mut(target)?.take().is_some();
            if stood {
                items.notices.push(notice.clone());
            }
            Ok(stood)
        })
        .await
    }

    async fn stop_of_all(&self) -> Result<Option<Stop>, PortError> {
        self.port("stop_of_all", |items| Ok(items.stop_of_all.clone())).await
    }
}

impl Items {
    fn stop_mut(&mut self, target: Option<&TargetName>) -> Result<&mut Option<Stop>, PortError> {
        let Some(target) = target else { return Ok(&mut self.stop_of_all) };
        let missing = || conflict(format!("head of {target}"), "a head".into(), "none".into());
        Ok(&mut self.heads.get_mut(target).ok_or_else(missing)?.stopped)
    }
}

impl ListNotices for MemoryStore {
    async fn notices(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> Result<Vec<Notice>, PortError> {
        self.port("notices", |items| {
            let newest = items.notices.iter().rev();
            Ok(newest.filter(|n| n.target.as_ref() == target).take(limit).cloned().collect())
        })
        .await
    }
}

impl TraceEvent for MemoryStore {
    async fn traces(&self, event: &str) -> Result<Vec<EventTrace>, PortError> {
        self.port("traces", |items| {
            let of_event = |trace: &&EventTrace| trace.event == event;
            Ok(items.traces.values().filter(of_event).cloned().collect())
        })
        .await
    }
}
