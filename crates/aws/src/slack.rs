//! Slack incoming webhooks. The URL is a secret: it is read from SSM or Secrets Manager, kept in
//! memory, and never logged or put into an error.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use perch_app::ports::{PortError, PostSlack, ReadSecret};
use perch_core::names::SecretRef;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::secrets::Secrets;

/// A slow Slack is given up on: the topic has the message already.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Slack, as far as a webhook reaches.
pub struct Slack {
    secrets: Secrets,
    http: reqwest::Client,
    urls: Mutex<HashMap<SecretRef, String>>,
}

impl fmt::Debug for Slack {
    /// Without the URLs: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").finish_non_exhaustive()
    }
}

impl Slack {
    /// Slack with secrets from this account and region.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub fn new(sdk: &SdkConfig) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { secrets: Secrets::new(sdk), http, urls: Mutex::default() })
    }

    async fn url(&self, webhook: &SecretRef) -> Result<String, PortError> {
        if let Some(url) = self.urls.lock().await.get(webhook) {
            return Ok(url.clone());
        }
        let url = self.secrets.secret(webhook).await?;
        self.urls.lock().await.insert(webhook.clone(), url.clone());
        Ok(url)
    }
}

impl PostSlack for Slack {
    async fn post(&self, webhook: &SecretRef, body: &Value) -> Result<(), PortError> {
        let what = format!("the Slack webhook of {webhook}");
        let url = self.url(webhook).await?;
        let sent = self.http.post(&url).json(body).send().await;
        let answer = sent.map_err(|error| PortError::Unavailable {
            what: what.clone(),
            source: Box::new(error.without_url()),
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        // Revoked or rotated: read the secret again next time.
        self.urls.lock().await.remove(webhook);
        let text: String = answer.text().await.unwrap_or_default().chars().take(200).collect();
        Err(PortError::Invalid { what, message: format!("Slack answered {status}: {text}") })
    }
}
