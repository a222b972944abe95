//! gRPC calls, with connections kept between them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use perch_app::ports::PortError;
use tokio::sync::Mutex;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::http::{invalid, unavailable};

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// A method of a published service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call(pub(crate) &'static str);

/// A connection per server. One that broke is made anew by the next call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channels(Arc<Mutex<HashMap<String, Channel>>>);

impl Channels {
    /// One call, answered in time or not at all.
    pub(crate) async fn call<Q, A>(
        &self,
        server: &str,
        call: Call,
        message: Q,
        within: Duration,
    ) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let mut client = Grpc::new(self.channel(server).await?);
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        let path = PathAndQuery::from_static(call.0);
        let mut request = Request::new(message);
        request.set_timeout(within);
        let answer = async {
            client.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
            client.unary(request, path, codec).await
        };
        match tokio::time::timeout(within, answer).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded(format!("no answer within {within:?}"))),
        }
    }

    async fn channel(&self, server: &str) -> Result<Channel, Status> {
        let mut channels = self.0.lock().await;
        if let Some(channel) = channels.get(server) {
            return Ok(channel.clone());
        }
        let channel = connect(server).map_err(|e| Status::invalid_argument(e.to_string()))?;
        channels.insert(server.to_owned(), channel.clone());
        Ok(channel)
    }
}

fn connect(server: &str) -> Result<Channel, tonic::transport::Error> {
    let address = server.replacen("grpc://", "http://", 1);
    let endpoint = Endpoint::from_shared(address)?.connect_timeout(CONNECT_WITHIN);
    let endpoint = if server.starts_with("https://") {
        endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?
    } else {
        endpoint
    };
    Ok(endpoint.connect_lazy())
}

/// What a status means to the caller.
pub(crate) fn port_error(what: &str, status: Status) -> PortError {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => {
            PortError::Denied { what: what.to_owned(), message: status.message().to_owned() }
        }
        Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented | Code::NotFound => {
            invalid(what, status.message())
        }
        _ => unavailable(what, status),
    }
}
