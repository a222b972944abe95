//! Requests over HTTP, bounded in time and size, and what their answers mean to a caller.

use std::error::Error;
use std::time::Duration;

use perch_app::ports::PortError;
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A state, an answer to a probe, a model's configuration: none comes near this.
const LARGEST_ANSWER: usize = 4 << 20;
/// How much of an error's text is passed on.
const LONGEST_REASON: usize = 500;
/// A server on the same network either takes a connection at once or is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// HTTP to servers that may hang, end or answer with anything.
#[derive(Debug, Clone)]
pub(crate) struct Http(Client);

/// One request. Every one may be repeated.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) what: &'a str,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) body: Option<&'a Value>,
    pub(crate) token: Option<&'a str>,
    pub(crate) within: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    what: String,
    pub(crate) status: StatusCode,
    body: Vec<u8>,
}

/// A server's own words.
#[derive(Debug, thiserror::Error)]
#[error("it answered {status}: {reason}")]
struct Refused {
    status: u16,
    reason: String,
}

/// It did not answer within the time allowed.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} ms", .0.as_millis())]
pub(crate) struct TimedOut(pub(crate) Duration);

impl Http {
    /// A client without redirects: a replica's address is the replica's.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self(client))
    }

    /// The answer, whatever its status. A connection that broke is tried once more, at once.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, PortError> {
        let whole = async {
            match self.once(ask).await {
                Err(error) if error.is_connect() || error.is_request() => self.once(ask).await,
                other => other,
            }
        };
        match tokio::time::timeout(ask.within, whole).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => Err(PortError::Invalid {
                what: ask.what.to_owned(),
                message: format!("the answer is longer than {LARGEST_ANSWER} bytes"),
            }),
            Ok(Err(error)) => Err(unavailable(ask.what, error.without_url())),
            Err(_) => Err(unavailable(ask.what, TimedOut(ask.within))),
        }
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Option<Answer>, reqwest::Error> {
        let mut request = self.0.request(ask.method.clone(), &ask.url);
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        if let Some(token) = ask.token {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await?;
        let (what, status) = (ask.what.to_owned(), response.status());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ANSWER {
                return Ok(None);
            }
        }
        Ok(Some(Answer { what, status, body }))
    }
}

impl Answer {
    /// The answer where it has one of these statuses, else what its status means.
    pub(crate) fn expect(self, statuses: &[u16]) -> Result<Self, PortError> {
        if statuses.contains(&self.status.as_u16()) { Ok(self) } else { Err(self.refused()) }
    }

    /// The body, which has to be this kind of JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, PortError> {
        serde_json::from_slice(&self.body).map_err(|error| PortError::Invalid {
            what: self.what.clone(),
            message: format!("its answer can't be read: {error}"),
        })
    }

    /// The server's reason: `{"error": "text"}`, or the text as it is.
    pub(crate) fn reason(&self) -> String {
        let text = match serde_json::from_slice::<Value>(&self.body) {
            Ok(Value::Object(object)) => match object.get("error").or_else(|| object.get("detail"))
            {
                Some(Value::String(text)) => text.clone(),
                _ => Value::Object(object).to_string(),
            },
            _ => String::from_utf8_lossy(&self.body).into_owned(),
        };
        match text.trim() {
            "" => "no reason given".to_owned(),
            text => text.chars().take(LONGEST_REASON).collect(),
        }
    }

    /// What a status that was not expected means to the caller.
    pub(crate) fn refused(self) -> PortError {
        let (what, status, reason) = (self.what.clone(), self.status.as_u16(), self.reason());
        match status {
            401 | 403 => PortError::Denied { what, message: reason },
            404 => PortError::NotFound { what: format!("{what} ({reason})") },
            408 | 409 | 425 | 429 => unavailable(&what, Refused { status, reason }),
            // Insufficient storage: a second try has no more memory.
            507 => PortError::Invalid { what, message: reason },
            500.. => unavailable(&what, Refused { status, reason }),
            _ => PortError::Invalid { what, message: format!("it answered {status}: {reason}") },
        }
    }
}

/// It may work later.
pub(crate) fn unavailable(what: &str, source: impl Error + Send + Sync + 'static) -> PortError {
    PortError::Unavailable { what: what.to_owned(), source: Box::new(source) }
}

/// It may work later, for a reason of Perch's own.
pub(crate) fn not_yet(what: &str, reason: impl Into<String>) -> PortError {
    PortError::Unavailable { what: what.to_owned(), source: reason.into().into() }
}

/// It won't work as it is.
pub(crate) fn invalid(what: &str, message: impl Into<String>) -> PortError {
    PortError::Invalid { what: what.to_owned(), message: message.into() }
}

/// Whether nothing came back in time: the request may still be carried out.
pub(crate) fn timed_out(error: &PortError) -> bool {
    matches!(error, PortError::Unavailable { source, .. } if source.is::<TimedOut>())
}
