//! Serving on a port, until the process is told to end.

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Address;

/// Serves until SIGTERM or SIGINT; requests under way are answered.
pub(crate) async fn listen(address: &Address, router: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind((address.host, address.port))
        .await
        .with_context(|| format!("cannot listen on port {}", address.port))?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let mut ended = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = ended.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;
    Ok(())
}
