//! What a simulation found, and what it went through.

use std::collections::BTreeMap;

use super::mishap::Mishap;

/// What ended the wait for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Woken {
    /// The event of its end.
    ByEvent,
    /// The time limit.
    ByTimeLimit,
}

/// The outcome of one simulation, or of many.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What did not hold; empty is fine.
    pub violations: Vec<String>,
    /// Releases.
    pub releases: u64,
    /// How they ended, by phase.
    pub ends: BTreeMap<&'static str, u64>,
    /// How they ended, by what moves their traffic, and phase.
    pub drivers: BTreeMap<(&'static str, &'static str), u64>,
    /// Deployments, whoever made them, rollbacks included.
    pub deployments: u64,
    /// Port calls that took effect.
    pub calls: u64,
    /// Events that were delivered to functions, repeats included.
    pub deliveries: u64,
    /// Messages that reached the topic, repeats included.
    pub messages: u64,
    /// What went wrong, by kind.
    pub mishaps: BTreeMap<Mishap, u64>,
    /// Waits for a deployment under a task token, by what ended them.
    pub waits: BTreeMap<Woken, u64>,
    /// What others did, by name.
    pub deeds: BTreeMap<&'static str, u64>,
    /// Port calls at which more than one function was in flight.
    pub contended: u64,
    /// How often people had to pick up what was left to them.
    pub helped: u64,
    /// The most functions in flight at once.
    pub most_in_flight: u64,
    /// Hours that passed.
    pub hours: u64,
    /// What happened, line by line, where it was asked for.
    pub trace: Vec<String>,
}

impl Report {
    /// Adds what another went through.
    pub fn add(&mut self, other: Report) {
        self.violations.extend(other.violations);
        self.releases += other.releases;
        self.calls += other.calls;
        self.deployments += other.deployments;
        self.deliveries += other.deliveries;
        self.messages += other.messages;
        self.contended += other.contended;
        self.helped += other.helped;
        self.hours += other.hours;
        self.most_in_flight = self.most_in_flight.max(other.most_in_flight);
        for (phase, count) in other.ends {
            *self.ends.entry(phase).or_default() += count;
        }
        for (end, count) in other.drivers {
            *self.drivers.entry(end).or_default() += count;
        }
        for (mishap, count) in other.mishaps {
            *self.mishaps.entry(mishap).or_default() += count;
        }
        for (woken, count) in other.waits {
            *self.waits.entry(woken).or_default() += count;
        }
        for (deed, count) in other.deeds {
            *self.deeds.entry(deed).or_default() += count;
        }
    }
}
