//! One request to a version that has no traffic, answered while the caller waits.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use perch_app::ports::{AskVersion, Asked, PortError};
use perch_core::names::{FunctionName, Version};
use serde_json::Value;

use super::Functions;
use crate::error::port_error;

/// A first answer may have a model to load; the function that asks has 30 s.
const ANSWER: Duration = Duration::from_secs(20);
/// As much of what the version said of its failure as people need.
const SAID: usize = 300;

impl Functions {
    /// Invokes a version by its number and waits this long for its answer.
    pub(super) async fn invoke_version(
        &self,
        function: &FunctionName,
        version: &Version,
        payload: &Value,
        within: Duration,
    ) -> Result<InvokeOutput, SdkError<InvokeError>> {
        let patient = TimeoutConfig::builder()
            .operation_attempt_timeout(within)
            .operation_timeout(within)
            .build();
        self.client
            .invoke()
            .function_name(function.as_str())
            .qualifier(version.as_str())
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(payload.to_string()))
            .customize()
            .config_override(aws_sdk_lambda::config::Builder::new().timeout_config(patient))
            .send()
            .await
    }
}

impl AskVersion for Functions {
    async fn ask(
        &self,
        function: &FunctionName,
        version: &Version,
        input: &Value,
    ) -> Result<Asked, PortError> {
        let answer = self.invoke_version(function, version, input, ANSWER).await;
        let answer = match answer {
            Ok(answer) => answer,
            // Lambda could not start the version: that is what the request was to find out.
            Err(error) if is_of_the_version(error.code()) => {
                return Ok(Asked::Failed(said(error.message().unwrap_or_default().as_bytes())));
            }
            Err(error) => {
                return Err(port_error(format!("version {version} of function {function}"), error));
            }
        };
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if let Some(kind) = answer.function_error {
            return Ok(Asked::Failed(format!("{kind}: {}", said(&payload))));
        }
        Ok(match serde_json::from_slice(&payload) {
            Ok(answer) => Asked::Answer(answer),
            Err(_) => {
                Asked::Failed(format!("it answered something that is not JSON: {}", said(&payload)))
            }
        })
    }
}

/// Errors of `Invoke` that are the version's own (API Reference, `Invoke`, "Errors").
pub(super) fn is_of_the_version(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("InvalidRuntimeException" | "InvalidZipFileException" | "RequestTooLargeException")
    )
}

pub(super) fn said(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().take(SAID).collect()
}
