//! Invocations of smoke tests, by the number of a version that has no traffic.

use std::time::{Duration, Instant};

use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use perch_app::ports::InvokeVersion;
use perch_core::names::{FunctionName, Version};
use perch_core::smoke::{Answer, Heard};
use serde_json::Value;

use super::Functions;
use super::ask::{is_of_the_version, said};

impl InvokeVersion for Functions {
    async fn invoke(
        &self,
        function: &FunctionName,
        version: &Version,
        payload: &Value,
        within: Duration,
    ) -> Heard {
        let began = Instant::now();
        let answer = self.invoke_version(function, version, payload, within).await;
        let took = began.elapsed();
        let answer = match answer {
            Ok(answer) => returned(answer),
            Err(error) => failed(&error, within),
        };
        Heard { answer, took }
    }
}

fn returned(answer: InvokeOutput) -> Answer {
    let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
    let error = answer.function_error.map(|kind| format!("{kind}: {}", said(&body)));
    Answer::Function { error, body }
}

fn failed(error: &SdkError<InvokeError>, within: Duration) -> Answer {
    if is_of_the_version(error.code()) {
        let error = Some(said(error.message().unwrap_or_default().as_bytes()));
        return Answer::Function { error, body: Vec::new() };
    }
    let why = match error {
        SdkError::TimeoutError(_) => format!("no answer within {} ms", within.as_millis()),
        error => match (error.code(), error.message()) {
            (Some(code), message) => format!("{code}: {}", message.unwrap_or("no message")),
            (None, _) => format!("it could not be invoked: {}", DisplayErrorContext(error)),
        },
    };
    Answer::Nothing { why: said(why.as_bytes()) }
}
