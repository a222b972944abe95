//! The Open Inference Protocol with the model repository extension: NVIDIA Triton with explicit model
//! control, and `MLServer`.
//!
//! These servers have no active version of their own. What decides who answers a caller that names no
//! version is found out from the server (docs/model-servers.md): an ensemble with one step, Triton's
//! version policy, or the folders that `MLServer` finds.

mod config;
mod load;
mod repository;

use std::time::Duration;

use perch_app::ports::PortError;
use perch_core::names::Version;
use perch_core::reload::{Load, Loaded, Replica, ReplicaState};
use perch_core::target::ModelServers;
use reqwest::{Method, Url};
use serde_json::Value;

use crate::grpc::Channels;
use crate::http::{Answer, Ask, Http, invalid, not_yet, timed_out};
use config::Kind;

/// One model on one server.
pub(crate) struct Server<'a> {
    channels: &'a Channels,
    http: &'a Http,
    what: String,
    /// Where it takes loads by gRPC, if that is known.
    grpc: Option<String>,
    /// The name that callers use.
    model: String,
    url: String,
    within: Duration,
}

impl<'a> Server<'a> {
    pub(crate) fn new(
        channels: &'a Channels,
        http: &'a Http,
        servers: &ModelServers,
        replica: &Replica,
    ) -> Self {
        Self {
            channels,
            http,
            grpc: servers.grpc_port.and_then(|port| with_port(&replica.url, port)),
            what: format!("model {} on {}", servers.model, replica.name),
            model: servers.model.to_string(),
            url: format!("{}/v2", replica.url),
            within: servers.request_timeout.duration(),
        }
    }

    pub(crate) async fn state(&self) -> Result<ReplicaState, PortError> {
        let kind = self.kind().await?;
        self.state_of(&kind).await
    }

    /// Loads a version beside those that are ready. The server answers when it is loaded, which may take
    /// minutes and goes on when nobody waits: no answer in time is no failure.
    pub(crate) async fn stage(&self, version: &Version) -> Result<(), PortError> {
        let kind = self.kind().await?;
        if let Kind::Alias { .. } | Kind::Policy { .. } = kind {
            number(&self.what, version)?;
        }
        let state = self.state_of(&kind).await?;
        if let Some(Load::Ready | Load::Loading) = state.load_of(version) {
            return Ok(());
        }
        let mut versions = ready(&state);
        versions.push(version.clone());
        match self.load_versions(&kind, &versions).await {
            Err(error) if timed_out(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(()) if self.load_of(&kind, version).await?.is_some() => Ok(()),
            Ok(()) => Err(invalid(
                &self.what,
                format!("the server finds no version {version} in its model repository"),
            )),
        }
    }

    pub(crate) async fn probe(&self, version: &Version, input: &Value) -> Result<Value, PortError> {
        let kind = self.kind().await?;
        let path = format!("/models/{}/versions/{version}/infer", kind.behind(&self.model));
        let answer = self.ask(Method::POST, &path, Some(input)).await?;
        // Not ready: Triton says 503 or 400, MLServer 400 or 404.
        if matches!(answer.status.as_u16(), 400 | 404)
            && self.load_of(&kind, version).await? != Some(Load::Ready)
        {
            return Err(not_yet(&self.what, format!("version {version} is not ready")));
        }
        let answer: Value = answer.expect(&[200])?.json()?;
        match answer.get("model_version") {
            Some(Value::String(who)) if who != version.as_str() => Err(invalid(
                &self.what,
                format!("version {version} was asked and version {who} answered"),
            )),
            _ => Ok(answer),
        }
    }

    pub(crate) async fn activate(&self, version: &Version) -> Result<(), PortError> {
        let kind = self.kind().await?;
        let state = self.state_of(&kind).await?;
        if state.load_of(version) != Some(&Load::Ready) {
            return Err(not_yet(&self.what, format!("version {version} is not ready")));
        }
        if state.active.as_ref() == Some(version) {
            return Ok(());
        }
        match &kind {
            Kind::Alias { .. } => {
                let number = number(&self.what, version)?;
                self.load_alias(&kind, &ready(&state), number).await
            }
            Kind::Policy { .. } => {
                // The newest answers: what is newer goes, after the requests that it has.
                let number = number(&self.what, version)?;
                let older = |v: &Version| v.as_str().parse::<u64>().is_ok_and(|n| n <= number);
                let versions: Vec<_> = ready(&state).into_iter().filter(older).collect();
                self.load_versions(&kind, &versions).await
            }
            Kind::Folders => Err(invalid(
                &self.what,
                format!(
                    "the server answers with the newest version in its repository: for {version} to \
                     answer, remove the newer folder and load the model, or have callers name the version"
                ),
            )),
        }
    }

    pub(crate) async fn unload(&self, version: &Version) -> Result<(), PortError> {
        let kind = self.kind().await?;
        let state = self.state_of(&kind).await?;
        if state.active.as_ref() == Some(version) {
            return Err(invalid(&self.what, format!("version {version} answers callers")));
        }
        if state.load_of(version).is_none() {
            return Ok(());
        }
        let others: Vec<_> = ready(&state).into_iter().filter(|v| v != version).collect();
        self.load_versions(&kind, &others).await?;
        match (&kind, self.load_of(&kind, version).await?) {
            (Kind::Folders, Some(Load::Ready)) => Err(invalid(
                &self.what,
                format!("the server has version {version} as long as its repository does"),
            )),
            _ => Ok(()),
        }
    }

    async fn state_of(&self, kind: &Kind) -> Result<ReplicaState, PortError> {
        let loaded = self.loaded(kind).await?;
        let active = match kind {
            Kind::Alias { step, .. } if *step > 0 => self.version(&step.to_string()).ok(),
            // Triton answers with the newest that is ready.
            Kind::Alias { .. } | Kind::Policy { .. } => {
                newest(&loaded, |load| *load == Load::Ready)
            }
            // MLServer refuses while its newest is loading.
            Kind::Folders => newest(&loaded, |load| !matches!(load, Load::Failed { .. }))
                .filter(|v| loaded.iter().any(|l| l.version == *v && l.load == Load::Ready)),
        };
        let ready = |v: &Version| loaded.iter().any(|l| l.version == *v && l.load == Load::Ready);
        Ok(ReplicaState { active: active.filter(ready), loaded, memory: None, generation: None })
    }

    async fn load_of(&self, kind: &Kind, version: &Version) -> Result<Option<Load>, PortError> {
        Ok(self.state_of(kind).await?.load_of(version).cloned())
    }

    fn version(&self, text: &str) -> Result<Version, PortError> {
        text.parse().map_err(|e| invalid(&self.what, format!("{e}")))
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

fn ready(state: &ReplicaState) -> Vec<Version> {
    let ready = state.loaded.iter().filter(|loaded| loaded.load == Load::Ready);
    ready.map(|loaded| loaded.version.clone()).collect()
}

/// The highest number among versions, as these servers compare them: text where one is no number.
fn newest(loaded: &[Loaded], counts: impl Fn(&Load) -> bool) -> Option<Version> {
    let versions = loaded.iter().filter(|l| counts(&l.load)).map(|l| &l.version);
    versions.max_by(|a, b| compare(a, b)).cloned()
}

fn compare(a: &Version, b: &Version) -> std::cmp::Ordering {
    match (a.as_str().parse::<u64>(), b.as_str().parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.as_str().cmp(b.as_str()),
    }
}

/// The same host at another port.
fn with_port(url: &str, port: u16) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.set_port(Some(port)).ok()?;
    Some(url.into())
}

/// The whole number that Triton's folders are named by.
fn number(what: &str, version: &Version) -> Result<u64, PortError> {
    version.as_str().parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        invalid(what, format!("{version} is no version number: Triton's are whole numbers from 1"))
    })
}
