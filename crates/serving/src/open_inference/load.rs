//! Loading: over HTTP, or over Triton's gRPC where the target file gives its port.

use std::collections::HashMap;

use perch_app::ports::PortError;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

use super::Server;
use crate::grpc::{Call, port_error};
use crate::http::{TimedOut, unavailable};

const LOAD: Call = Call("/inference.GRPCInferenceService/RepositoryModelLoad");

/// Loads a model (Triton, model repository extension). Written by hand, as TensorFlow Serving's are.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct LoadRequest {
    #[prost(string, tag = "2")]
    model_name: String,
    #[prost(map = "string, message", tag = "3")]
    parameters: HashMap<String, Parameter>,
}

/// Of the published kinds of parameters Perch uses text.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Parameter {
    #[prost(string, tag = "3")]
    text: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct LoadResponse {}

impl Server<'_> {
    /// Loads a model, with a configuration in place of the one in its folder.
    pub(super) async fn load(&self, model: &str, config: Option<&Value>) -> Result<(), PortError> {
        match &self.grpc {
            Some(address) => self.load_by_grpc(address, model, config).await,
            None => self.load_by_http(model, config).await,
        }
    }

    async fn load_by_http(&self, model: &str, config: Option<&Value>) -> Result<(), PortError> {
        let body = match config {
            Some(config) => json!({ "parameters": { "config": config.to_string() } }),
            None => json!({}),
        };
        let path = format!("/repository/models/{model}/load");
        self.ask(Method::POST, &path, Some(&body)).await?.expect(&[200]).map(drop)
    }

    async fn load_by_grpc(
        &self,
        address: &str,
        model: &str,
        config: Option<&Value>,
    ) -> Result<(), PortError> {
        let parameters = config
            .map(|config| ("config".to_owned(), Parameter { text: config.to_string() }))
            .into_iter()
            .collect();
        let request = LoadRequest { model_name: model.to_owned(), parameters };
        let answer = self.channels.call(address, LOAD, request, self.within).await;
        match answer {
            Ok(LoadResponse {}) => Ok(()),
            Err(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) => {
                Err(unavailable(&self.what, TimedOut(self.within)))
            }
            Err(status) => Err(port_error(&self.what, status)),
        }
    }
}
