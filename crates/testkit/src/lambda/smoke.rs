//! Versions that are invoked by smoke tests.

use std::time::Duration;

use perch_app::ports::{InvokeVersion, PortError};
use perch_core::names::{FunctionName, Version};
use perch_core::smoke::{Answer, Heard};
use serde_json::{Value, json};

use super::{Account, MemoryLambda};

/// How long every answer takes.
const TOOK: Duration = Duration::from_millis(40);

impl Account {
    /// Whether a version answers smoke tests otherwise than its team expects.
    pub fn is_unfit(&self, function: &FunctionName, version: &Version) -> Result<bool, PortError> {
        let place = version.as_str().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let found = self.functions.get(function);
        let found = found.and_then(|found| found.versions.get(place?)?.as_ref());
        let missing = || PortError::NotFound { what: format!("version {version} of {function}") };
        let code = found.map(|version| version.code.clone()).ok_or_else(missing)?;
        Ok(self.unfit.contains(&(function.to_string(), code)))
    }
}

impl InvokeVersion for MemoryLambda {
    async fn invoke(
        &self,
        function: &FunctionName,
        version: &Version,
        payload: &Value,
        _within: Duration,
    ) -> Heard {
        let answered = self.look("invoke", |account| {
            let answer = json!({ "fit": !account.is_unfit(function, version)?, "asked": payload });
            Ok(Answer::Function { error: None, body: answer.to_string().into_bytes() })
        });
        let nothing = |error: PortError| Answer::Nothing { why: error.to_string() };
        Heard { answer: answered.await.unwrap_or_else(nothing), took: TOOK }
    }
}
