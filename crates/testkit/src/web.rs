//! Servers that answer over HTTP as a test says, by URL.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perch_app::ports::{RequestUrl, UrlRequest};
use perch_core::smoke::{Answer, Heard};

use crate::calls::Calls;

/// How long every answer takes.
const TOOK: Duration = Duration::from_millis(25);

/// The servers. A URL that nothing was said of answers 200 and `{}`.
#[derive(Debug)]
pub struct MemoryWeb {
    calls: Arc<Calls>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    answers: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

impl MemoryWeb {
    /// Servers that answer everything.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), state: Mutex::default() }
    }

    /// The same servers, whose calls are counted elsewhere.
    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), state: Mutex::new(self.state.lock().unwrap().clone()) }
    }

    /// Has a URL answer this; not a port call.
    pub fn answer(&self, url: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(url.to_owned(), answer);
    }

    /// What was asked so far, each as method and URL; not a port call.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl RequestUrl for MemoryWeb {
    async fn request(&self, request: &UrlRequest<'_>) -> Heard {
        let usual = Answer::Http { status: 200, body: b"{}".to_vec() };
        let answered = self.calls.port("request", || {
            let mut state = self.state.lock().unwrap();
            state.asked.push(format!("{:?} {}", request.method, request.url));
            Ok(state.answers.get(request.url).cloned().unwrap_or(usual))
        });
        let answer =
            answered.await.unwrap_or_else(|error| Answer::Nothing { why: error.to_string() });
        Heard { answer, took: TOOK }
    }
}
