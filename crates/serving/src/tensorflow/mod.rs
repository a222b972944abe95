//! TensorFlow Serving: `HandleReloadConfigRequest` and `GetModelStatus` over gRPC, requests over REST.
//!
//! A change of its configuration replaces all that the server serves; what it is to serve besides the
//! model's versions stands in the target file. The label `stable` names the version that answers.

pub mod messages;

use std::collections::HashMap;
use std::time::Duration;

use perch_app::ports::PortError;
use perch_core::names::Version;
use perch_core::reload::{Load, Loaded, Replica, ReplicaState};
use perch_core::target::{ModelServers, OtherModel, Tensorflow};
use reqwest::{Method, Url};
use serde_json::Value;
use tonic::Code;

use crate::grpc::{Call, Channels, port_error};
use crate::http::{Ask, Http, invalid, not_yet};
use messages::{
    GetModelMetadataRequest, GetModelMetadataResponse, GetModelStatusRequest,
    GetModelStatusResponse, ModelConfig, ModelConfigList, ModelServerConfig, ModelSpec,
    ModelVersionStatus, ReloadConfigRequest, ReloadConfigResponse, Specific, State, VersionChoice,
    VersionPolicy,
};

const GET_STATUS: Call = Call("/tensorflow.serving.ModelService/GetModelStatus");
const RELOAD: Call = Call("/tensorflow.serving.ModelService/HandleReloadConfigRequest");
const GET_METADATA: Call = Call("/tensorflow.serving.PredictionService/GetModelMetadata");
/// The label of the version that answers callers.
const STABLE: &str = "stable";

/// One model on one server.
pub(crate) struct Server<'a> {
    channels: &'a Channels,
    http: &'a Http,
    what: String,
    model: String,
    replica: String,
    config: Option<Tensorflow>,
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
            what: format!("model {} on {}", servers.model, replica.name),
            model: servers.model.to_string(),
            replica: replica.url.clone(),
            config: servers.tensorflow.clone(),
            within: servers.request_timeout.duration(),
        }
    }

    pub(crate) async fn state(&self) -> Result<ReplicaState, PortError> {
        let loaded = self.loaded().await?;
        let newest = loaded.iter().filter(|l| l.load == Load::Ready).map(|l| &l.version);
        let newest = newest.max_by_key(|v| v.as_str().parse::<i64>().unwrap_or_default()).cloned();
        let active = match self.labelled().await? {
            Some(version) => Some(version),
            // Callers that use no label get the newest.
            None => newest,
        };
        Ok(ReplicaState { active, loaded, memory: None, generation: None })
    }

    /// The label is set too: callers that use it keep the version that answers now.
    pub(crate) async fn stage(&self, version: &Version) -> Result<(), PortError> {
        let number = self.number(version)?;
        let state = self.state().await?;
        if let Some(Load::Ready | Load::Loading) = state.load_of(version) {
            return Ok(());
        }
        let mut versions = self.ready(&state)?;
        versions.push(number);
        self.serve(versions, state.active.as_ref()).await
    }

    pub(crate) async fn probe(&self, version: &Version, input: &Value) -> Result<Value, PortError> {
        if self.loaded().await?.iter().all(|l| l.version != *version || l.load != Load::Ready) {
            return Err(not_yet(&self.what, format!("version {version} is not ready")));
        }
        let path = format!("/v1/models/{}/versions/{version}:predict", self.model);
        let url = self.rest(&path)?;
        let (what, method, within) = (self.what.as_str(), Method::POST, self.within);
        let ask = Ask { what, method, url, body: Some(input), token: None, within };
        self.http.send(&ask).await?.expect(&[200])?.json()
    }

    pub(crate) async fn activate(&self, version: &Version) -> Result<(), PortError> {
        let state = self.state().await?;
        // The server refuses a label on a version that is not available, after it took the rest.
        if state.load_of(version) != Some(&Load::Ready) {
            return Err(not_yet(&self.what, format!("version {version} is not ready")));
        }
        let versions = self.ready(&state)?;
        self.serve(versions, Some(version)).await
    }

    pub(crate) async fn unload(&self, version: &Version) -> Result<(), PortError> {
        let state = self.state().await?;
        if state.active.as_ref() == Some(version) {
            return Err(invalid(&self.what, format!("version {version} answers callers")));
        }
        if state.load_of(version).is_none() {
            return Ok(());
        }
        let number = self.number(version)?;
        let mut others = self.ready(&state)?;
        others.retain(|other| *other != number);
        self.serve(others, state.active.as_ref()).await
    }

    async fn loaded(&self) -> Result<Vec<Loaded>, PortError> {
        let request = GetModelStatusRequest { model_spec: Some(self.spec(None)) };
        let answer = self.call(GET_STATUS, request).await;
        let answer: GetModelStatusResponse = match answer {
            // No version of the model was ever asked for.
            Err(status) if status.code() == Code::NotFound => return Ok(Vec::new()),
            other => other.map_err(|status| port_error(&self.what, status))?,
        };
        let mut loaded = Vec::new();
        for status in answer.model_version_status {
            let version = self.version(status.version)?;
            loaded.extend(load(&status).map(|load| Loaded { version, load }));
        }
        loaded.sort_by(|a, b| a.version.cmp(&b.version));
        Ok(loaded)
    }

    /// The version with the label `stable`, if one has it.
    async fn labelled(&self) -> Result<Option<Version>, PortError> {
        let label = VersionChoice::VersionLabel(STABLE.to_owned());
        let request = GetModelMetadataRequest {
            model_spec: Some(self.spec(Some(label))),
            metadata_field: vec!["signature_def".to_owned()],
        };
        let answer: GetModelMetadataResponse = match self.call(GET_METADATA, request).await {
            Ok(answer) => answer,
            Err(status) => match status.code() {
                Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => {
                    return Ok(None);
                }
                _ => return Err(port_error(&self.what, status)),
            },
        };
        match answer.model_spec.and_then(|spec| spec.version_choice) {
            Some(VersionChoice::Version(version)) => self.version(version.value).map(Some),
            _ => Ok(None),
        }
    }

    /// Replaces what the server serves: these versions of the model, and the other models as before.
    async fn serve(
        &self,
        mut versions: Vec<i64>,
        stable: Option<&Version>,
    ) -> Result<(), PortError> {
        let config = self.config()?;
        versions.sort_unstable();
        let stable = stable.map(|version| self.number(version)).transpose()?;
        let model = ModelConfig {
            name: self.model.clone(),
            base_path: config.base_path.clone(),
            model_platform: "tensorflow".to_owned(),
            model_version_policy: Some(VersionPolicy { specific: Some(Specific { versions }) }),
            version_labels: stable.map(|number| (STABLE.to_owned(), number)).into_iter().collect(),
        };
        let models = std::iter::once(model).chain(config.other_models.iter().map(other)).collect();
        let list = ModelConfigList { config: models };
        let config = ModelServerConfig { model_config_list: Some(list) };
        let request = ReloadConfigRequest { config: Some(config) };
        let answer: ReloadConfigResponse = match self.call(RELOAD, request).await {
            // The server goes on; the state tells how far it comes.
            Err(status) if status.code() == Code::DeadlineExceeded => return Ok(()),
            other => other.map_err(|status| port_error(&self.what, status))?,
        };
        match answer.status {
            Some(status) if status.error_code != 0 => {
                Err(invalid(&self.what, status.error_message))
            }
            _ => Ok(()),
        }
    }

    async fn call<Q, A>(&self, call: Call, request: Q) -> Result<A, tonic::Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        self.channels.call(&self.replica, call, request, self.within).await
    }

    fn config(&self) -> Result<&Tensorflow, PortError> {
        let config = self.config.as_ref();
        config.ok_or_else(|| invalid(&self.what, "the target file gives no `tensorflow.basePath`"))
    }

    fn spec(&self, version_choice: Option<VersionChoice>) -> ModelSpec {
        ModelSpec { name: self.model.clone(), version_choice }
    }

    fn rest(&self, path: &str) -> Result<String, PortError> {
        let text = self.replica.replacen("grpc://", "http://", 1);
        let mut url = Url::parse(&text).map_err(|e| invalid(&self.what, e.to_string()))?;
        let port = self.config()?.rest_port;
        url.set_port(Some(port)).map_err(|()| invalid(&self.what, "its address has no host"))?;
        url.set_path(path);
        Ok(url.into())
    }

    fn ready(&self, state: &ReplicaState) -> Result<Vec<i64>, PortError> {
        let ready = state.loaded.iter().filter(|loaded| loaded.load == Load::Ready);
        ready.map(|loaded| self.number(&loaded.version)).collect()
    }

    fn number(&self, version: &Version) -> Result<i64, PortError> {
        version.as_str().parse().ok().filter(|number| *number >= 0).ok_or_else(|| {
            let text =
                format!("{version} is no version number: TensorFlow Serving's are whole numbers");
            invalid(&self.what, text)
        })
    }

    fn version(&self, number: i64) -> Result<Version, PortError> {
        number.to_string().parse().map_err(|e| invalid(&self.what, format!("{e}")))
    }
}

/// A model beside the one that is released. The server's default policy serves its newest version.
fn other(model: &OtherModel) -> ModelConfig {
    ModelConfig {
        name: model.name.to_string(),
        base_path: model.base_path.clone(),
        model_platform: "tensorflow".to_owned(),
        model_version_policy: None,
        version_labels: HashMap::new(),
    }
}

fn load(status: &ModelVersionStatus) -> Option<Load> {
    match status.state() {
        State::Available => Some(Load::Ready),
        State::Unknown | State::Start | State::Loading => Some(Load::Loading),
        State::Unloading => None,
        State::End => status
            .status
            .as_ref()
            .filter(|status| status.error_code != 0)
            .map(|status| Load::Failed { reason: status.error_message.clone() }),
    }
}
