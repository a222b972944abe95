//! The port to model servers: every protocol behind one type.

use perch_app::ports::{PortError, ServeModel};
use perch_core::names::Version;
use perch_core::reload::{ModelFiles, Replica, ReplicaState};
use perch_core::target::{ModelServers, Protocol};
use serde_json::Value;

use crate::grpc::Channels;
use crate::http::Http;
use crate::open_inference;
use crate::perch;
use crate::tensorflow;

/// Model servers, whatever they speak.
#[derive(Debug, Clone)]
pub struct Servers {
    http: Http,
    channels: Channels,
}

/// One model on one server, in the server's protocol.
enum Driver<'a> {
    Perch(perch::Server<'a>),
    OpenInference(open_inference::Server<'a>),
    Tensorflow(tensorflow::Server<'a>),
}

impl Servers {
    /// A client whose connections are kept between calls.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { http: Http::new()?, channels: Channels::default() })
    }

    fn driver(&self, servers: &ModelServers, replica: &Replica) -> Driver<'_> {
        match servers.protocol {
            Protocol::Perch => Driver::Perch(perch::Server::new(&self.http, servers, replica)),
            Protocol::OpenInference => {
                let (channels, http) = (&self.channels, &self.http);
                Driver::OpenInference(open_inference::Server::new(channels, http, servers, replica))
            }
            Protocol::TensorflowServing => {
                let (channels, http) = (&self.channels, &self.http);
                Driver::Tensorflow(tensorflow::Server::new(channels, http, servers, replica))
            }
        }
    }
}

impl ServeModel for Servers {
    async fn state(
        &self,
        servers: &ModelServers,
        replica: &Replica,
    ) -> Result<ReplicaState, PortError> {
        match self.driver(servers, replica) {
            Driver::Perch(server) => server.state().await,
            Driver::OpenInference(server) => server.state().await,
            Driver::Tensorflow(server) => server.state().await,
        }
    }

    async fn stage(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        model: &ModelFiles,
    ) -> Result<(), PortError> {
        match self.driver(servers, replica) {
            Driver::Perch(server) => server.stage(model).await,
            Driver::OpenInference(server) => server.stage(&model.version).await,
            Driver::Tensorflow(server) => server.stage(&model.version).await,
        }
    }

    async fn probe(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        version: &Version,
        input: &Value,
    ) -> Result<Value, PortError> {
        match self.driver(servers, replica) {
            Driver::Perch(server) => server.probe(version, input).await,
            Driver::OpenInference(server) => server.probe(version, input).await,
            Driver::Tensorflow(server) => server.probe(version, input).await,
        }
    }

    async fn activate(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        version: &Version,
    ) -> Result<(), PortError> {
        match self.driver(servers, replica) {
            Driver::Perch(server) => server.activate(version).await,
            Driver::OpenInference(server) => server.activate(version).await,
            Driver::Tensorflow(server) => server.activate(version).await,
        }
    }

    async fn unload(
        &self,
        servers: &ModelServers,
        replica: &Replica,
        version: &Version,
    ) -> Result<(), PortError> {
        match self.driver(servers, replica) {
            Driver::Perch(server) => server.unload(version).await,
            Driver::OpenInference(server) => server.unload(version).await,
            Driver::Tensorflow(server) => server.unload(version).await,
        }
    }
}
