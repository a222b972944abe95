//! Commands that look into things: `perch explain`, `perch doctor`, `perch smoke` and `perch report`.

use std::path::PathBuf;

use clap::Args;
use perch_core::names::{ReleaseId, TargetName, Version};

/// Say why nothing happened
#[derive(Debug, Args)]
#[command(after_help = "\
Reads what Perch wrote down: what became of events, why artifacts had no turn,
how releases ended, stops, drift, and the last run of the sweep. ARTIFACT is
REPOSITORY:TAG, REPOSITORY@sha256:DIGEST, sha256:DIGEST (which is looked for in
every target) or s3://BUCKET/KEY@VERSION.

Examples:
  perch explain news-classifier
  perch explain news-classifier:v43
  perch explain 6a7e8feb-b491-4cf7-a9f1-bf3703467718    an event's id
  perch explain news-classifier -o json | jq .facts")]
pub(crate) struct Explain {
    /// A target, the id of an event or of a release, or an artifact
    #[arg(value_name = "TARGET|EVENT-ID|ARTIFACT")]
    pub(crate) subject: String,
}

/// Check the installation and its targets
#[derive(Debug, Args)]
#[command(after_help = "\
Each check ends as ok, warning or problem; below those that are not ok stand the
commands that put it right. Exit code 0 when nothing is a problem, else 1.

Without TARGET every target is looked at, with about ten calls each.

Examples:
  perch doctor
  perch doctor news-classifier
  perch doctor -o json | jq '.[] | select(.result == \"problem\")'")]
pub(crate) struct Doctor {
    /// Only this target, and the installation
    pub(crate) target: Option<TargetName>,
    /// Show the checks that are ok, too
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Try the smoke tests of a target from here
#[derive(Debug, Args)]
#[command(after_help = "\
Sends the checks as a release does, and prints what came back. Nothing is
written down and nothing is moved. Exit code 0 when all passed, else 1.

Without --version: the canary of the release that is under way, else the version
that serves. Checks over HTTP go where the target says, whatever the version.

Examples:
  perch smoke news-classifier
  perch smoke news-classifier --version 7
  perch smoke news-classifier -f target.yaml    try checks before they are applied")]
pub(crate) struct Smoke {
    /// The target
    pub(crate) target: TargetName,
    /// The version of the function that is invoked
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<Version>,
    /// A target file whose checks are tried instead of those applied; - reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<String>,
}

/// Write a page about a release: what was decided, on what evidence
#[derive(Debug, Args)]
#[command(after_help = "\
The page holds everything: it loads nothing and runs nothing, so it can be
mailed, archived or printed. A file of that name is replaced.

Examples:
  perch report news-classifier-20261121-045812-a1b2c3 --html
  perch report news-classifier-20261121-045812-a1b2c3 --html -f review.html
  perch report news-classifier-20261121-045812-a1b2c3 --html -f - | wc -c")]
pub(crate) struct Report {
    /// The release's id, as in `perch releases`
    pub(crate) id: ReleaseId,
    /// As one HTML page
    #[arg(long, required = true)]
    pub(crate) html: bool,
    /// Where to write it; - prints it [default: perch-report-ID.html]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Say what a plan would have done with a release, minute by minute
#[derive(Debug, Args)]
#[command(after_help = "\
The traffic is what was recorded, at the weights that it had; what differs is
the judge. Without --plan it is the plan of the release itself, and the judge
of this version of Perch.

Examples:
  perch replay news-classifier-20261121-045812-a1b2c3
  perch replay news-classifier-20261121-045812-a1b2c3 --plan stricter.yaml
  perch replay news-classifier-20261121-045812-a1b2c3 -o json")]
pub(crate) struct Replay {
    /// The release's id, as in `perch releases`
    pub(crate) id: ReleaseId,
    /// A target file whose rollout and judge are tried; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<String>,
    /// The target, where the plan has several
    #[arg(long, requires = "plan")]
    pub(crate) target: Option<TargetName>,
}
