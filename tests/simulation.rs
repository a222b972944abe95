//! Deterministic simulation: whole releases under seeded schedules and faults.
//!
//! `PERCH_SEED=N cargo test -p perch-tests --test simulation` runs one seed and prints what happens;
//! `PERCH_SEEDS=N` changes how many are run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is for people")]

#[path = "simulation/story.rs"]
mod story;
#[path = "simulation/table.rs"]
mod table;
#[path = "simulation/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use perch_testkit::sim::{Breach, Dice, Report, Sim, Woken};

/// Seeds that broke a promise once.
const BROKE_ONCE: [u64; 6] = [10_015, 11_917, 16_639, 20_617, 26_200, 27_791];

/// The numbers that follow from a seed.
struct Seeded(fastrand::Rng);

impl Dice for Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }
}

fn number(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods, reason = "the seed of a failure comes from its report")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// One seed; a panic is a violation like any other.
fn simulate(seed: u64, breach: Option<Breach>, traced: bool) -> Report {
    let run = AssertUnwindSafe(|| {
        let mut dice = Seeded(fastrand::Rng::with_seed(seed));
        let script = story::roll(&mut dice);
        let story = table::story(&script);
        let sim = Sim::new(script, &mut dice);
        let sim = breach.into_iter().fold(sim, Sim::broken);
        let mut report = if traced { sim.traced().run() } else { sim.run() };
        if traced {
            report.trace.insert(0, story);
        }
        report
    });
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "?".to_owned());
        Report { violations: vec![format!("panicked: {text}")], ..Report::default() }
    })
}

/// The seeds that broke something, and the sum of all.
fn simulate_all(seeds: std::ops::Range<u64>) -> (Vec<(u64, Vec<String>)>, Report) {
    let (next, sum) = (AtomicU64::new(seeds.start), Mutex::new((Vec::new(), Report::default())));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = simulate(seed, None, false);
                    let mut sum = sum.lock().unwrap();
                    if !report.violations.is_empty() {
                        sum.0.push((seed, report.violations.clone()));
                    }
                    sum.1.add(report);
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = number("PERCH_SEED") {
        let report = simulate(seed, None, true);
        println!("{}", report.trace.join("\n"));
        assert_eq!(report.violations, [""; 0], "seed {seed}");
        return;
    }
    let seeds = number("PERCH_SEEDS").unwrap_or(500);
    let begin = Instant::now();
    let (mut failed, sum) = simulate_all(0..seeds);
    println!("{}", table::table(seeds, &sum, begin.elapsed()));
    failed.sort();
    for (seed, violations) in failed.iter().take(40) {
        println!(
            "PERCH_SEED={seed} cargo test -p perch-tests --test simulation   # {violations:?}"
        );
    }
    for woken in [Woken::ByEvent, Woken::ByTimeLimit] {
        assert!(seeds < 500 || sum.waits.contains_key(&woken), "no wait ended {woken:?}");
    }
    assert!(failed.is_empty(), "{} of {seeds} seeds broke a promise", failed.len());
}

#[test]
fn what_broke_once_stays_whole() {
    for seed in BROKE_ONCE {
        assert_eq!(simulate(seed, None, false).violations, [""; 0], "seed {seed}");
    }
}

#[test]
fn every_breach_of_the_ports_is_found() {
    for breach in Breach::ALL {
        let found = (0..5000).find_map(|seed| {
            let report = simulate(seed, Some(breach), false);
            report.violations.first().cloned().map(|violation| (seed, violation))
        });
        let (seed, violation) = found.unwrap_or_else(|| panic!("{breach:?} was not found"));
        println!("{breach:?}: seed {seed} found that {violation}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 7, 23] {
        let [first, second] = [(); 2].map(|()| simulate(seed, None, true));
        assert!(first.trace.len() > 100, "seed {seed} has {} lines", first.trace.len());
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
}
