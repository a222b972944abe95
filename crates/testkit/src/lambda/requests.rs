//! Requests that were sent to aliases.

use perch_app::ports::{SendRequests, Sent};
use perch_core::target::Lambda;
use serde_json::Value;

use super::MemoryLambda;

impl SendRequests for MemoryLambda {
    async fn send(&self, lambda: &Lambda, events: &[&Value]) -> Sent {
        let alias = format!("{}:{}", lambda.function, lambda.alias);
        let accept = |account: &mut super::Account| {
            let sent = events.iter().map(|event| (alias.clone(), Value::clone(event)));
            account.requests.extend(sent);
            Ok(u32::try_from(events.len()).unwrap())
        };
        match self.port("send", accept).await {
            Ok(accepted) => Sent { accepted, failure: None },
            Err(failure) => Sent { accepted: 0, failure: Some(failure) },
        }
    }
}
