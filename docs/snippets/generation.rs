//! Answers from a cache whose generation Perch switches (docs/model-servers.md).

use redis::{AsyncCommands, RedisResult, aio::ConnectionLike};

/// The answer of the generation that callers read, else a new one, kept under the version that gave it.
pub(crate) async fn cached(
    cache: &mut (impl ConnectionLike + Send + Sync),
    model: &str,
    key: &str,
    ask: impl AsyncFnOnce() -> (String, String),
) -> RedisResult<String> {
    let generation: Option<String> = cache.get(format!("{model}:generation")).await?;
    if let Some(generation) = generation
        && let Some(found) = cache.get(format!("{model}:{generation}:{key}")).await?
    {
        return Ok(found);
    }
    let (answer, version) = ask().await;
    let () = cache.set_ex(format!("{model}:{version}:{key}"), &answer, 86_400).await?;
    Ok(answer)
}
