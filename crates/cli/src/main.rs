#![doc = include_str!("../README.md")]
#![allow(clippy::print_stderr, reason = "a command line prints")]

mod args;
mod commands;
mod console;
mod failure;
mod installation;
mod reference;
mod render;
mod report;
#[cfg(test)]
mod scenes;
mod target_file;
mod upload;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::console::Console;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout();
    let mut console = Console::stdout(&cli.global, &mut out);
    match commands::run(&cli.command, &cli.global, &mut console).await {
        Ok(code) => ExitCode::from(code),
        Err(error) if failure::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", failure::message(&error, &cli.global.stack));
            failure::exit_code(&error)
        }
    }
}
