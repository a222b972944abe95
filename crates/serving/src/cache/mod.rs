//! The port to the cache in front of a model: the pointer in Redis, and the service's own webhook.

mod connection;
mod pointer;
mod sweep;
mod webhook;

use perch_app::ports::{PortError, ReadSecret, SwitchCache, Switched};
use perch_core::names::ModelName;
use perch_core::target::{Cache, Redis};

use crate::http::Http;
use connection::Connection;
use webhook::Turn;

/// Redis, Valkey and webhooks, with passwords and tokens from `S`.
#[derive(Clone)]
pub struct Caches<S> {
    secrets: S,
    http: Http,
    roots: Option<Vec<u8>>,
}

impl<S> std::fmt::Debug for Caches<S> {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caches").finish_non_exhaustive()
    }
}

impl<S: ReadSecret> Caches<S> {
    /// Caches whose certificates come from an authority that the host trusts.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub fn new(secrets: S) -> Result<Self, reqwest::Error> {
        Ok(Self { secrets, http: Http::new()?, roots: None })
    }

    /// The same, with certificates of Redis from these authorities (PEM) alone.
    #[must_use]
    pub fn trusting(self, roots: Vec<u8>) -> Self {
        Self { roots: Some(roots), ..self }
    }

    async fn connect(&self, redis: &Redis) -> Result<Connection, PortError> {
        let password = match &redis.password {
            Some(name) => Some(self.secrets.secret(name).await?),
            None => None,
        };
        Connection::open(redis, password, self.roots.clone()).await
    }
}

impl<S: ReadSecret> SwitchCache for Caches<S> {
    async fn generation(
        &self,
        cache: &Cache,
        model: &ModelName,
    ) -> Result<Option<String>, PortError> {
        match &cache.redis {
            Some(redis) => self.connect(redis).await?.generation(&redis.pointer(model)).await,
            None => Ok(None),
        }
    }

    async fn switch(
        &self,
        cache: &Cache,
        model: &ModelName,
        from: Option<&str>,
        to: &str,
    ) -> Result<Switched, PortError> {
        if let Some(redis) = &cache.redis {
            let mut connection = self.connect(redis).await?;
            let switched = connection.switch(&redis.pointer(model), from, to).await?;
            if switched != Switched::Done {
                return Ok(switched);
            }
        }
        if let Some(webhook) = &cache.webhook {
            let token = match &webhook.token {
                Some(name) => Some(self.secrets.secret(name).await?),
                None => None,
            };
            let turn = Turn { model, generation: to, former: from };
            webhook::tell(&self.http, &webhook.url, token.as_deref(), &turn).await?;
        }
        Ok(Switched::Done)
    }

    async fn clean_up(
        &self,
        cache: &Cache,
        model: &ModelName,
        keep: &[&str],
    ) -> Result<u64, PortError> {
        match &cache.redis {
            Some(Redis { clean_up: None, .. }) | None => Ok(0),
            Some(redis @ Redis { clean_up: Some(most), .. }) => {
                let mut connection = self.connect(redis).await?;
                connection.clean_up(model, &redis.pointer(model), keep, u64::from(*most)).await
            }
        }
    }
}
