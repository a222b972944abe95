//! One file per command: reads through ports, calls a use case, prints.

mod apply;
mod decide;
mod diff;
mod letters;
mod list;
mod print;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use perch_app::dead_letters::Ports;

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
    if print::run(command, console)? {
        return Ok(failure::OK);
    }
    if let Command::Apply(args) = command {
        let change = apply::Wanted::read(args, &mut std::io::stdin().lock())?;
        let perch = Installation::connect(&global.stack).await;
        let (lambda, cloudwatch) = perch.services();
        apply::run(&perch.store, &lambda, &cloudwatch, &change, console).await?;
        return Ok(failure::OK);
    }
    let perch = Installation::connect(&global.stack).await;
    let (store, now) = (&perch.store, Timestamp::now());
    match command {
        Command::Targets(args) => list::targets(store, args, console).await?,
        Command::Releases(args) => list::releases(store, args, now, console).await?,
        Command::Release(args) => list::release(store, args, now, console).await?,
        Command::Journal(args) => list::journal(store, args, console).await?,
        Command::DeadLetters(args) => {
            let (letters, functions) = perch.dead_letters().await?;
            let ports =
                Ports { letters: &letters, functions: &functions, store, stack: &global.stack };
            match &args.command {
                Letters::List(args) => letters::list(&letters, args, now, console).await?,
                Letters::Show(args) => letters::show(&letters, args, now, console).await?,
                Letters::Redrive(args) => letters::redrive(&ports, args, console).await?,
            }
        }
        Command::Promote(args) => decide::promote(store, args, now, console).await?,
        Command::Rollback(args) => {
            decide::rollback(store, || perch.executions(), args, console).await?;
        }
        Command::Abort(args) => {
            decide::abort(store, || perch.executions(), args, console).await?;
        }
        Command::Watch(args) => return watch::run(store, args, console).await,
        Command::Apply(_) | Command::Schema(_) | Command::Completions(_) => {}
    }
    Ok(failure::OK)
}
