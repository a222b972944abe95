//! `perch model push|list|show|verify|rollback`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use perch_core::names::{TargetName, Version};
use perch_core::target::ByteSize;

use super::decisions::Decision;

/// Upload model versions, and look at them
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Model {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Push(Push),
    List(List),
    Show(Show),
    Verify(Verify),
    Rollback(Rollback),
}

/// Read every replica and the cache, and compare them with what was promoted last
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 0 when all are equal, with 1 when they are not.

Examples:
  perch model verify news-classifier")]
pub(crate) struct Verify {
    /// The target
    pub(crate) target: TargetName,
}

/// Bring every replica and the cache back to a model that served before
#[derive(Debug, Args)]
#[command(after_help = "\
Without --to it is the model before the one that was promoted last. All replicas
load it at once, without guards and watch. A release in flight is rolled back with
`perch rollback`.

Examples:
  perch model rollback news-classifier --reason 'wrong labels'
  perch model rollback news-classifier --to v1 --reason 'wrong labels'")]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) decision: Decision,
    /// The version to go back to
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<Version>,
}

/// Upload a model version; its manifest comes last and starts the release
#[derive(Debug, Args)]
#[command(after_help = "\
Every file of DIR is uploaded below the folder of the version, several at a time,
each with its SHA-256. A push that was broken off goes on where it was when it is
repeated. The name of a version is given once.

A golden.json in DIR has the golden requests; a metrics.json has the metrics.
Files and folders whose names begin with a dot are left out.

Examples:
  perch model push models/v2 --target news-classifier --version v2
  perch model push models/v3 --target news-classifier --version v3 \\
    --metric accuracy=0.93 --training s3://data/2026-11/ --sign release-key.pem")]
pub(crate) struct Push {
    /// The folder with the model's files
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The target whose source it goes to
    #[arg(short, long)]
    pub(crate) target: TargetName,
    /// The name of the version; Triton and TensorFlow Serving need a whole number
    #[arg(short, long)]
    pub(crate) version: Version,
    /// What it measures, such as accuracy=0.93
    #[arg(long = "metric", value_name = "NAME=NUMBER", value_parser = metric)]
    pub(crate) metrics: Vec<(String, f64)>,
    /// A JSON file with metrics, instead of DIR/metrics.json
    #[arg(long = "metrics", value_name = "FILE")]
    pub(crate) metrics_file: Option<PathBuf>,
    /// Where its training data are, or the run that trained it
    #[arg(long, value_name = "REF")]
    pub(crate) training: Option<String>,
    /// What it was made with
    #[arg(long)]
    pub(crate) framework: Option<String>,
    /// Sign the manifest with this Ed25519 private key in PEM
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) sign: Option<PathBuf>,
    /// Who uploads it
    #[arg(long, env = "USER", hide_env_values = true, default_value = "unknown")]
    pub(crate) by: String,
    /// The size of the parts of large files; at least 5MiB
    #[arg(long, default_value = "64MiB", value_parser = part_size)]
    pub(crate) part_size: ByteSize,
}

/// List the model versions of a target's source, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perch model list --target news-classifier
  perch model list --target news-classifier -o json | jq -r '.[] | select(.state == \"serving\") | .version'")]
pub(crate) struct List {
    /// The target
    #[arg(short, long)]
    pub(crate) target: TargetName,
}

/// Show a model version: its manifest, and whether every object is there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  perch model show v2 --target news-classifier")]
pub(crate) struct Show {
    /// The name of the version
    pub(crate) version: Version,
    /// The target
    #[arg(short, long)]
    pub(crate) target: TargetName,
}

fn metric(text: &str) -> Result<(String, f64), String> {
    let wrong = || format!("`{text}` is not NAME=NUMBER, such as accuracy=0.93");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let value: f64 = value.parse().map_err(|_| wrong())?;
    let fits = !name.is_empty() && !name.contains(char::is_whitespace) && value.is_finite();
    fits.then(|| (name.to_owned(), value)).ok_or_else(wrong)
}

/// S3 takes parts of 5 MiB to 5 GiB (S3 User Guide, "Amazon S3 multipart upload limits").
fn part_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize =
        text.parse().map_err(|error: perch_core::target::InvalidSize| error.to_string())?;
    let fits = (5 << 20..=5 << 30).contains(&size.get());
    fits.then_some(size).ok_or_else(|| "parts have 5MiB to 5GiB".to_owned())
}
