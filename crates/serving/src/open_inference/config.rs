//! A model's configuration on Triton, and what it says about who answers.

use perch_app::ports::PortError;
use perch_core::names::Version;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Server, number};
use crate::http::{invalid, not_yet};

/// What decides which version answers callers that name none.
pub(super) enum Kind {
    /// The model is a Triton ensemble with one step: its version is the one.
    Alias {
        config: Value,
        behind: String,
        /// The step's version; -1 stands for the newest.
        step: i64,
    },
    /// The newest version that Triton's version policy has.
    Policy { config: Value },
    /// The newest version that the server finds: `MLServer`, or Triton before the first load.
    Folders,
}

impl Kind {
    /// The model that has the versions.
    pub(super) fn behind<'a>(&'a self, model: &'a str) -> &'a str {
        match self {
            Kind::Alias { behind, .. } => behind,
            Kind::Policy { .. } | Kind::Folders => model,
        }
    }
}

impl Server<'_> {
    pub(super) async fn kind(&self) -> Result<Kind, PortError> {
        let Some(config) = self.config(&self.model).await? else { return Ok(Kind::Folders) };
        let Some(steps) = config.pointer("/ensemble_scheduling/step").and_then(Value::as_array)
        else {
            return Ok(Kind::Policy { config });
        };
        let [step] = steps.as_slice() else {
            return Err(invalid(
                &self.what,
                format!("an ensemble of {} steps has no one version to switch", steps.len()),
            ));
        };
        let behind = step.get("model_name").and_then(Value::as_str).map(str::to_owned);
        let behind =
            behind.ok_or_else(|| invalid(&self.what, "its ensemble's step has no model"))?;
        // Triton writes 64-bit numbers as text or as numbers.
        let step = match step.get("model_version") {
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        Ok(Kind::Alias { config, behind, step: step.unwrap_or(-1) })
    }

    /// Has the server serve just these versions, with all else of its configuration as it is. Versions
    /// that it has stay as they are.
    pub(super) async fn load_versions(
        &self,
        kind: &Kind,
        versions: &[Version],
    ) -> Result<(), PortError> {
        let config = match kind {
            Kind::Folders => None,
            Kind::Policy { config } => Some(config.clone()),
            Kind::Alias { behind, .. } => self.config(behind).await?,
        };
        let Some(mut config) = config else {
            return self.load(kind.behind(&self.model), None).await;
        };
        let numbers: Result<Vec<u64>, _> = versions.iter().map(|v| number(&self.what, v)).collect();
        config["version_policy"] = json!({ "specific": { "versions": numbers? } });
        self.load(kind.behind(&self.model), Some(&config)).await
    }

    /// Has the ensemble's one step use a version.
    ///
    /// To load an ensemble Triton looks at the folder of the model behind it, and where a file changed
    /// (an upload of the next version is enough) it loads that model anew by the policy in that folder,
    /// without the versions that Perch had it load; an ensemble whose version is gone ends. So those are
    /// loaded first, which takes no time where nothing changed, and the ensemble is put back on failure.
    pub(super) async fn load_alias(
        &self,
        kind: &Kind,
        versions: &[Version],
        version: u64,
    ) -> Result<(), PortError> {
        let Kind::Alias { config: former, .. } = kind else { return Ok(()) };
        self.load_versions(kind, versions).await?;
        let mut config = former.clone();
        config["ensemble_scheduling"]["step"][0]["model_version"] = json!(version);
        let loaded = self.load(&self.model, Some(&config)).await;
        if let Err(error) = loaded {
            self.load_versions(kind, versions).await?;
            self.load(&self.model, Some(former)).await?;
            return Err(not_yet(&self.what, format!("the ensemble was put back: {error}")));
        }
        Ok(())
    }

    /// A model's configuration; `None` where the server has none to give.
    async fn config(&self, model: &str) -> Result<Option<Value>, PortError> {
        let answer = self.ask(Method::GET, &format!("/models/{model}/config"), None).await?;
        match answer.status.as_u16() {
            // Triton says 400 for a model without a version that is ready.
            400 | 404 => Ok(None),
            _ => answer.expect(&[200])?.json().map(Some),
        }
    }
}
