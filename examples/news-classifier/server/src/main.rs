//! The news classifier as model servers: replicas that load models, and a front with a cache.
//!
//! `replica` holds models in memory and speaks the contract by which Perch reloads them; `front` spreads
//! requests over replicas and keeps their answers in Redis. Metrics go to stdout, messages to stderr.

mod args;
mod front;
mod listen;
mod refusal;
mod replica;

use clap::Parser as _;

use crate::args::{Args, Command};
use crate::listen::listen;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match Args::parse().command {
        Command::Serve(options) => listen(&options.address, replica::router(&options)?).await,
        Command::Front(options) => listen(&options.address, front::router(&options)?).await,
    }
}

#[cfg(test)]
mod live {
    //! Routers on a free port.

    use axum::Router;

    /// Serves a router in the background; returns its address.
    pub(crate) async fn serve(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        url
    }
}
