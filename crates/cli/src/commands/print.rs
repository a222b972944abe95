//! Commands that need no installation: the schema and shell completions.

use clap::CommandFactory as _;

use crate::args::{Cli, Command};
use crate::console::Console;
use crate::reference;

/// Runs the command if it is one of these; whether it was.
pub(super) fn run(command: &Command, console: &mut Console<'_>) -> anyhow::Result<bool> {
    match command {
        Command::Schema(args) if args.markdown => console.line(reference::markdown().trim_end())?,
        Command::Schema(args) if args.manifest => {
            console.line(&serde_json::to_string_pretty(&reference::manifest_schema())?)?;
        }
        Command::Schema(_) => console.line(&serde_json::to_string_pretty(&reference::schema())?)?,
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "perch", &mut script);
            console.line(String::from_utf8_lossy(&script).trim_end())?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
