//! The table in memory: the same items, and the same conditions on every write.

mod head;
mod journal;
mod line;
mod plan;
mod releases;
mod sweep;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use perch_app::ports::{EventTrace, Heard, Note, PortError, SweepRun};
use perch_core::head::Head;
use perch_core::journal::{JournalEntry, Notice};
use perch_core::names::{AlarmName, ReleaseId, TargetName};
use perch_core::release::Release;
use perch_core::stop::Stop;
use perch_core::target::Target;

use crate::calls::{Answer, Calls};
use crate::mutation::Mutation;

/// The items of the table.
#[derive(Debug, Clone, Default)]
pub struct Items {
    /// What the table leaves out, to see it found.
    pub mutation: Option<Mutation>,
    /// Targets as applied.
    pub targets: BTreeMap<TargetName, Target>,
    /// Who owns the traffic of each target.
    pub heads: BTreeMap<TargetName, Head>,
    /// Releases as last written.
    pub releases: BTreeMap<ReleaseId, Release>,
    /// Journals, by release and number.
    pub journal: BTreeMap<(ReleaseId, u64), JournalEntry>,
    /// What became of each artifact of a target.
    pub artifacts: BTreeMap<(TargetName, String), ArtifactItem>,
    /// Why events led to nothing, by target, time and event.
    pub notes: BTreeMap<(Option<TargetName>, Timestamp, String), Note>,
    /// What became of events, by event and target.
    pub traces: BTreeMap<(String, Option<TargetName>), EventTrace>,
    /// What happened outside of releases, oldest first.
    pub notices: Vec<Notice>,
    /// The stop of the whole installation.
    pub stop_of_all: Option<Stop>,
    /// When each target is due for the sweep.
    pub due: BTreeMap<TargetName, Timestamp>,
    /// The versions of models that each target has heard of, by the place of their source.
    pub heard: BTreeMap<(TargetName, String), Heard>,
    /// The runs of the sweep, oldest first.
    pub runs: Vec<SweepRun>,
    /// Index: source to targets and their globs.
    pub sources: BTreeMap<String, BTreeMap<TargetName, Vec<String>>>,
    /// Index: guard to targets.
    pub guards: BTreeMap<AlarmName, BTreeSet<TargetName>>,
    /// Which target has an alias, by function and alias.
    pub services: BTreeMap<(String, String), TargetName>,
}

/// What became of an artifact of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactItem {
    /// Its newest release.
    pub release: ReleaseId,
    /// The name of the phase that it ended in.
    pub outcome: Option<&'static str>,
}

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    calls: Arc<Calls>,
    items: Mutex<Arc<Items>>,
}

impl MemoryStore {
    /// A store without items.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), items: Mutex::default() }
    }

    /// A store with the same items, whose calls are counted elsewhere.
    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), items: Mutex::new(self.items.lock().unwrap().clone()) }
    }

    /// The items as they are; a fork shares them until one of the two changes something.
    pub(crate) fn share(&self) -> Arc<Items> {
        self.items.lock().unwrap().clone()
    }

    /// Looks at the items; not a port call.
    pub fn read<T>(&self, look: impl FnOnce(&Items) -> T) -> T {
        look(&self.items.lock().unwrap())
    }

    /// Changes the items as someone else might; not a port call.
    pub fn change<T>(&self, change: impl FnOnce(&mut Items) -> T) -> T {
        change(Arc::make_mut(&mut self.items.lock().unwrap()))
    }

    /// A call that only reads: a fork goes on sharing the items.
    async fn look<T: Answer>(
        &self,
        name: &'static str,
        look: impl FnOnce(&Items) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.calls.port(name, || look(&self.items.lock().unwrap())).await
    }

    async fn port<T: Answer>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut Items) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.calls.port(name, || effect(Arc::make_mut(&mut self.items.lock().unwrap()))).await
    }
}

fn conflict(what: String, expected: String, found: String) -> PortError {
    PortError::Conflict { what, expected, found }
}
