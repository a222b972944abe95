//! Answers by generation in Redis: entries `MODEL:GENERATION:HASH`, the pointer `MODEL:generation`.
//!
//! The pointer is read with every request, so the first request after a switch sees the new generation.
//! Without a pointer nothing is found. A cache that fails costs no request its answer.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client, RedisResult};
use sha2::{Digest as _, Sha256};

/// How long Redis may take.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long it is left alone after a failure, so that a slow one slows few requests.
const REST: Duration = Duration::from_secs(1);

/// A connection to Redis for one model.
pub(crate) struct Cache {
    redis: ConnectionManager,
    model: String,
    keep_seconds: u64,
    resting_until: Mutex<Option<Instant>>,
}

/// An answer that was kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The version of the model that gave it.
    pub(crate) generation: String,
    /// The answer.
    pub(crate) answer: Vec<u8>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Cache {
    /// A connection that is made again when it breaks.
    pub(crate) fn connect(url: &str, model: &str, keep: u64) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let redis = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Self { redis, model: model.into(), keep_seconds: keep, resting_until: Mutex::new(None) })
    }

    /// The answer that the pointer's generation has for a text.
    pub(crate) async fn look_up(&self, text: &str) -> Option<Kept> {
        if self.rests() {
            return None;
        }
        // Around the whole: the manager tries a lost connection several times before it gives up.
        match tokio::time::timeout(PATIENCE, self.read(text)).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(wrong)) => self.failed(&wrong),
            Err(late) => self.failed(&late),
        }
    }

    async fn read(&self, text: &str) -> RedisResult<Option<Kept>> {
        let mut redis = self.redis.clone();
        let pointer: Option<String> = redis.get(format!("{}:generation", self.model)).await?;
        let Some(generation) = pointer else { return Ok(None) };
        let answer: Option<Vec<u8>> = redis.get(self.key(&generation, text)).await?;
        Ok(answer.map(|answer| Kept { generation, answer }))
    }

    /// Keeps an answer under the version of the model that gave it; nobody waits for that.
    pub(crate) fn keep(&self, version: &str, text: &str, answer: &[u8]) {
        if self.rests() {
            return;
        }
        let (mut redis, key) = (self.redis.clone(), self.key(version, text));
        let (answer, seconds) = (answer.to_vec(), self.keep_seconds);
        tokio::spawn(async move {
            let kept: RedisResult<()> = redis.set_ex(key, answer, seconds).await;
            if let Err(wrong) = kept {
                tracing::warn!("an answer was not kept: {wrong}");
            }
        });
    }

    fn key(&self, generation: &str, text: &str) -> String {
        let mut key = format!("{}:{generation}:", self.model);
        for byte in &Sha256::digest(text)[..16] {
            // Writing to a string can't fail.
            let _ = write!(key, "{byte:02x}");
        }
        key
    }

    fn rests(&self) -> bool {
        let until = self.resting_until.lock().ok().and_then(|until| *until);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Leaves the cache alone for a while: nothing is found in it.
    fn failed(&self, wrong: &dyn std::error::Error) -> Option<Kept> {
        tracing::warn!("the cache failed: {wrong}");
        if let Ok(mut until) = self.resting_until.lock() {
            *until = Some(Instant::now() + REST);
        }
        None
    }
}
