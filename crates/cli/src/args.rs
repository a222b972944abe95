//! What can be typed: commands, options and their help.

pub(crate) mod decisions;
pub(crate) mod lab;
pub(crate) mod letters;
pub(crate) mod looks;
pub(crate) mod model;
pub(crate) mod release;

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use perch_core::names::TargetName;
use perch_core::span::Span;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  error; doctor: a check is a problem
  2  wrong usage, or an invalid target or trace file
  3  not found, nothing in flight, or nothing to resume
  4  conflict: someone else was faster; try again
  5  watch --until-end: the release was rolled back
  6  watch --until-end: the release was rejected, superseded or got stuck";

const EXAMPLES: &str = "\
Examples:
  perch apply -f target.yaml            write a target
  perch watch news-classifier           follow its releases, live
  perch release RELEASE                 what happened, and on what evidence
  perch explain news-classifier         why nothing happened
  perch rollback news-classifier --reason 'wrong labels'";

/// Moves traffic to new artifacts as fast as the evidence allows, and back.
#[derive(Debug, Parser)]
#[command(name = "perch", version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// How to print
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// The stack of the installation, which is also its table's name
    #[arg(long, global = true, env = "PERCH_STACK", default_value = "perch")]
    pub(crate) stack: String,
    /// Print without colours
    #[arg(long, global = true, env = "NO_COLOR", hide_env_values = true, value_parser = is_set)]
    pub(crate) no_color: bool,
}

/// A flag from the environment is set by any text, as no-color.org asks; clap itself hands over
/// `true` and `false`.
fn is_set(text: &str) -> Result<bool, std::convert::Infallible> {
    Ok(!text.is_empty() && text != "false")
}

/// The form of what is printed: for people, or for programs. JSON and YAML have the same fields.
//
// Doc comments on the values would make every help text a page longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Apply(Apply),
    Targets(Targets),
    Releases(Releases),
    Release(release::Release),
    Watch(Watch),
    Explain(looks::Explain),
    Doctor(looks::Doctor),
    Smoke(looks::Smoke),
    Report(looks::Report),
    Replay(looks::Replay),
    Hold(decisions::Hold),
    Continue(decisions::Continue),
    Promote(decisions::Promote),
    Abort(decisions::Abort),
    Rollback(decisions::Rollback),
    Stop(decisions::Stop),
    Resume(decisions::Resume),
    Journal(Journal),
    Model(model::Model),
    DeadLetters(letters::DeadLetters),
    Simulate(lab::Simulate),
    Judge(lab::Judge),
    Schema(Schema),
    Completions(Completions),
}

/// Create or update targets from files
#[derive(Debug, Args)]
#[command(after_help = "\
Every file is checked before anything is written. A file may hold several
targets, separated by ---.

Examples:
  perch apply -f target.yaml
  perch apply -f target.yaml --dry-run    show what would change, field by field
  cat *.yaml | perch apply -f -")]
pub(crate) struct Apply {
    /// A target file; - reads standard input
    #[arg(short, long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) files: Vec<String>,
    /// Show the exact change and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The resolution of the metrics: 1 where Lambda's are published by the second
    #[arg(long, env = "PERCH_LAMBDA_RESOLUTION", default_value = "60", hide = true)]
    pub(crate) resolution: String,
}

/// List targets, or show one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perch targets
  perch targets news-classifier
  perch targets -o json | jq -r '.[].name'")]
pub(crate) struct Targets {
    /// Show this target in full
    pub(crate) name: Option<TargetName>,
}

/// List releases, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perch releases
  perch releases --target news-classifier --limit 50
  perch releases -o json | jq -r '.[] | select(.phase == \"RolledBack\") | .id'")]
pub(crate) struct Releases {
    /// Only of this target
    #[arg(short, long)]
    pub(crate) target: Option<TargetName>,
    /// At most this many
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) limit: u16,
}

/// Follow releases live
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal: a live view; q quits, up and down choose a target. Otherwise, and
with --plain: one line per journal entry as it happens, or with -o json one JSON
object per line.

With --until-end the exit code tells how the release ended: 0 promoted (its watch
included), 5 rolled back, 6 rejected, superseded or stuck. If nothing is in
flight it waits for the next release.

Examples:
  perch watch
  perch watch news-classifier
  perch watch news-classifier --until-end --timeout 2h")]
pub(crate) struct Watch {
    /// The target; all targets without it
    pub(crate) target: Option<TargetName>,
    /// Exit when the release ends
    #[arg(long, requires = "target")]
    pub(crate) until_end: bool,
    /// Exit with code 1 when the release has not ended by then, such as 90s or 2h
    #[arg(long, requires = "until_end", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Print lines even on a terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

fn duration(text: &str) -> Result<Duration, perch_core::span::InvalidSpan> {
    text.parse::<Span>().map(Span::duration)
}

/// Show why events led to no release
#[derive(Debug, Args)]
#[command(after_help = "\
Notes are kept for 30 days. What happened to a release: `perch release ID`. What
to do about it: `perch explain`.

Examples:
  perch journal news-classifier    events of its sources and guards
  perch journal                    events that concern no target")]
pub(crate) struct Journal {
    /// Events that concern this target; without it, events that concern none
    pub(crate) target: Option<TargetName>,
    /// At most this many
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) limit: u16,
}

/// Print the JSON Schema of target files, or of model manifests
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perch schema > target.v1.json
  perch schema --manifest > manifest.v1.json

An editor completes a target file that begins with
  # yaml-language-server: $schema=target.v1.json")]
pub(crate) struct Schema {
    /// Print that of the manifests of models
    #[arg(long)]
    pub(crate) manifest: bool,
    /// Print docs/target-file.md instead
    #[arg(long, hide = true)]
    pub(crate) markdown: bool,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(perch completions bash)
  perch completions zsh > ~/.zfunc/_perch
  perch completions fish > ~/.config/fish/completions/perch.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
