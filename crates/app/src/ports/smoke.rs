//! Requests of smoke tests. What keeps one from being answered is an answer, too: it is never tried
//! again by the caller.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use perch_core::names::{FunctionName, Version};
use perch_core::smoke::Heard;
use perch_core::target::Method;
use serde_json::Value;

/// Invokes versions that have no traffic.
pub trait InvokeVersion: Sync {
    /// Invokes the version by its number and waits for its answer, but no longer than this.
    fn invoke(
        &self,
        function: &FunctionName,
        version: &Version,
        payload: &Value,
        within: Duration,
    ) -> impl Future<Output = Heard> + Send;
}

/// A request to a URL.
#[derive(Debug, Clone)]
pub struct UrlRequest<'a> {
    /// Where it goes.
    pub url: &'a str,
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: &'a BTreeMap<String, String>,
    /// What is sent, as JSON.
    pub body: Option<&'a Value>,
    /// The longest time to the end of the answer.
    pub within: Duration,
}

/// Sends requests over HTTP.
pub trait RequestUrl: Sync {
    /// Sends one, follows no redirect, and waits for the whole answer. A connection that can't be made
    /// is tried again a few times within the time allowed.
    fn request(&self, request: &UrlRequest<'_>) -> impl Future<Output = Heard> + Send;
}
