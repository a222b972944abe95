//! Commands that try the judge without an installation: `perch simulate` and `perch judge bench`.

use clap::{Args, Subcommand, ValueEnum};
use perch_core::names::TargetName;

/// Say what Perch would have done with recorded canaries
#[derive(Debug, Args)]
#[command(after_help = "\
The trace is one case, or a file of cases: counts per minute of both arms, and
the baseline's last hour. docs/cli.md has the format. The judge is the plan's.
The trace's length is the planned time; its last minute has the last look.

The output as JSON has one object per case: {id, verdict, rollbackMinute,
promoteMinute, reason, logEvidence}.

Examples:
  perch simulate --plan target.yaml --trace trace.json
  perch simulate --plan target.yaml --trace cases.json -o json")]
pub(crate) struct Simulate {
    /// The target file with the judge
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: String,
    /// The target, where the plan has several
    #[arg(long)]
    pub(crate) target: Option<TargetName>,
    /// The case file; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: String,
}

/// Measure the judge
#[derive(Debug, Args)]
pub(crate) struct Judge {
    #[command(subcommand)]
    pub(crate) command: JudgeCommand,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum JudgeCommand {
    Bench(Bench),
}

/// Measure the judge on simulated canaries, beside the rules of other tools
#[derive(Debug, Args)]
#[command(after_help = "\
Each row is a scenario under one volume of traffic. The table has, per rule, how
many percent of the canaries were rolled back, and the median minute. Then come
the judge's promotions with their median minute, and the harm: the mean number
of errors that a canary served until its rollback, in the order of the rules.
The same seed gives the same figures.

fixed, flagger, kayenta and codedeploy are re-implementations on one-minute data
with one configuration each, and not tuned.

Examples:
  perch judge bench
  perch judge bench --set held-b --preset normal,lenient
  perch judge bench --traces 200 -o json")]
pub(crate) struct Bench {
    /// Which rows
    #[arg(long, value_enum, default_value = "tuned")]
    pub(crate) set: BenchSet,
    /// Canaries per row
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) traces: u32,
    /// Presets of the judge
    #[arg(long, value_enum, value_delimiter = ',', default_value = "normal")]
    pub(crate) preset: Vec<BenchPreset>,
    /// Added to the seed of every row, for other canaries
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print the table as Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Which rows are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchSet {
    Tuned,
    HeldA,
    HeldB,
    TunedNew,
    HeldC,
    All,
}

/// A preset of the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchPreset {
    Strict,
    Normal,
    Lenient,
    Published,
}
