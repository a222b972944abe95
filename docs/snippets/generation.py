"""Answers from a cache whose generation Perch switches (docs/model-servers.md).

    cache = redis.Redis.from_url("redis://cache:6379", decode_responses=True)
    answer = generation.cached(cache, "news", key, lambda: ask_a_replica(text))    # (answer, version that answered)
"""


def cached(cache, model, key, ask, seconds=86_400):
    """The answer of the generation that callers read, else a new one, kept under the version that gave it."""
    generation = cache.get(f"{model}:generation")
    if generation and (found := cache.get(f"{model}:{generation}:{key}")) is not None:
        return found
    answer, version = ask()
    cache.set(f"{model}:{version}:{key}", answer, ex=seconds)
    return answer
