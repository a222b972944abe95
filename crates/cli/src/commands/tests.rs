//! Commands on in-memory ports: what they print, and what they change. Shared by one file per command.

mod apply;
mod decide;
mod doctor;
mod explain;
mod line;
mod list;
mod replay;
mod report;
mod smoke;
mod start;

use perch_app::doctor::Ports;
use perch_app::ports::{Machine, PortError};
use perch_testkit::{
    MemoryAlarms, MemoryExecutions, MemoryLambda, MemoryRegistry, MemoryStore, World, run,
};

use crate::args::decisions::{Decision, Word};
use crate::args::{Cli, Command, Format};
use crate::console::{Console, Look};
use clap::Parser as _;

/// What a command prints, in the form for people.
pub(super) fn printed(command: impl AsyncFnOnce(&mut Console<'_>) -> anyhow::Result<()>) -> String {
    printed_as(Format::Table, command)
}

pub(super) fn printed_as(
    format: Format,
    command: impl AsyncFnOnce(&mut Console<'_>) -> anyhow::Result<()>,
) -> String {
    try_printed(format, command).unwrap()
}

pub(super) fn try_printed(
    format: Format,
    command: impl AsyncFnOnce(&mut Console<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut out = Vec::new();
    let look = Look { colour: false, width: Some(80) };
    run(command(&mut Console::new(format, look, &mut out)))?;
    Ok(String::from_utf8(out)?)
}

/// What a person types, parsed.
pub(super) fn typed(words: &[&str]) -> Command {
    Cli::parse_from(["perch"].iter().chain(words)).command
}

pub(super) fn decision(target: &str) -> Decision {
    let word = Word { reason: "wrong labels".to_owned(), by: "ada".to_owned() };
    Decision { target: target.parse().unwrap(), word }
}

/// The world as checks see it; `FindImage` is Lambda's in memory.
pub(super) fn ports(
    world: &World,
) -> Ports<'_, MemoryStore, MemoryLambda, MemoryAlarms, MemoryLambda, MemoryRegistry> {
    let World { store, lambda, alarms, registry, .. } = world;
    Ports { stack: "perch", store, lambda, alarms, images: lambda, registry }
}

/// Borrowed executions.
pub(super) struct Started<'a>(pub(super) &'a MemoryExecutions);

impl perch_app::ports::StartExecution for Started<'_> {
    async fn start(
        &self,
        machine: Machine,
        name: &perch_core::names::ReleaseId,
        input: &serde_json::Value,
    ) -> Result<(), PortError> {
        self.0.start(machine, name, input).await
    }
}
