//! Smoke tests: requests with known answers that a canary has to pass before its first traffic.
//!
//! Paths and patterns are kept as they are written. `apply` refuses bad ones, and who judges answers
//! reads them again: so no other function carries their parsers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::span::Span;

/// The status of an answer over HTTP where none is given.
const OK: u16 = 200;

/// Requests to the canary before it gets any traffic. If one of them is not answered as expected, the
/// release ends, and no traffic was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmokeTests {
    /// Where the checks over HTTP go unless they say otherwise, such as the test listener of a load
    /// balancer: `https://HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The checks, done one after the other in this order; at most 20, which take 60 s together at most.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 20)))]
    pub checks: Vec<SmokeCheck>,
}

/// One request and what has to come back: either `invoke` or `http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmokeCheck {
    /// What people call it.
    pub name: String,
    /// Invokes the canary version of the function by its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoke: Option<InvokeCheck>,
    /// Sends a request over HTTP. Redirects are not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// What has to come back.
    #[serde(default)]
    pub expect: Expect,
}

/// An invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvokeCheck {
    /// The event, as JSON.
    pub payload: Value,
}

/// A request over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpCheck {
    /// Where it goes instead of `smoke.url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What is added to the URL, beginning with `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// Headers by name. They are shown as they are: no place for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What is sent, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    #[default]
    Get,
    /// Sends something to be worked on.
    Post,
    /// Writes as a whole.
    Put,
    /// Removes.
    Delete,
}

/// What has to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expect {
    /// The status of an answer over HTTP; 200 if not given. For `invoke`: without it the function must
    /// not fail; with it the answer has to be that of a function behind an HTTP API or a load balancer,
    /// and `statusCode` and `body` of the answer are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 100, max = 599)))]
    pub status: Option<u16>,
    /// The longest time to the whole answer. A new version starts cold: leave it room.
    pub within: Span,
    /// Values by JSON path (RFC 9535), such as `$.label`. A value is compared as it is;
    /// `{min: 0.5, max: 1}` takes a range (or a side of it), `{matches: "^v[0-9]+$"}` a text that a
    /// regular expression finds. A path has to find something, and all that it finds has to fit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, Value>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { status: None, within: Span::seconds(10), json: BTreeMap::new() }
    }
}

impl Expect {
    /// The status that an answer over HTTP has to have.
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or(OK)
    }
}

impl HttpCheck {
    /// The whole URL; nothing where neither the check nor the tests as a whole give one.
    pub fn whole_url(&self, tests: &SmokeTests) -> Option<String> {
        let base = self.url.as_ref().or(tests.url.as_ref())?;
        Some(match &self.path {
            Some(path) => format!("{}{path}", base.trim_end_matches('/')),
            None => base.clone(),
        })
    }
}
