//! `perch release ID` and `perch release start`.

use clap::{Args, Subcommand};
use perch_app::artifact_name::ArtifactName;
use perch_core::names::{AlarmName, ReleaseId};

use super::decisions::Decision;

/// Show a release, or start one
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  perch release news-classifier-20261121-045812-a1b2c3
  perch release news-classifier-20261121-045812-a1b2c3 --evidence
  perch release news-classifier-20261121-045812-a1b2c3 -o json | jq .verdict
  perch release start news-classifier --artifact v43 --reason 'try again'"
)]
pub(crate) struct Release {
    /// Its id, as in `perch releases`
    #[arg(required = true)]
    pub(crate) id: Option<ReleaseId>,
    /// Show every look: what was asked, counted and found
    #[arg(long)]
    pub(crate) evidence: bool,
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Start(Start),
}

/// Start the release of an artifact
#[derive(Debug, Args)]
#[command(after_help = "\
The artifact is from a source of the target, whose globs do not count here.
ARTIFACT is one of
  TAG, REPOSITORY:TAG                        what the tag names now
  sha256:DIGEST, REPOSITORY@sha256:DIGEST    an image
  s3://BUCKET/KEY@VERSION                    a version of a package

The release goes by the target's plan, with judge and guards. A version that the
function has already: `perch rollback TARGET --to VERSION`.

Examples:
  perch release start news-classifier --artifact v43 --reason 'no event came'
  perch release start news-classifier --artifact v42 --allow-quarantined \\
    --reason 'the labels were at fault, not the image'
  perch release start news-classifier --artifact v44 \\
    --override-alarm news-classifier-errors --reason 'the fix for these errors'")]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) decision: Decision,
    /// What to release
    #[arg(short, long)]
    pub(crate) artifact: ArtifactName,
    /// Release it although it was rolled back before
    #[arg(long)]
    pub(crate) allow_quarantined: bool,
    /// Start although this guard is in ALARM; it counts again once it was OK
    #[arg(long, value_name = "ALARM")]
    pub(crate) override_alarm: Vec<AlarmName>,
}
