//! Ports that leave out a condition: the walk finds each, and says which promise it breaks.

use perch_testkit::model::{Bounds, Event, State};
use perch_testkit::{Mutation, World};

use crate::checked::walk;
use crate::scenarios::{NONE, alarm, baking, fresh, push};

/// The same scenario holds without the mutation: see `promises`.
fn breaks(mutation: Mutation, promise: &str, world: World, events: Vec<Event>, bounds: Bounds) {
    world.store.change(|items| items.mutation = Some(mutation));
    world.lambda.change(|account| account.mutation = Some(mutation));
    let found = walk(State::new(world, events, bounds));
    println!("{mutation:?}: {found}\n{}", found.ways_to_broken());
    let way = found.broken.get(promise).unwrap_or_else(|| panic!("{mutation:?} was not found"));
    let steps = way.lines().filter(|line| !line.trim_start().starts_with("=>")).count();
    assert!(steps > 3 && way.contains("commit = Ok"), "{way}");
    assert!(way.contains(&format!("=> {promise}: ")), "{way}");
}

#[test]
fn a_fence_that_is_not_checked_is_found() {
    breaks(Mutation::FenceUnchecked, "P2", fresh(), vec![push(), alarm()], NONE);
}

#[test]
fn a_revision_that_is_ignored_is_found() {
    breaks(Mutation::RevisionIgnored, "P2", fresh(), vec![push(), alarm()], NONE);
}

#[test]
fn a_ledger_that_is_written_late_is_found() {
    breaks(Mutation::LedgerLate, "P3", fresh(), vec![push()], NONE);
}

#[test]
fn a_missing_dedupe_is_found() {
    breaks(Mutation::DedupeRemoved, "P8", baking(), vec![push(), alarm()], NONE);
}
