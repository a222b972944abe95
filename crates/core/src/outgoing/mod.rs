//! What other systems are told on the event bus: the names of the events and what is in them.
//!
//! An event is made of a journal entry or a notice alone, so the same one gives the same event each
//! time. What is in them is a contract: see `docs/events.md`. Who sends them is left to the caller.

mod detail;

pub use detail::{Detail, NoticeEvent, ReleaseEvent};

use jiff::Timestamp;

use crate::artifact::Artifact;
use crate::journal::{Happened, JournalEntry, Notice, What};

/// The source of every event.
pub const SOURCE: &str = "perch.releases";

/// An event for the bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// What happened, in past tense: the event's `detail-type`.
    pub name: &'static str,
    /// When it was decided.
    pub at: Timestamp,
    /// What is in it.
    pub detail: Detail,
}

impl Outgoing {
    /// The event of a journal entry; `None` for one that only matters inside of Perch, and for one from
    /// before there was a bus.
    pub fn of_entry(entry: &JournalEntry) -> Option<Self> {
        let moment = entry.moment.as_deref()?;
        let name = name(entry.what, &moment.artifact)?;
        Some(Self {
            name,
            at: entry.at,
            detail: Detail::Release(Box::new(ReleaseEvent::of(entry, moment))),
        })
    }

    /// The event of a notice.
    pub fn of_notice(notice: &Notice) -> Self {
        Self {
            name: notice_name(notice.what),
            at: notice.at,
            detail: Detail::Notice(NoticeEvent::of(notice)),
        }
    }
}

/// The name of a journal entry's event.
fn name(what: What, artifact: &Artifact) -> Option<&'static str> {
    let name = match what {
        What::BakeJudged
        | What::LedgerTaken
        | What::CodeSet
        | What::SmokeTested
        | What::ModelChecked
        | What::DeploymentStarted
        | What::DeploymentStopped
        | What::PromotionDecided => return None,
        What::ReleasePlanned => "ReleasePlanned",
        What::CanaryPublished => "CanaryPublished",
        What::WeightShifted => "WeightShifted",
        What::ReplicasReloaded => "ReplicasReloaded",
        What::ReplicasLeftOut => "ReplicasLeftOut",
        What::CacheSwitched => "CacheSwitched",
        What::CacheNotSwitched => "CacheNotSwitched",
        What::OrderGiven => "OrderGiven",
        What::CanaryPromoted => promoted(artifact),
        What::ReleasePromoted => "ReleasePromoted",
        What::RollbackDecided => "RollbackDecided",
        What::ReleaseRolledBack => "ReleaseRolledBack",
        What::ReleaseRejected => "ReleaseRejected",
        What::ReleaseSuperseded => "ReleaseSuperseded",
        What::TrafficTakenOver => "TrafficTakenOver",
        What::ReleaseStuck => "ReleaseStuck",
        What::ReleaseRevived => "ReleaseRevived",
    };
    Some(name)
}

/// What was read back with all traffic. It is told at once and not after the watch: whoever has to
/// follow, must follow what serves.
fn promoted(artifact: &Artifact) -> &'static str {
    match artifact {
        Artifact::Image { .. } => "ImagePromoted",
        Artifact::Package { .. } => "PackagePromoted",
        Artifact::Model { .. } => "ModelUpdated",
        Artifact::Version { .. } => "VersionPromoted",
    }
}

fn notice_name(what: Happened) -> &'static str {
    match what {
        Happened::LineStopped => "LineStopped",
        Happened::LineResumed => "LineResumed",
        Happened::DriftFound => "DriftFound",
        Happened::DriftEnded => "DriftEnded",
        Happened::TargetFreed => "TargetFreed",
    }
}

#[cfg(test)]
mod tests;
