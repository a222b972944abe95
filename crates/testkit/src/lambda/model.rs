//! Functions that point at a model, and versions that are asked.

use perch_app::ports::{AskVersion, Asked, PointAtModel, PortError};
use perch_core::names::{FunctionName, Version};
use perch_core::pointer::ModelPointer;
use serde_json::Value;

use super::{MemoryLambda, Progress};

impl PointAtModel for MemoryLambda {
    async fn point_at(
        &self,
        function: &FunctionName,
        model: Option<&ModelPointer>,
    ) -> Result<(), PortError> {
        self.port("point_at", |account| {
            let update = Progress { looks: account.update_looks, fails: None };
            let revision = account.next_revision();
            let found = account.function_mut(function)?;
            found.not_updating(function)?;
            if let Some(why) = &found.sealed {
                let what = format!("the environment of function {function}");
                return Err(PortError::Invalid { what, message: why.clone() });
            }
            found.model = model.cloned();
            found.update = update;
            found.revision = revision;
            Ok(())
        })
        .await
    }
}

impl AskVersion for MemoryLambda {
    async fn ask(
        &self,
        function: &FunctionName,
        version: &Version,
        input: &Value,
    ) -> Result<Asked, PortError> {
        self.port("ask", |account| {
            let model = account.version_mut(function, version)?.model.clone();
            let model = model.map(|model| model.version).unwrap_or_default();
            account.requests.push((format!("{function}:{version}"), input.clone()));
            let unknown = || Asked::Failed(format!("no answer was prepared for model {model}"));
            Ok(account.answers.get(&model).cloned().unwrap_or_else(unknown))
        })
        .await
    }
}
