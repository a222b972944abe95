//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The news classifier over HTTP.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Args {
    /// What this process is.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What a process is.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A model server: answers headlines, and loads models beside the one that answers.
    Serve(Serve),
    /// A cache in front of model servers, which takes them in turn.
    Front(Front),
}

/// Where a process listens.
#[derive(Debug, clap::Args)]
pub(crate) struct Address {
    /// The address; 0.0.0.0 in a container.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// The port; a task of ECS is given its own in PORT.
    #[arg(long, env = "PORT")]
    pub(crate) port: u16,
}

/// A model server.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Where to listen.
    #[command(flatten)]
    pub(crate) address: Address,
    /// The folder of the model to begin with: model.json is read.
    #[arg(long)]
    pub(crate) model_dir: PathBuf,
    /// The version of that model; the folder's name without it.
    #[arg(long)]
    pub(crate) model_version: Option<String>,
    /// The model's name, and the dimension `Service` of the metrics.
    #[arg(long, default_value = "news-classifier")]
    pub(crate) model: String,
    /// Bytes that all models together may take.
    #[arg(long, default_value_t = 64 * 1024 * 1024)]
    pub(crate) memory: u64,
    /// Take faults by `PUT /faults`, for tests; with a value, begin with these.
    #[arg(long, num_args = 0..=1, default_missing_value = "{}", value_name = "JSON")]
    pub(crate) faults: Option<String>,
}

/// A cache in front of model servers.
#[derive(Debug, clap::Args)]
pub(crate) struct Front {
    /// Where to listen.
    #[command(flatten)]
    pub(crate) address: Address,
    /// The model servers, such as `http://127.0.0.1:8001,http://127.0.0.1:8002`.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) replicas: Vec<String>,
    /// The cache, such as `redis://127.0.0.1:6379`; without it nothing is kept.
    #[arg(long)]
    pub(crate) redis: Option<String>,
    /// The model's name: entries are `MODEL:GENERATION:HASH`, the generation is in `MODEL:generation`.
    #[arg(long, default_value = "news-classifier")]
    pub(crate) model: String,
    /// Seconds that an answer is kept.
    #[arg(long, default_value_t = 3600)]
    pub(crate) keep: u64,
}
