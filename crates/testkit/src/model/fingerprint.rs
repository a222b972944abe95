//! What tells two states apart, as a number. Left out is what no later step can read: notes, causes
//! of journal entries, routes that an alias had before.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::state::State;
use super::task::{Task, Work};
use crate::deployments::{Hooked, Service};
use crate::lambda::Account;
use crate::services::Cluster;
use crate::store::Items;
use crate::world::World;

/// The numbers of a world's parts, to be reused while a part stays the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prints {
    store: u64,
    lambda: u64,
    driven: u64,
    rest: u64,
}

impl Prints {
    pub(super) fn of(world: &World) -> Self {
        Self {
            store: items(&world.store.share()),
            lambda: account(&world.lambda.share()),
            driven: driven(&world.deployments.share(), &world.services.share()),
            rest: rest(world),
        }
    }

    /// Whether the table is the same.
    pub(super) fn same_items(&self, other: &Self) -> bool {
        self.store == other.store
    }

    /// Where deployments and services are.
    pub(super) fn driven(&self) -> u64 {
        self.driven
    }

    /// Whether deployments and services are there.
    pub(super) fn is_driven(&self, driven: u64) -> bool {
        self.driven == driven
    }

    /// Whether deployments and services are the same.
    pub(super) fn same_driven(&self, other: &Self) -> bool {
        self.driven == other.driven
    }

    /// The numbers of the world that follows from another.
    pub(super) fn next(&self, before: &World, after: &World) -> Self {
        let (items_before, items_after) = (before.store.share(), after.store.share());
        let (made_before, made_after) = (before.deployments.share(), after.deployments.share());
        let (tasks_before, tasks_after) = (before.services.share(), after.services.share());
        let same =
            Arc::ptr_eq(&made_before, &made_after) && Arc::ptr_eq(&tasks_before, &tasks_after);
        let (account_before, account_after) = (before.lambda.share(), after.lambda.share());
        Self {
            store: if Arc::ptr_eq(&items_before, &items_after) {
                self.store
            } else {
                items(&items_after)
            },
            lambda: if Arc::ptr_eq(&account_before, &account_after) {
                self.lambda
            } else {
                account(&account_after)
            },
            driven: if same { self.driven } else { driven(&made_after, &tasks_after) },
            rest: if Arc::ptr_eq(&before.executions.share(), &after.executions.share()) {
                self.rest
            } else {
                rest(after)
            },
        }
    }
}

/// The number of a state.
pub(super) fn of(state: &State, prints: &Prints) -> u64 {
    let mut text = Text::default();
    (prints.store, prints.lambda, prints.driven, prints.rest, state.bounds).hash(&mut text.0);
    // The order in which tasks came makes no difference.
    state.tasks.iter().map(|task| task.print).fold(0, u64::wrapping_add).hash(&mut text.0);
    for (_, came) in &state.events {
        came.hash(&mut text.0);
    }
    state.moves_differ.hash(&mut text.0);
    text.add(&state.ghost);
    state.broken.len().hash(&mut text.0);
    text.0.finish()
}

pub(super) fn task(task: &Task) -> u64 {
    let mut text = Text::default();
    task.now.hash(&mut text.0);
    task.orphan.hash(&mut text.0);
    (task.found, task.ran_at, task.waited).hash(&mut text.0);
    match &task.work {
        Work::Execution(execution) => text.add(execution),
        Work::Event { place, left, .. } => (place, left).hash(&mut text.0),
    }
    for answer in &task.answers {
        answer.text.hash(&mut text.0);
    }
    text.0.finish()
}

fn items(items: &Items) -> u64 {
    let mut text = Text::default();
    text.add(&items.heads);
    text.add(&items.releases);
    text.add(&items.artifacts);
    for ((release, seq), entry) in &items.journal {
        (release, seq).hash(&mut text.0);
        text.add(&entry.what);
    }
    text.0.finish()
}

fn account(account: &Account) -> u64 {
    let mut text = Text::default();
    for function in account.functions.values() {
        text.add(&(&function.code, &function.versions));
        for alias in function.aliases.values() {
            text.add(&(alias.revision, alias.routes.last()));
        }
    }
    text.0.finish()
}

/// Where deployments are, whatever time it is: each has its own.
fn driven(deployments: &Service, cluster: &Cluster) -> u64 {
    let mut text = Text::default();
    for made in &deployments.made {
        let is_asked = made.hook == Hooked::Asked;
        text.add(&(&made.id, &made.release, &made.progress, &made.rollback, made.purpose));
        text.add(&(is_asked, made.reached(), made.to()));
    }
    for running in cluster.services.values() {
        text.add(&(&running.revisions, running.splits.last(), running.groups()));
    }
    text.0.finish()
}

fn rest(world: &World) -> u64 {
    let mut text = Text::default();
    let started = world.executions.share();
    let names = started.iter().map(|started| {
        let mut text = Text::default();
        text.add(&(started.machine, &started.name));
        text.0.finish()
    });
    names.fold(0, u64::wrapping_add).hash(&mut text.0);
    text.0.finish()
}

/// Hashes what `Debug` writes.
#[derive(Default)]
struct Text(DefaultHasher);

impl Text {
    fn add(&mut self, value: &impl Debug) {
        write!(self, "{value:?};").unwrap();
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
