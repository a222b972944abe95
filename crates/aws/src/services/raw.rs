//! Bodies as they are on the wire. The types of the SDK drop what they do not know, and a field that AWS adds
//! later has to survive being read and written again.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ecs::config::{ConfigBag, Intercept, RuntimeComponents};
use serde_json::Value;

/// Keeps the body of a response.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Value>>);

impl Kept {
    /// The body as JSON; null before the response.
    pub(super) fn take(&self) -> Value {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Kept {
    fn name(&self) -> &'static str {
        "Kept"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let body = context.response().body().bytes().unwrap_or_default();
        let body = serde_json::from_slice(body).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}

/// Sends another body than the one that the SDK made: `sending!(request, body).send()`. Every operation has a type of
/// its own.
macro_rules! sending {
    ($request:expr, $body:expr) => {{
        let body = $body.to_string();
        $request.customize().mutate_request(move |request| {
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = body.clone().into();
        })
    }};
}

pub(super) use sending;
