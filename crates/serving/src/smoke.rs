//! Requests of smoke tests to any URL, measured, and bounded in time and size.

use std::time::{Duration, Instant};

use perch_app::ports::{RequestUrl, UrlRequest};
use perch_core::smoke::{Answer, Heard};
use perch_core::target;
use reqwest::{Client, Method, Response};

/// More of an answer is not read: a smoke test looks at a few values.
const LARGEST_ANSWER: usize = 1 << 20;
/// Attempts at a connection: a listener that has just got its first target may refuse the first.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt; each one after waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// A client for smoke tests.
#[derive(Debug, Clone)]
pub struct SmokeClient(Client);

/// Why there is no answer.
enum Failed {
    /// The connection was not made: nothing was sent.
    Connect(String),
    /// Something else.
    Other(String),
}

impl SmokeClient {
    /// A client that follows no redirects and keeps no connection between requests: each check is
    /// measured from its own start.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let redirects = reqwest::redirect::Policy::none();
        Ok(Self(Client::builder().redirect(redirects).pool_max_idle_per_host(0).build()?))
    }

    async fn once(&self, request: &UrlRequest<'_>) -> Result<Answer, Failed> {
        let mut built = self.0.request(method(request.method), request.url);
        for (name, value) in request.headers {
            built = built.header(name, value);
        }
        if let Some(body) = request.body {
            built = built.json(body);
        }
        let response = built.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        Ok(Answer::Http { status, body: body(response).await? })
    }

    /// The answer. Only a connection that was not made is tried again: a request that was sent may have
    /// been carried out.
    async fn patiently(&self, request: &UrlRequest<'_>) -> Answer {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            match self.once(request).await {
                Ok(answer) => return answer,
                Err(Failed::Connect(_)) if attempt < ATTEMPTS => tokio::time::sleep(wait).await,
                Err(Failed::Connect(why)) => {
                    return Answer::Nothing { why: format!("no connection: {why}") };
                }
                Err(Failed::Other(why)) => return Answer::Nothing { why },
            }
            wait *= 2;
        }
        unreachable!("the last attempt returns")
    }
}

impl RequestUrl for SmokeClient {
    async fn request(&self, request: &UrlRequest<'_>) -> Heard {
        let began = Instant::now();
        let answer = tokio::time::timeout(request.within, self.patiently(request)).await;
        let why = format!("no answer within {} ms", request.within.as_millis());
        Heard { answer: answer.unwrap_or(Answer::Nothing { why }), took: began.elapsed() }
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER {
            return Err(Failed::Other(format!("the answer is longer than {LARGEST_ANSWER} bytes")));
        }
    }
    Ok(body)
}

fn failed(error: reqwest::Error) -> Failed {
    let is_connect = error.is_connect();
    // The innermost cause says what happened; the URL is the check's own.
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let why = cause.to_string();
    if is_connect { Failed::Connect(why) } else { Failed::Other(why) }
}

fn method(method: target::Method) -> Method {
    match method {
        target::Method::Get => Method::GET,
        target::Method::Post => Method::POST,
        target::Method::Put => Method::PUT,
        target::Method::Delete => Method::DELETE,
    }
}
