//! What people decide, and how they say who and why.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use perch_core::names::{TargetName, Version};

// Doc comments on these would replace those of the commands that take them.
#[derive(Debug, Args)]
pub(crate) struct Word {
    /// Why, for the journal and everyone who is notified
    #[arg(short, long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
    /// Who decided
    #[arg(long, env = "USER", hide_env_values = true, default_value = "unknown")]
    pub(crate) by: String,
}

#[derive(Debug, Args)]
pub(crate) struct Decision {
    /// The target
    pub(crate) target: TargetName,
    #[command(flatten)]
    pub(crate) word: Word,
}

// One target or all of them.
#[derive(Debug, Args)]
#[group(id = "scope", required = true, multiple = false, args = ["target", "all"])]
pub(crate) struct Line {
    /// The target
    pub(crate) target: Option<TargetName>,
    /// All targets of the installation
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) word: Word,
}

/// Keep a release at its weight
#[derive(Debug, Args)]
#[command(after_help = "\
Judge and guards go on, and so does the deadline, which rolls back. `perch
continue` or `perch promote` ends the hold.

Examples:
  perch hold news-classifier --reason 'looking at the logs'")]
pub(crate) struct Hold {
    #[command(flatten)]
    pub(crate) decision: Decision,
}

/// Go on to the next weight now
#[derive(Debug, Args)]
#[command(after_help = "\
The next look goes on, whatever is left of the bake, unless it finds the
canary failing. Ends a hold.

Examples:
  perch continue news-classifier --reason 'logs are fine'")]
pub(crate) struct Continue {
    #[command(flatten)]
    pub(crate) decision: Decision,
}

/// Skip the rest of the bakes
#[derive(Debug, Args)]
#[command(
    visible_alias = "finish",
    after_help = "\
The next look promotes, whatever is left of the bakes, unless it finds the
canary failing. Guards and the watch after promotion stay. Ends a hold.

Examples:
  perch promote news-classifier --reason 'hot fix, checked by hand'"
)]
pub(crate) struct Promote {
    #[command(flatten)]
    pub(crate) decision: Decision,
}

/// Give up a release before its promotion
#[derive(Debug, Args)]
#[command(after_help = "\
The same as rollback while the release is before its promotion; later it
refuses and points to rollback.

Examples:
  perch abort news-classifier --reason 'wrong image'")]
pub(crate) struct Abort {
    #[command(flatten)]
    pub(crate) decision: Decision,
}

/// Put the baseline back, before or after promotion
#[derive(Debug, Args)]
#[command(after_help = "\
Starts the rollback of the release in flight, until the end of its watch. The
artifact is not tried again. With nothing in flight it changes nothing, names
the versions that served before, and ends with 3.

With --to it releases a version that exists: all traffic at once, without guards
and watch, because nothing automatic takes back what a person decided.

Examples:
  perch rollback news-classifier --reason 'wrong labels'
  perch rollback news-classifier --to 41 --reason 'v43 is slow since noon'")]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) decision: Decision,
    /// Go to this version of the function instead
    #[arg(long, value_name = "VERSION", value_parser = function_version)]
    pub(crate) to: Option<Version>,
}

/// Stop the line: nothing starts, and no canary gets more traffic
#[derive(Debug, Args)]
#[command(after_help = "\
A canary that has traffic stays at its weight. Judge, guards, deadlines and all
rollbacks go on. New artifacts wait; the newest one is released after `perch
resume`.

Examples:
  perch stop news-classifier --reason 'incident 1234'
  perch stop --all --reason 'freeze until Monday'")]
pub(crate) struct Stop {
    #[command(flatten)]
    pub(crate) line: Line,
}

/// End a stop
#[derive(Debug, Args)]
#[command(after_help = "\
A target's own stop and that of all are ended apart. What waited for a target
starts at once; after --all, within 15 minutes.

Examples:
  perch resume news-classifier --reason 'incident 1234 is over'
  perch resume --all --reason 'it is Monday'")]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) line: Line,
}

/// The number of a published version.
fn function_version(text: &str) -> Result<Version, String> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("`{text}` is not a published version: use the version's number"));
    }
    text.parse().map_err(|error: perch_core::names::InvalidName| error.to_string())
}
