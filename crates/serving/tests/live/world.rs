//! Short words for what the tests give to the ports.

use std::error::Error;

use perch_app::ports::{PortError, ReadSecret, ServeModel};
use perch_core::names::{SecretRef, Version};
use perch_core::reload::{Load, ModelFiles, Replica, ReplicaState};
use perch_core::target::{Cache, ModelServers};
use perch_serving::Servers;
use serde_json::{Value, json};

use crate::child::eventually;

/// Secrets that stand in the reference's last part.
#[derive(Clone, Copy)]
pub(crate) struct Secrets;

impl ReadSecret for Secrets {
    async fn secret(&self, secret: &SecretRef) -> Result<String, PortError> {
        let text = secret.as_str();
        Ok(text.rsplit('/').next().unwrap_or(text).to_owned())
    }
}

/// Servers of the model `news`, with a request time-out in milliseconds.
pub(crate) fn servers(protocol: &str, model: &str, timeout: &str) -> ModelServers {
    let mut servers = json!({
        "protocol": protocol, "model": model, "replicas": { "static": [] },
        "requestTimeout": timeout,
    });
    if protocol == "tensorflow-serving" {
        servers["tensorflow"] = json!({ "basePath": "/models/news" });
    }
    serde_json::from_value(servers).unwrap()
}

/// A cache from what a target file says.
pub(crate) fn cache(fields: Value) -> Cache {
    serde_json::from_value(fields).unwrap()
}

/// A replica at a port of this host.
pub(crate) fn replica(port: u16) -> Replica {
    Replica { name: format!("127.0.0.1:{port}"), url: format!("http://127.0.0.1:{port}") }
}

/// A version.
pub(crate) fn v(text: &str) -> Version {
    text.parse().unwrap()
}

/// A model version without files, for servers that read storage themselves.
pub(crate) fn model(version: &str) -> ModelFiles {
    ModelFiles {
        version: v(version),
        source: format!("s3://models/news/{version}/"),
        bytes: 1,
        files: Vec::new(),
    }
}

/// One server and the adapter to it.
pub(crate) struct One {
    pub(crate) adapter: Servers,
    pub(crate) servers: ModelServers,
    pub(crate) replica: Replica,
}

impl One {
    pub(crate) fn new(servers: ModelServers, port: u16) -> Self {
        Self { adapter: Servers::new().unwrap(), servers, replica: replica(port) }
    }

    pub(crate) async fn state(&self) -> Result<ReplicaState, PortError> {
        self.adapter.state(&self.servers, &self.replica).await
    }

    pub(crate) async fn stage(&self, model: &ModelFiles) -> Result<(), PortError> {
        self.adapter.stage(&self.servers, &self.replica, model).await
    }

    pub(crate) async fn probe(&self, version: &str, input: &Value) -> Result<Value, PortError> {
        self.adapter.probe(&self.servers, &self.replica, &v(version), input).await
    }

    pub(crate) async fn activate(&self, version: &str) -> Result<(), PortError> {
        self.adapter.activate(&self.servers, &self.replica, &v(version)).await
    }

    pub(crate) async fn unload(&self, version: &str) -> Result<(), PortError> {
        self.adapter.unload(&self.servers, &self.replica, &v(version)).await
    }

    /// The version's load once it is not loading any more.
    pub(crate) async fn settled(&self, version: &str) -> Option<Load> {
        eventually("the load ends", || async {
            match self.state().await.unwrap().load_of(&v(version)) {
                Some(Load::Loading) => None,
                other => Some(other.cloned()),
            }
        })
        .await
    }

    /// Stages a version and waits for it.
    pub(crate) async fn ready(&self, model: &ModelFiles) {
        self.stage(model).await.unwrap();
        assert_eq!(self.settled(model.version.as_str()).await, Some(Load::Ready));
    }

    pub(crate) async fn active(&self) -> Option<String> {
        self.state().await.unwrap().active.map(|version| version.to_string())
    }
}

/// An error and its causes, as people read them.
pub(crate) fn chain(error: &PortError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The text of a refusal that no second try helps.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, PortError>) -> String {
    match result {
        Err(error @ PortError::Invalid { .. }) => chain(&error),
        other => panic!("expected Invalid, got {other:?}"),
    }
}

/// The text of a failure that a second try may help.
pub(crate) fn later<T: std::fmt::Debug>(result: Result<T, PortError>) -> String {
    match result {
        Err(error @ PortError::Unavailable { .. }) => chain(&error),
        other => panic!("expected Unavailable, got {other:?}"),
    }
}
