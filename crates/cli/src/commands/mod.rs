//! One file per command: reads through ports, calls a use case, prints.

mod apply;
mod bench;
mod decide;
mod diff;
mod doctor;
mod explain;
mod letters;
mod line;
mod list;
mod model;
mod print;
pub(crate) mod replay;
mod report;
mod simulate;
mod smoke;
mod start;
#[cfg(test)]
mod tests;

pub(crate) use model::Pushed;
pub(crate) use simulate::{InvalidTrace, UnclearPlan};

use jiff::Timestamp;
use perch_app::dead_letters::Ports;
use perch_app::explain::Registry;

use crate::args::decisions::Rollback;
use crate::args::lab::{Judge, JudgeCommand};
use crate::args::model::{Command as Models, Model};
use crate::args::release::{Action, Release};
use crate::args::{Command, Global, letters::Command as Letters};
use crate::console::Console;
use crate::failure;
use crate::installation::Installation;
use crate::watch;

/// Runs a command; the exit code when it did not fail.
pub(crate) async fn run(
    command: &Command,
    global: &Global,
    console: &mut Console<'_>,
) -> anyhow::Result<u8> {
    if print::run(command, console)? || tried(command, console)? {
        return Ok(failure::OK);
    }
    if let Command::Apply(args) = command {
        let change = apply::Wanted::read(args, &mut std::io::stdin().lock())?;
        let perch = Installation::connect(&global.stack).await;
        let services = perch.services();
        let ports = (&perch.ports(&services), &services.ecs, &services.deployments);
        apply::run(ports, &change, Timestamp::now(), console).await?;
        return Ok(failure::OK);
    }
    let perch = Installation::connect(&global.stack).await;
    let now = Timestamp::now();
    if decided(command, &perch, now, console).await? {
        return Ok(failure::OK);
    }
    look(command, &perch, now, console).await
}

/// Tries the judge, which needs no installation; whether the command does.
fn tried(command: &Command, console: &mut Console<'_>) -> anyhow::Result<bool> {
    match command {
        Command::Simulate(args) => simulate::run(args, &mut std::io::stdin().lock(), console)?,
        Command::Judge(Judge { command: JudgeCommand::Bench(args) }) => bench::run(args, console)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Carries out a person's decision; whether the command is one.
async fn decided(
    command: &Command,
    perch: &Installation,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<bool> {
    let store = &perch.store;
    let executions = || perch.executions();
    match command {
        Command::Hold(args) => decide::hold(store, &args.decision, now, console).await?,
        Command::Continue(args) => {
            decide::continue_now(store, &args.decision, now, console).await?;
        }
        Command::Promote(args) => decide::promote(store, &args.decision, now, console).await?,
        Command::Abort(args) => decide::abort(store, executions, &args.decision, console).await?,
        Command::Rollback(Rollback { decision, to: None }) => {
            decide::rollback(store, executions, decision, console).await?;
        }
        Command::Rollback(Rollback { decision, to: Some(version) }) => {
            let (services, to) = (perch.services(), (decision, version));
            let moving = (&services.lambda, &services.ecs);
            start::go_back_to(store, moving, executions, to, now, console).await?;
        }
        Command::Release(Release { action: Some(Action::Start(args)), .. }) => {
            let tags = perch.services().repositories;
            start::start(store, &tags, executions, args, now, console).await?;
        }
        Command::Model(Model { command: Models::Rollback(args) }) => {
            let models = perch.models();
            start::go_back_to_model(store, &models, executions, args, now, console).await?;
        }
        Command::Stop(args) => line::stop(store, &args.line, now, console).await?,
        Command::Resume(args) => line::resume(store, executions, &args.line, now, console).await?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Shows what is there; the exit code.
async fn look(
    command: &Command,
    perch: &Installation,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<u8> {
    let store = &perch.store;
    match command {
        Command::Targets(args) => list::targets(store, args, console).await?,
        Command::Releases(args) => list::releases(store, args, now, console).await?,
        Command::Release(Release { id: Some(id), evidence: true, .. }) => {
            list::evidence(store, id, console).await?;
        }
        Command::Release(Release { id: Some(id), .. }) => {
            list::release(store, id, now, console).await?;
        }
        Command::Replay(args) => {
            replay::run(store, args, &mut std::io::stdin().lock(), console).await?;
        }
        Command::Report(args) => report::run(store, args, now, console).await?,
        Command::Model(Model { command: Models::Push(args) }) => {
            model::push(store, &perch.uploads(), args, console).await?;
        }
        Command::Model(Model { command: Models::List(args) }) => {
            model::list(store, &perch.models(), args, console).await?;
        }
        Command::Model(Model { command: Models::Show(args) }) => {
            model::show(store, &perch.models(), args, console).await?;
        }
        Command::Model(Model { command: Models::Verify(args) }) => {
            return model::verify(store, &perch.functions(), &perch.stack, args, console).await;
        }
        Command::Journal(args) => list::journal(store, args, console).await?,
        Command::DeadLetters(args) => {
            let (letters, functions) = perch.dead_letters().await?;
            let stack = perch.stack.as_str();
            let ports = Ports { letters: &letters, functions: &functions, store, stack };
            match &args.command {
                Letters::List(args) => letters::list(&letters, args, now, console).await?,
                Letters::Show(args) => letters::show(&letters, args, now, console).await?,
                Letters::Redrive(args) => letters::redrive(&ports, args, console).await?,
            }
        }
        Command::Explain(args) => {
            let services = perch.services();
            let (tags, sources) = (&services.repositories, &services.images);
            return explain::run(store, Registry { tags, sources }, args, now, console).await;
        }
        Command::Doctor(args) => {
            let services = perch.services();
            let letters = perch.dead_letters().await.map(|(letters, _)| letters);
            let (models, functions) = (perch.models(), perch.functions());
            let of_services = (&models, &functions, &services.ecs, &services.deployments);
            let ports = perch.ports(&services);
            return doctor::run(&ports, letters, of_services, args, now, console).await;
        }
        Command::Smoke(args) => {
            let (lambda, web) = (perch.services().lambda, perch_serving::SmokeClient::new()?);
            let stdin = &mut std::io::stdin().lock();
            return smoke::run(store, (&lambda, &web), args, stdin, console).await;
        }
        Command::Watch(args) => return watch::run(store, args, console).await,
        _ => {}
    }
    Ok(failure::OK)
}
