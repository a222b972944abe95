//! Whole releases under a seeded scheduler: functions, state machines, events, people and faults,
//! interleaved at every port call.
//!
//! A simulation is a discrete one: an agenda of what happens when, and a clock that jumps from one
//! entry to the next. Each function in flight is a future that is held before its next port call;
//! making that call is an entry of the agenda. Between any two calls of a function others can come,
//! it can die, or its caller can give up on it. Every choice comes from [`Dice`], so the same numbers
//! give the same run. After every call the promises are checked; once nothing is left to happen, also
//! those that hold at rest.

mod breach;
mod deployments;
mod dice;
mod driven;
mod events;
mod flight;
mod ghosts;
mod machine;
mod mishap;
mod report;
mod rest;
mod rules;
mod script;
mod truth;
mod turn;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::names::{AlarmName, ReleaseId};

pub use breach::Breach;
pub use dice::{Dice, one_of};
pub use mishap::Mishap;
pub use report::{Report, Woken};
pub use script::{Behaviour, Deed, Foreign, Script, Weather, When, Wish};

use self::flight::{Event, Flight, Task};
use self::ghosts::Ghosts;
use self::truth::Alone;
use crate::build::at;
use crate::machines::Execution;
use crate::world::World;

/// More entries of the agenda than any story needs: a run that goes on beyond is a defect.
const ENTRIES: u64 = 200_000;

/// Milliseconds between two sweeps.
const SWEEP: i64 = 300_000;

/// Two looks of the sweep at a target without a release, and what a look takes.
const REST: i64 = 2 * (900_000 + SWEEP) + 60_000;

/// Something on the agenda.
#[derive(Debug)]
enum Entry {
    /// The execution with this place enters its state.
    Enter(usize),
    /// The function with this number makes its next call.
    Turn(u64),
    /// The function of this task is invoked.
    Invoke(Task),
    /// Something of the script happens.
    Happen(Deed),
    /// The stream hands on the next entry of this release's journal.
    Stream(ReleaseId),
    /// CloudWatch evaluates an alarm.
    Evaluate(AlarmName),
    /// The wait of this execution under this task token ends, by its time limit or by the token.
    Wake(usize, String, Woken),
    /// Time has passed for deployments that run.
    Deployments,
}

/// The notifications of one release's journal.
#[derive(Debug, Default)]
struct Stream {
    /// The number of the last entry that was told.
    told: u64,
    /// Whether the next is being told, or will be.
    busy: bool,
}

/// A simulation under way.
pub struct Sim<'a> {
    world: Arc<World>,
    script: Script,
    dice: &'a mut dyn Dice,
    /// Milliseconds since the start.
    clock: i64,
    /// How far the functions' clocks are off, in milliseconds.
    jump: i64,
    /// Whether they ever were.
    jumped: bool,
    agenda: BTreeMap<(i64, u64), Entry>,
    numbers: u64,
    flights: BTreeMap<u64, Flight>,
    executions: Vec<Execution>,
    adopted: usize,
    /// Waits that were ended by their tokens.
    ended: usize,
    announced: usize,
    dead_letters: Vec<Event>,
    /// What was pushed, and when.
    pushes: Vec<(Artifact, Timestamp)>,
    /// When something other than a sweep happened last.
    stirred: i64,
    /// What still waits for its moment.
    waiting: Vec<(When, Deed)>,
    /// How often releases entered each phase.
    phases: BTreeMap<&'static str, u32>,
    streams: BTreeMap<ReleaseId, Stream>,
    alone: Alone,
    ghosts: Ghosts,
    deployments: deployments::Known,
    traced: bool,
    breach: Option<Breach>,
    report: Report,
}

impl<'a> Sim<'a> {
    /// The script's world before the first step.
    pub fn new(script: Script, dice: &'a mut dyn Dice) -> Self {
        let world = World::empty();
        for target in &script.targets {
            world.add(target);
            if script.pausing.contains(&target.name) {
                world.pause(target);
            }
        }
        let unfit = script.behaviours.iter().filter(|(_, is)| **is == Behaviour::Unfit);
        world.lambda.change(|account| account.unfit.extend(unfit.map(|(of, _)| of.clone())));
        let ghosts = Ghosts::of(&world, &script);
        let mut sim = Self {
            world: Arc::new(world),
            dice,
            clock: 0,
            jump: 0,
            jumped: false,
            agenda: BTreeMap::new(),
            numbers: 0,
            flights: BTreeMap::new(),
            executions: Vec::new(),
            adopted: 0,
            ended: 0,
            announced: 0,
            dead_letters: Vec::new(),
            pushes: Vec::new(),
            stirred: 0,
            waiting: Vec::new(),
            phases: BTreeMap::new(),
            streams: BTreeMap::new(),
            alone: Alone::new(),
            ghosts,
            deployments: deployments::Known::default(),
            traced: false,
            breach: None,
            report: Report::default(),
            script,
        };
        truth::look_at_traffic(&sim.world, &sim.script, &mut sim.alone, 0);
        for (when, deed) in std::mem::take(&mut sim.script.deeds) {
            match when {
                When::At(seconds) => sim.put(seconds * 1000, Entry::Happen(deed)),
                When::Call(_) | When::Phase(..) => sim.waiting.push((when, deed)),
            }
        }
        sim
    }

    /// Keeps what happens, line by line.
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// Over ports that are broken in this way.
    pub fn broken(self, breach: Breach) -> Self {
        Self { breach: Some(breach), ..self }
    }

    /// Runs until nothing is left to happen, or something does not hold.
    pub fn run(mut self) -> Report {
        if self.breach != Some(Breach::SweepGone) {
            self.put(SWEEP, Entry::Invoke(Task::Sweep));
        }
        let mut entries = 0;
        while self.report.violations.is_empty() {
            if self.is_at_rest() && !self.help() {
                self.check_rest();
                break;
            }
            let Some(((when, _), entry)) = self.agenda.pop_first() else {
                self.clock += REST;
                continue;
            };
            self.clock = self.clock.max(when);
            if !self.is_sweep(&entry) {
                self.stirred = self.clock;
            }
            self.pass();
            self.happen(entry);
            self.see_to_deployments();
            entries += 1;
            if entries > ENTRIES {
                self.breaks(format!("P4: still running after {ENTRIES} entries of the agenda"));
            }
        }
        self.sum_up();
        self.report
    }

    fn is_sweep(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Invoke(task) => matches!(task, Task::Sweep),
            Entry::Turn(number) => {
                self.flights.get(number).is_some_and(|flight| matches!(flight.task, Task::Sweep))
            }
            _ => false,
        }
    }

    /// Whether nothing but sweeps happened for so long that each target was looked at twice.
    fn is_at_rest(&self) -> bool {
        let stirred = self.stirred.max(self.script.weather.clears_at * 1000);
        self.clock - stirred > REST && self.agenda.values().all(|entry| self.is_sweep(entry))
    }

    fn happen(&mut self, entry: Entry) {
        match entry {
            Entry::Enter(place) => self.enter(place),
            Entry::Turn(number) => self.turn(number),
            Entry::Invoke(task) => {
                if let Task::Sweep = task {
                    self.put(SWEEP, Entry::Invoke(Task::Sweep));
                }
                self.invoke(task);
            }
            Entry::Happen(deed) => self.deed(deed),
            Entry::Stream(release) => self.stream(&release),
            Entry::Evaluate(alarm) => self.evaluate(&alarm),
            Entry::Wake(place, token, by) => self.wake_up(place, &token, by),
            Entry::Deployments => self.looked_at_deployments(),
        }
    }

    /// Puts an entry on the agenda, so many milliseconds from now.
    fn put(&mut self, after: i64, entry: Entry) {
        self.numbers += 1;
        self.agenda.insert((self.clock + after.max(0), self.numbers), entry);
    }

    /// The true time.
    fn time(&self) -> Timestamp {
        self.stamp(self.clock)
    }

    fn stamp(&self, clock: i64) -> Timestamp {
        Timestamp::from_millisecond(at(0).as_millisecond() + clock).expect("a time of a test")
    }

    /// Whether things still go wrong.
    fn stormy(&self) -> bool {
        self.clock < self.script.weather.clears_at * 1000
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.traced {
            let line = format!("{:>9.3} {}", seconds(self.clock), line());
            self.report.trace.push(line);
        }
    }

    fn breaks(&mut self, violation: String) {
        self.note(|| format!("BROKEN {violation}"));
        self.report.violations.push(violation);
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of a test")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}
