//! Perch's own contract of a model server (docs/model-servers.md).

use std::time::Duration;

use perch_app::ports::PortError;
use perch_core::names::Version;
use perch_core::reload::{ModelFiles, Replica, ReplicaState};
use perch_core::target::ModelServers;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{Answer, Ask, Http, invalid};

/// One model on one server.
pub(crate) struct Server<'a> {
    http: &'a Http,
    what: String,
    url: String,
    within: Duration,
}

#[derive(Deserialize)]
struct Active {
    active: Option<String>,
}

impl<'a> Server<'a> {
    pub(crate) fn new(http: &'a Http, servers: &ModelServers, replica: &Replica) -> Self {
        Self {
            http,
            what: format!("model {} on {}", servers.model, replica.name),
            url: format!("{}/perch/v1/models/{}", replica.url, servers.model),
            within: servers.request_timeout.duration(),
        }
    }

    pub(crate) async fn state(&self) -> Result<ReplicaState, PortError> {
        self.ask(Method::GET, "", None).await?.expect(&[200])?.json()
    }

    pub(crate) async fn stage(&self, model: &ModelFiles) -> Result<(), PortError> {
        let body = serde_json::to_value(model).map_err(|e| invalid(&self.what, e.to_string()))?;
        let path = format!("/versions/{}", model.version);
        let answer = self.ask(Method::PUT, &path, Some(&body)).await?;
        if answer.status.as_u16() == 507 {
            let message =
                format!("{} ({} has {} bytes)", answer.reason(), model.version, model.bytes);
            return Err(invalid(&self.what, message));
        }
        answer.expect(&[200, 202]).map(drop)
    }

    pub(crate) async fn probe(&self, version: &Version, input: &Value) -> Result<Value, PortError> {
        let path = format!("/versions/{version}/probe");
        self.ask(Method::POST, &path, Some(input)).await?.expect(&[200])?.json()
    }

    pub(crate) async fn activate(&self, version: &Version) -> Result<(), PortError> {
        let body = json!({ "version": version });
        let answer = self.ask(Method::PUT, "/active", Some(&body)).await?.expect(&[200])?;
        match answer.json::<Active>()?.active {
            Some(active) if active == version.as_str() => Ok(()),
            other => Err(invalid(
                &self.what,
                format!("it was to activate {version} and says that {} is active", said(other)),
            )),
        }
    }

    pub(crate) async fn unload(&self, version: &Version) -> Result<(), PortError> {
        let path = format!("/versions/{version}");
        let answer = self.ask(Method::DELETE, &path, None).await?;
        match answer.status.as_u16() {
            409 => Err(invalid(&self.what, answer.reason())),
            _ => answer.expect(&[204, 200, 404]).map(drop),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, PortError> {
        let url = format!("{}{path}", self.url);
        let (what, within) = (self.what.as_str(), self.within);
        self.http.send(&Ask { what, method, url, body, token: None, within }).await
    }
}

fn said(active: Option<String>) -> String {
    active.unwrap_or_else(|| "none".to_owned())
}
