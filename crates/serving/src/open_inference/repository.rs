//! The model repository extension: what the server has, and loading.

use perch_app::ports::PortError;
use perch_core::names::Version;
use perch_core::reload::{Load, Loaded};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::Server;
use super::config::Kind;

/// An entry of the index.
#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// What a model says of itself; `MLServer` leaves the versions out.
#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    versions: Vec<String>,
}

impl Server<'_> {
    /// The versions that the server has.
    pub(super) async fn loaded(&self, kind: &Kind) -> Result<Vec<Loaded>, PortError> {
        let model = kind.behind(&self.model);
        let body = json!({});
        let answer = self.ask(Method::POST, "/repository/index", Some(&body)).await?;
        let entries: Vec<Entry> = answer.expect(&[200])?.json()?;
        let mut loaded = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.name == model) {
            let Some(version) = entry.version else { continue };
            let version = self.version(&version)?;
            let reason = entry.reason.unwrap_or_default();
            let load = match entry.state.as_deref() {
                Some("LOADING") => Some(Load::Loading),
                // What was unloaded stays in Triton's index with this reason.
                Some("UNAVAILABLE") if reason.is_empty() || reason == "unloaded" => None,
                Some("UNAVAILABLE") => Some(Load::Failed { reason }),
                Some("UNLOADING") | None => None,
                // MLServer's index has one state for all versions of a model.
                Some(_) => self.ready(model, version.as_str()).await?,
            };
            loaded.extend(load.map(|load| Loaded { version, load }));
        }
        for version in self.answering(model).await? {
            if loaded.iter().all(|loaded| loaded.version != version) {
                loaded.push(Loaded { version, load: Load::Ready });
            }
        }
        Ok(loaded)
    }

    /// The versions that answer. While storage can't be read, Triton's index lacks those too.
    async fn answering(&self, model: &str) -> Result<Vec<Version>, PortError> {
        let answer = self.ask(Method::GET, &format!("/models/{model}"), None).await?;
        if !answer.status.is_success() {
            return Ok(Vec::new());
        }
        let metadata: Metadata = answer.json()?;
        metadata.versions.iter().map(|version| self.version(version)).collect()
    }

    async fn ready(&self, model: &str, version: &str) -> Result<Option<Load>, PortError> {
        let path = format!("/models/{model}/versions/{version}/ready");
        let answer = self.ask(Method::GET, &path, None).await?;
        match answer.status.as_u16() {
            400 => Ok(Some(Load::Loading)),
            404 => Ok(None),
            _ => answer.expect(&[200]).map(|_| Some(Load::Ready)),
        }
    }
}
