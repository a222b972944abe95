//! The end: people pick up what was left to them, and what must hold at rest is checked.

use perch_core::phase::Phase;

use super::flight::{Command, Task};
use super::{Entry, Sim};
use crate::invariants;

/// How often people come back: more would hide that something never comes to rest.
const ROUNDS: u64 = 5;

impl Sim<'_> {
    /// Does what operators do: events from the dead letters are delivered again, and who was paged
    /// for a release that is stuck rolls it back. Whether there was something to do.
    pub(super) fn help(&mut self) -> bool {
        self.jump = 0;
        let clears_at = self.script.weather.clears_at * 1000;
        self.clock = self.clock.max(clears_at);
        let letters = std::mem::take(&mut self.dead_letters);
        let stuck = self.world.store.read(|items| {
            let stuck = items.releases.values().filter(|r| matches!(r.phase, Phase::Stuck { .. }));
            stuck.map(|release| release.target.clone()).collect::<Vec<_>>()
        });
        if letters.is_empty() && stuck.is_empty() {
            return false;
        }
        self.report.helped += 1;
        if self.report.helped > ROUNDS {
            self.breaks(format!("P4: people had to help {ROUNDS} times, and something is left"));
            return false;
        }
        for event in letters {
            self.note(|| format!("redrives {event:?}"));
            self.put(0, Entry::Invoke(Task::Event(event, 0)));
        }
        for target in stuck {
            self.put(1000, Entry::Invoke(Task::Person(target, Command::RollBack, 0)));
        }
        true
    }

    pub(super) fn check_rest(&mut self) {
        let mut broken = invariants::broken_at_rest_besides(&self.world, &self.ghosts.foreign);
        broken.extend(invariants::unproven(&self.world));
        broken.extend(invariants::untold(&self.world));
        for broken in broken {
            self.breaks(broken);
        }
    }

    pub(super) fn sum_up(&mut self) {
        let phases = self.world.store.read(|items| {
            items.releases.values().map(|release| release.phase.name()).collect::<Vec<_>>()
        });
        self.report.releases = phases.len() as u64;
        for phase in phases {
            *self.report.ends.entry(phase).or_default() += 1;
        }
        self.report.messages = self.world.topic.messages().len() as u64;
        self.report.hours = u64::try_from(self.clock / 3_600_000).unwrap_or(0);
    }
}
